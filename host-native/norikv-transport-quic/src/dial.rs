//! The dialler of one peer: as long as there is no connection, tries to make one.

use core::time::Duration;
use std::sync::Arc;

use crate::connection::{self, Failed};
use crate::peer::Peer;
use crate::transport::Shared;

/// Runs until the transport is closed.
pub(crate) async fn dial_forever(shared: Arc<Shared>, peer: Arc<Peer>) {
    let mut up = peer.up.subscribe();
    let mut backoff = shared.limits.backoff_min;
    // The lower id dials first, so that a pair that starts together rarely makes two connections.
    let mut wait = if shared.id > peer.id {
        HEAD_START
    } else {
        Duration::ZERO
    };
    loop {
        if up.wait_for(|up| !up).await.is_err() {
            return;
        }
        tokio::select! {
            _ = up.wait_for(|up| *up) => {
                backoff = shared.limits.backoff_min;
                wait = if shared.id > peer.id { HEAD_START } else { Duration::ZERO };
                continue;
            }
            () = pause(&peer, wait, shared.limits.backoff_min) => {}
        }
        let attempt = connection::dial(&shared, &peer);
        match tokio::time::timeout(shared.limits.dial_timeout, attempt).await {
            Ok(Ok(())) => {
                backoff = shared.limits.backoff_min;
                wait = Duration::ZERO;
                continue;
            }
            Ok(Err(Failed::Refused(reason))) => {
                peer.refused(peer.address, true, reason, &shared.sink);
            }
            Ok(Err(Failed::Duplicate)) => {
                // The other connection is about to be ours, or was lost before it got there.
                wait = HEAD_START;
                continue;
            }
            Ok(Err(Failed::Lost)) | Err(_) => {}
        }
        wait = jittered(backoff);
        backoff = (backoff * 2).min(shared.limits.backoff_max);
    }
}

/// Waits for `wait`, or less when something wants to be sent, but never less than `least`.
async fn pause(peer: &Peer, wait: Duration, least: Duration) {
    tokio::time::sleep(wait.min(least)).await;
    if let Some(rest) = wait.checked_sub(least) {
        let _either = tokio::time::timeout(rest, peer.wanted.notified()).await;
    }
}

/// 0.5 to 1.5 times `wait`.
fn jittered(wait: Duration) -> Duration {
    let draw = getrandom::u32().unwrap_or(u32::MAX / 2);
    wait.mul_f64(0.5 + f64::from(draw) / f64::from(u32::MAX))
}

/// What the node with the higher id leaves to the other.
const HEAD_START: Duration = Duration::from_millis(100);
