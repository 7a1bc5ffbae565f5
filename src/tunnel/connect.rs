//! A TCP connection to the first of several addresses that answers.

use crate::error::words;
use crate::phase::Phase;
use crate::{Error, ErrorKind};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How long an address may be silent before the next one is tried beside it (RFC 8305 section 5).
const NEXT_ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How many failed addresses a message names.
const SHOWN_MAX: usize = 6;

/// Connects to the first address that answers. The next one is started when the ones before failed, or beside them
/// after a short while, so that a silent one does not use up the time.
pub(crate) async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Error> {
    let mut waiting = addresses.iter().copied();
    let mut running = JoinSet::new();
    let mut failed: Vec<(SocketAddr, io::Error)> = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            running.spawn(async move { (address, attempt(address).await) });
        }
        let patience = if waiting.len() > 0 { NEXT_ATTEMPT_DELAY } else { Duration::MAX };
        let pause = Instant::now().checked_add(patience).map_or(deadline, |until| until.min(deadline));
        match timeout_at(pause, running.join_next()).await {
            Ok(Some(Ok((_, Ok(stream))))) => return Ok(stream),
            Ok(Some(Ok((address, Err(error))))) => failed.push((address, error)),
            // The attempt was cancelled: the runtime is going down.
            Ok(Some(Err(cancelled))) => return Err(Error::new(ErrorKind::Io, cancelled.to_string())),
            Ok(None) => return Err(all_failed(&failed)),
            Err(_elapsed) if Instant::now() >= deadline => return Err(timed_out(addresses, &failed)),
            Err(_elapsed) => {}
        }
    }
}

async fn attempt(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Small requests must not wait for the answers of earlier ones.
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn timed_out(addresses: &[SocketAddr], failed: &[(SocketAddr, io::Error)]) -> Error {
    let silent = addresses.iter().filter(|address| failed.iter().all(|(other, _)| other != *address));
    let silent: Vec<String> = silent.take(SHOWN_MAX).map(ToString::to_string).collect();
    let mut error = Phase::Connect.timed_out();
    error.detail = format!("{}: nothing from {}", error.detail, silent.join(", "));
    if !failed.is_empty() {
        error.detail = format!("{}; {}", error.detail, list(failed));
    }
    error
}

fn all_failed(failed: &[(SocketAddr, io::Error)]) -> Error {
    // The kind that says most about the peer: somebody answered, nobody answered, no way there.
    let kinds: Vec<ErrorKind> = failed.iter().map(|(_, error)| kind_of(error)).collect();
    let telling = [ErrorKind::Refused, ErrorKind::TimedOut, ErrorKind::Unreachable];
    let kind = telling.into_iter().find(|kind| kinds.contains(kind)).unwrap_or(ErrorKind::Io);
    let advice = match kind {
        ErrorKind::Refused => "Check the port, and that the server is running and listens on this address",
        ErrorKind::Unreachable => "Check the network and the routes of this computer",
        ErrorKind::TimedOut => "Check that the host is up and that no firewall drops connections to this port",
        _ => "",
    };
    Error::new(kind, list(failed)).with_advice(advice)
}

fn kind_of(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorKind::Refused,
        io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        // A firewall of this computer answers with a missing permission.
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::PermissionDenied => ErrorKind::Unreachable,
        _ => ErrorKind::Io,
    }
}

fn list(failed: &[(SocketAddr, io::Error)]) -> String {
    let shown = failed.iter().take(SHOWN_MAX);
    let shown: Vec<String> = shown.map(|(address, error)| format!("{address} ({})", words(error))).collect();
    let more = if failed.len() > SHOWN_MAX { ", and others" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests;
