//! One connection at work: a writer and a reader a lane, a reader of packets.
//!
//! **Invariant: no stream is believed before its hello matches the certificate, the cluster and the
//! hello that opened the connection.**

use std::sync::Arc;

use bytes::Bytes;
use norikv_types::NodeId;
use quinn::{Connection, ConnectionError, ReadExactError, RecvStream, SendStream};
use rustls_pki_types::CertificateDer;
use tokio::sync::{Semaphore, watch};

use crate::credentials::certificate_is_for;
use crate::lane;
use crate::peer::{LINGER, Peer, close};
use crate::queue::LENGTH_SIZE;
use crate::transport::Shared;
use crate::{Credit, DownReason, Hello, Inbound, Lane, Refusal};

/// Why a connection did not come to be.
pub(crate) enum Failed {
    /// It must not.
    Refused(Refusal),
    /// The pair has another one already.
    Duplicate,
    /// The other side was not there, or went away.
    Lost,
}

/// The accepting side: reads the first hello, answers with its own, and takes up work.
pub(crate) async fn accept(shared: &Arc<Shared>, incoming: quinn::Incoming) {
    let address = incoming.remote_address();
    let attempt = async {
        let connection = incoming.await.map_err(|error| failed(&error))?;
        let opened = welcome(shared, &connection).await;
        if let Err(Failed::Refused(reason)) = &opened {
            let text = reason_for_peer(reason, shared);
            connection.close(close::REFUSED.into(), text.as_bytes());
        }
        opened
    };
    let outcome = tokio::time::timeout(shared.limits.dial_timeout, attempt).await;
    if let Ok(Err(Failed::Refused(reason))) = outcome {
        shared.refused(address, reason);
    }
}

async fn welcome(shared: &Arc<Shared>, connection: &Connection) -> Result<(), Failed> {
    let mut control = connection
        .accept_uni()
        .await
        .map_err(|error| failed(&error))?;
    let hello = read_hello(&mut control, connection).await?;
    check(shared, connection, &hello, None)?;
    let Some(peer) = shared.peers.get(&hello.node) else {
        return Err(Failed::Refused(Refusal::UnknownNode(hello.node)));
    };
    let Some(joined) = peer.join(connection, hello.boot, hello.node, shared.id, &shared.sink)
    else {
        connection.close(close::DUPLICATE.into(), b"duplicate");
        return Err(Failed::Duplicate);
    };
    run(
        shared,
        peer,
        connection.clone(),
        hello,
        control,
        joined.stop,
        None,
    );
    Ok(())
}

/// The dialling side: opens with a hello and takes up work when the answer has come.
pub(crate) async fn dial(shared: &Arc<Shared>, peer: &Arc<Peer>) -> Result<(), Failed> {
    let connecting = shared
        .endpoint
        .connect(peer.address, &crate::credentials::name_of(peer.id))
        .map_err(|_unusable| Failed::Lost)?;
    let connection = connecting.await.map_err(|error| failed(&error))?;
    let outcome = greet(shared, peer, &connection).await;
    match &outcome {
        Err(Failed::Refused(reason)) => {
            let text = reason_for_peer(reason, shared);
            connection.close(close::REFUSED.into(), text.as_bytes());
        }
        Err(Failed::Duplicate | Failed::Lost) | Ok(()) => {}
    }
    outcome
}

async fn greet(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: &Connection,
) -> Result<(), Failed> {
    let stream = open_lane(shared, connection, Lane::Control).await?;
    let mut control = connection
        .accept_uni()
        .await
        .map_err(|error| failed(&error))?;
    let hello = read_hello(&mut control, connection).await?;
    check(shared, connection, &hello, Some(peer.id))?;
    match peer.join(connection, hello.boot, shared.id, shared.id, &shared.sink) {
        Some(joined) => {
            run(
                shared,
                peer,
                connection.clone(),
                hello,
                control,
                joined.stop,
                Some(stream),
            );
            Ok(())
        }
        None => {
            // The peer took this connection before it learnt of the one that wins: what it has
            // written here already is heard, and nothing is said.
            read(shared, connection, hello, control);
            let connection = connection.clone();
            tokio::spawn(async move {
                let _closed = tokio::time::timeout(LINGER, connection.closed()).await;
                connection.close(close::DUPLICATE.into(), b"duplicate");
            });
            Err(Failed::Duplicate)
        }
    }
}

