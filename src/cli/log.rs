//! The log: off unless a file is named.

use crate::exit::Failure;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;

/// Starts to log into `file`, if there is one. `FR_MOUNT_LOG` filters, in the syntax of `tracing-subscriber`.
pub(crate) fn start(file: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = file else { return Ok(()) };
    let unusable = |error: std::io::Error| {
        Failure::usage(format!("cannot write the log '{}': {}", path.display(), block::io_reason(&error)))
    };
    let file = OpenOptions::new().create(true).append(true).open(path).map_err(unusable)?;
    let filter = EnvFilter::try_from_env("FR_MOUNT_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file));
    // A log that is started already goes on.
    let _ = subscriber.try_init();
    Ok(())
}
