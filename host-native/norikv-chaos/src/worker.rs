//! A client: asks, waits, and writes down what it heard.

use std::sync::Arc;
use std::time::Duration;

use norikv_client::{Client, Config, Error};
use norikv_types::{Applied, ErrorKind, Prng};
use tokio::sync::watch;

use crate::op::{Op, VALUE_BYTES_MAX};
use crate::record::{Begun, Heard, Record};
use crate::violation::{Findings, Violation};

/// One client, with one operation under way at a time.
#[derive(Debug)]
pub(crate) struct Worker {
    number: u64,
    prng: Prng,
    /// Repeats for a while what may be repeated.
    patient: Client,
    /// Gives up soon: its writes often end unknown.
    hasty: Client,
    record: Arc<Record>,
    findings: Arc<Findings>,
}

impl Worker {
    /// A client that goes to the first of `endpoints` first.
    #[must_use]
    pub(crate) fn new(
        number: u64,
        seed: u64,
        endpoints: Vec<String>,
        record: Arc<Record>,
        findings: Arc<Findings>,
    ) -> Self {
        let mut hasty = Config::new(endpoints.clone());
        hasty.timeout = Duration::from_millis(400);
        hasty.attempt_timeout = Duration::from_millis(400);
        Self {
            number,
            prng: Prng::new(seed),
            patient: Client::new(patient(endpoints)),
            hasty: Client::new(hasty),
            record,
            findings,
        }
    }

    /// Asks until it is told to stop; what is under way then is ended first.
    pub(crate) async fn run(mut self, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let begun = self.record.begin(self.number, &mut self.prng);
            let hasty = begun.op.is_write() && self.prng.below(10) == 0;
            let client = if hasty { &self.hasty } else { &self.patient };
            let heard = ask(client, &begun, &self.findings).await;
            self.record.end(begun, heard);
            let pause = self.prng.duration(Duration::ZERO, THINK_MAX);
            tokio::time::sleep(pause).await;
        }
    }
}

/// Carries out an operation.
pub(crate) async fn ask(client: &Client, begun: &Begun, findings: &Findings) -> Heard {
    let key = begun.key().unwrap_or_default();
    let name = format!("write-{}", begun.write.0);
    let heard = match begun.op {
        Op::Put { expect, .. } => client
            .put_named(
                key.as_bytes(),
                begun.write.bytes(VALUE_BYTES_MAX),
                expect,
                &name,
            )
            .await
            .map(Heard::Written),
        Op::Delete { expect, .. } => client
            .delete_named(key.as_bytes(), expect, &name)
            .await
            .map(Heard::Written),
        Op::Get { consistency, .. } => client
            .get(key.as_bytes(), consistency)
            .await
            .map(Heard::Value),
        Op::Scan { consistency } => client
            .scan(begun.prefix().as_bytes(), None, SCAN_LIMIT, consistency)
            .await
            .map(Heard::Page),
    };
    heard.unwrap_or_else(|error| failed(&error, begun, findings))
}

/// What is known of an operation that ended in an error.
fn failed(error: &Error, begun: &Begun, findings: &Findings) -> Heard {
    let unexpected = match error {
        Error::Refused(body) => matches!(
            body.code,
            ErrorKind::Invalid
                | ErrorKind::TooLarge
                | ErrorKind::IdempotencyMismatch
                | ErrorKind::Corrupt
        ),
        Error::Foreign { .. } => true,
        _ => false,
    };
    if unexpected {
        let message = format!("{:?}: {error}", begun.op);
        findings.add(Violation::Failure { message });
    }
    if !begun.op.is_write() {
        return Heard::Refused;
    }
    match (error.applied(), error) {
        (Applied::No, Error::Refused(body)) if body.code == ErrorKind::PreconditionFailed => {
            Heard::Conflict(body.actual.map(Into::into))
        }
        (Applied::No, _) => Heard::Refused,
        (Applied::Yes | Applied::Unknown, _) => Heard::Unknown,
    }
}

/// How a client is configured that repeats for a while.
pub(crate) fn patient(endpoints: Vec<String>) -> Config {
    let mut config = Config::new(endpoints);
    config.timeout = Duration::from_secs(6);
    config.attempt_timeout = Duration::from_millis(1_500);
    config
}

const THINK_MAX: Duration = Duration::from_millis(40);
const SCAN_LIMIT: u32 = 1_000;