/// Opens the stream of `lane` with its hello.
async fn open_lane(
    shared: &Shared,
    connection: &Connection,
    lane: Lane,
) -> Result<SendStream, Failed> {
    let mut stream = connection
        .open_uni()
        .await
        .map_err(|error| failed(&error))?;
    let _finished = stream.set_priority(lane::priority(lane));
    let hello = Hello {
        cluster: shared.cluster,
        node: shared.id,
        boot: shared.boot,
        lane,
    };
    let mut bytes = [0; LENGTH_SIZE + Hello::SIZE];
    let (length, body) = bytes.split_at_mut(LENGTH_SIZE);
    length.copy_from_slice(&HELLO_LENGTH.to_le_bytes());
    body.copy_from_slice(&hello.encode());
    stream
        .write_all(&bytes)
        .await
        .map_err(|_lost| lost(connection))?;
    Ok(stream)
}

async fn read_hello(stream: &mut RecvStream, connection: &Connection) -> Result<Hello, Failed> {
    let gone = |error: ReadExactError| match error {
        ReadExactError::FinishedEarly(_) => Failed::Refused(Refusal::NotAPeer),
        ReadExactError::ReadError(_) => lost(connection),
    };
    let mut length = [0; LENGTH_SIZE];
    stream.read_exact(&mut length).await.map_err(gone)?;
    let length = u32::from_le_bytes(length);
    if length > HELLO_LENGTH_MAX {
        return Err(Failed::Refused(Refusal::NotAPeer));
    }
    let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut body).await.map_err(gone)?;
    Hello::decode(&body).map_err(Failed::Refused)
}

fn check(
    shared: &Shared,
    connection: &Connection,
    hello: &Hello,
    dialled: Option<NodeId>,
) -> Result<(), Failed> {
    let refuse = |reason| Err(Failed::Refused(reason));
    if hello.cluster != shared.cluster {
        return refuse(Refusal::Cluster {
            ours: shared.cluster,
            theirs: hello.cluster,
        });
    }
    if dialled.is_some_and(|dialled| dialled != hello.node) {
        return refuse(Refusal::Identity {
            claimed: hello.node,
        });
    }
    let certified = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .and_then(|chain| chain.first().cloned())
        .is_some_and(|certificate| certificate_is_for(&certificate, hello.node).is_ok());
    if !certified {
        return refuse(Refusal::Identity {
            claimed: hello.node,
        });
    }
    if hello.lane != Lane::Control {
        return refuse(Refusal::NotAPeer);
    }
    Ok(())
}

/// Starts the tasks of a connection. They end with it.
fn run(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    connection: Connection,
    hello: Hello,
    control: RecvStream,
    stop: watch::Receiver<bool>,
    opened: Option<SendStream>,
) {
    tracing::info!(peer = peer.id.0, address = %connection.remote_address(), "connected");
    tokio::spawn(write_lanes(
        Arc::clone(shared),
        Arc::clone(peer),
        connection.clone(),
        stop,
        opened,
    ));
    read(shared, &connection, hello, control);
    let (shared, peer) = (Arc::clone(shared), Arc::clone(peer));
    tokio::spawn(async move {
        let reason = down_reason(&connection.closed().await);
        tracing::info!(peer = peer.id.0, %reason, "disconnected");
        peer.leave(&connection, reason, &shared.sink);
    });
}

