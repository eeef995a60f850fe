//! The node's own log: a file in its folder, and warnings on standard error.

use std::fs::{self, OpenOptions};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// The target of events that do not go to standard error.
pub(crate) const FILE_ONLY: &str = "file_only";

/// Sends events to `folder/norikv.log`, of the levels that `NORIKV_LOG` says (`info` unless set).
///
/// # Errors
/// When the file cannot be opened.
pub(crate) fn start(folder: &Path) -> Result<()> {
    let path = folder.join("norikv.log");
    let file = fs::create_dir_all(folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .with_context(|| format!("opening {}", path.display()))?;
    let levels = EnvFilter::try_from_env("NORIKV_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::registry()
        .with(
            fmt::layer()
                .with_ansi(false)
                .with_writer(Mutex::new(file))
                .with_filter(levels),
        )
        .with(
            fmt::layer()
                .with_ansi(std::io::stderr().is_terminal())
                .with_writer(std::io::stderr)
                .with_filter(EnvFilter::new(format!("warn,{FILE_ONLY}=off"))),
        )
        .try_init()
        .context("setting up the log")
}