/// Starts to read everything that comes.
fn read(shared: &Arc<Shared>, connection: &Connection, hello: Hello, control: RecvStream) {
    tokio::spawn(read_lane(
        Arc::clone(shared),
        hello.node,
        Lane::Control,
        control,
        connection.clone(),
    ));
    tokio::spawn(accept_lanes(Arc::clone(shared), connection.clone(), hello));
    tokio::spawn(read_datagrams(
        Arc::clone(shared),
        hello.node,
        connection.clone(),
    ));
}

/// Opens the lanes, control first: the answer to a hello is the first stream.
async fn write_lanes(
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    connection: Connection,
    stop: watch::Receiver<bool>,
    mut opened: Option<SendStream>,
) {
    for lane in lane::ALL {
        let stream = match opened.take() {
            Some(stream) => stream,
            None => match open_lane(&shared, &connection, lane).await {
                Ok(stream) => stream,
                Err(_lost) => return,
            },
        };
        let (peer, stop) = (Arc::clone(&peer), stop.clone());
        tokio::spawn(async move { write_lane(&peer, lane, stream, stop).await });
    }
}

/// Accepts the peer's other lanes, each once.
async fn accept_lanes(shared: Arc<Shared>, connection: Connection, first: Hello) {
    let mut open = [false; 4];
    open[lane::index(Lane::Control)] = true;
    while let Ok(mut stream) = connection.accept_uni().await {
        let hello = match read_hello(&mut stream, &connection).await {
            Ok(hello) => hello,
            Err(Failed::Refused(reason)) => {
                let text = reason_for_peer(&reason, &shared);
                connection.close(close::REFUSED.into(), text.as_bytes());
                return;
            }
            Err(Failed::Duplicate | Failed::Lost) => return,
        };
        let again = open
            .get_mut(lane::index(hello.lane))
            .is_none_or(|open| core::mem::replace(open, true));
        if again
            || hello
                != (Hello {
                    lane: hello.lane,
                    ..first
                })
        {
            connection.close(close::PROTOCOL.into(), b"a stream for a lane that is open");
            return;
        }
        tokio::spawn(read_lane(
            Arc::clone(&shared),
            hello.node,
            hello.lane,
            stream,
            connection.clone(),
        ));
    }
}

/// Writes what waits, all of it at once a wake, until another connection takes over.
async fn write_lane(
    peer: &Peer,
    lane: Lane,
    mut stream: SendStream,
    mut stop: watch::Receiver<bool>,
) {
    let queue = peer.queue(lane);
    loop {
        if *stop.borrow() {
            break;
        }
        let mut chunks = queue.take(BATCH_BYTES);
        if chunks.is_empty() {
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                () = queue.changed() => {}
                _ = stream.stopped() => break,
            }
        } else if stream.write_all_chunks(&mut chunks).await.is_err() {
            break;
        }
    }
    // A wake-up taken here belongs to the connection that took over.
    queue.wake();
    let _gone = stream.finish();
}

/// Reads frames until the stream ends. The sender is held back while the host holds too much.
async fn read_lane(
    shared: Arc<Shared>,
    from: NodeId,
    lane: Lane,
    mut stream: RecvStream,
    connection: Connection,
) {
    let window = shared.limits.inbound_bytes_max;
    let room = Arc::new(Semaphore::new(
        usize::try_from(window).unwrap_or(usize::MAX),
    ));
    loop {
        let mut length = [0; LENGTH_SIZE];
        if stream.read_exact(&mut length).await.is_err() {
            return;
        }
        let length = u32::from_le_bytes(length);
        if length > shared.limits.frame_bytes_max {
            let lane = lane.word();
            let text = format!("a frame of {length} bytes in the {lane} lane is over the limit");
            tracing::warn!(peer = from.0, lane, length, "frame over the limit");
            connection.close(close::PROTOCOL.into(), text.as_bytes());
            return;
        }
        let Ok(permit) = Arc::clone(&room)
            .acquire_many_owned(length.min(window))
            .await
        else {
            return;
        };
        let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        (shared.sink)(Inbound::Frame {
            from,
            lane,
            bytes: Bytes::from(body),
            credit: Credit::new(permit),
        });
    }
}

async fn read_datagrams(shared: Arc<Shared>, from: NodeId, connection: Connection) {
    while let Ok(bytes) = connection.read_datagram().await {
        (shared.sink)(Inbound::Datagram { from, bytes });
    }
}

fn lost(connection: &Connection) -> Failed {
    connection
        .close_reason()
        .map_or(Failed::Lost, |reason| failed(&reason))
}

/// What a connection's end says about why it could not be.
pub(crate) fn failed(error: &ConnectionError) -> Failed {
    match error {
        ConnectionError::TransportError(error) if is_tls(u64::from(error.code)) => {
            Failed::Refused(Refusal::Certificate(error.reason.clone()))
        }
        ConnectionError::ConnectionClosed(frame) if is_tls(u64::from(frame.error_code)) => {
            let alert = u64::from(frame.error_code) - TLS_ALERTS.start;
            let words = String::from_utf8_lossy(&frame.reason);
            Failed::Refused(Refusal::OurCertificate(format!(
                "tls alert {alert}: {words}"
            )))
        }
        ConnectionError::ApplicationClosed(frame) if frame.error_code == close::REFUSED.into() => {
            let words = String::from_utf8_lossy(&frame.reason).into_owned();
            Failed::Refused(Refusal::ByPeer(words))
        }
        ConnectionError::ApplicationClosed(frame)
            if frame.error_code == close::DUPLICATE.into() =>
        {
            Failed::Duplicate
        }
        _ => Failed::Lost,
    }
}

fn down_reason(error: &ConnectionError) -> DownReason {
    match error {
        ConnectionError::TimedOut => DownReason::Silent,
        ConnectionError::LocallyClosed => DownReason::Ours,
        ConnectionError::ApplicationClosed(frame) => {
            let words = || String::from_utf8_lossy(&frame.reason).into_owned();
            if frame.error_code == close::SHUTDOWN.into() {
                DownReason::Closed
            } else if frame.error_code == close::DUPLICATE.into() {
                DownReason::Lost("the peer chose another connection".to_owned())
            } else {
                DownReason::Protocol(words())
            }
        }
        ConnectionError::Reset => DownReason::Lost("the peer forgot the connection".to_owned()),
        other => DownReason::Lost(other.to_string()),
    }
}

fn is_tls(code: u64) -> bool {
    TLS_ALERTS.contains(&code)
}

/// A refusal as the other side should read it.
fn reason_for_peer(reason: &Refusal, shared: &Shared) -> String {
    let here = shared.id;
    match reason {
        Refusal::Cluster { ours, theirs } => {
            format!("{here} belongs to cluster {ours:#018x}, the caller to {theirs:#018x}")
        }
        Refusal::Version { ours, theirs } => {
            format!("{here} speaks protocol version {ours}, the caller {theirs}")
        }
        Refusal::Identity { claimed } => {
            format!("the caller says it is {claimed}, but its certificate does not")
        }
        Refusal::UnknownNode(node) => format!("{node} is not among the peers of {here}"),
        Refusal::Certificate(_)
        | Refusal::OurCertificate(_)
        | Refusal::NotAPeer
        | Refusal::ByPeer(_) => format!("{here} expected a hello"),
    }
}

/// Bytes of a hello, its length prefix not counted.
const HELLO_LENGTH: u32 = 32;

/// Later versions may say more.
const HELLO_LENGTH_MAX: u32 = 1_024;

/// What one write takes from a queue, about: enough for a full train of packets.
const BATCH_BYTES: usize = 256 << 10;

/// QUIC's error codes for TLS alerts (RFC 9001 §4.8).
const TLS_ALERTS: core::ops::Range<u64> = 0x100..0x200;

const _: () = assert!(HELLO_LENGTH as usize == Hello::SIZE);
