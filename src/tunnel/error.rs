//! Why there is no connection.

use std::fmt;
use std::io;

/// What kind of failure it was; callers decide by this, people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A setting, or a file that a setting names, cannot be used.
    BadConfig,
    /// The host name has no address, or the name server does not answer.
    NameNotFound,
    /// Nobody listens there.
    Refused,
    /// The network knows no way there.
    Unreachable,
    /// The deadline passed; the message says at which step.
    TimedOut,
    /// The proxy answered, with a status other than success.
    ProxyRefused,
    /// The proxy wants credentials (407), or other ones.
    ProxyCredentials,
    /// What the proxy answered is not an answer to CONNECT.
    ProxyProtocol,
    /// The connection would leave this computer without TLS, and that is not allowed.
    PlaintextRefused,
    /// The peer answered with something that is not TLS.
    NotTls,
    /// The server speaks neither TLS 1.2 nor TLS 1.3.
    TlsVersion,
    /// The handshake failed for another reason, such as no cipher suite in common.
    TlsFailed,
    /// No trusted authority vouches for the server's certificate, or the server did not prove that it owns it.
    Untrusted,
    /// The server's certificate is made out to other names.
    WrongName,
    /// The server's certificate, or one above it, has expired.
    Expired,
    /// The server's certificate, or one above it, is not valid yet.
    NotYetValid,
    /// The server's public key is not the pinned one.
    PinMismatch,
    /// The server wants a client certificate, or did not accept ours.
    ClientCertificate,
    /// The peer closed or reset the connection before it was ready.
    Closed,
    /// Another failure of the operating system's network.
    Io,
}

impl ErrorKind {
    const fn text(self) -> &'static str {
        match self {
            Self::BadConfig => "unusable connection setting",
            Self::NameNotFound => "host name not found",
            Self::Refused => "connection refused",
            Self::Unreachable => "not reachable from here",
            Self::TimedOut => "no answer in time",
            Self::ProxyRefused => "the proxy refused to connect",
            Self::ProxyCredentials => "the proxy wants credentials",
            Self::ProxyProtocol => "the proxy's answer is not understood",
            Self::PlaintextRefused => "refused to connect without TLS",
            Self::NotTls => "the server does not speak TLS",
            Self::TlsVersion => "no TLS version in common",
            Self::TlsFailed => "the TLS handshake failed",
            Self::Untrusted => "the server's certificate is not trusted",
            Self::WrongName => "the server's certificate is made out to another name",
            Self::Expired => "the server's certificate has expired",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::PinMismatch => "the server's public key is not the pinned one",
            Self::ClientCertificate => "the server does not accept our client certificate",
            Self::Closed => "the connection was closed too early",
            Self::Io => "the connection failed",
        }
    }

    /// Whether the same attempt may succeed a little later without anybody changing a setting.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::NameNotFound
            | Self::Refused
            | Self::Unreachable
            | Self::TimedOut
            | Self::ProxyRefused
            | Self::Closed
            | Self::Io => true,
            Self::BadConfig
            | Self::ProxyCredentials
            | Self::ProxyProtocol
            | Self::PlaintextRefused
            | Self::NotTls
            | Self::TlsVersion
            | Self::TlsFailed
            | Self::Untrusted
            | Self::WrongName
            | Self::Expired
            | Self::NotYetValid
            | Self::PinMismatch
            | Self::ClientCertificate => false,
        }
    }
}

/// Two of the longest host names that there are.
const PLACE_CHARS_MAX: usize = 512;

/// A connection that was not made: to what, why, and what to do about it. Holds no secrets.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Error {
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// What was to be reached, such as `backup.example:3260`; `None` when no connection was tried.
    pub place: Option<String>,
    /// What exactly was found; may be empty.
    pub detail: String,
    /// What to do next, as a sentence without its full stop; may be empty.
    pub advice: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, place: None, detail: detail.into(), advice: String::new() }
    }

    pub(crate) fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// The same failure, told for this place unless it already has one that is nearer to it. A place may come from a
    /// peer (a redirect), so control characters in it are shown as escapes.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.place.get_or_insert_with(|| {
            place.to_string().chars().take(PLACE_CHARS_MAX).collect::<String>().escape_debug().to_string()
        });
        self
    }

    /// The error of this crate that a read or write on a stream from [`crate::Tunnel`] failed with, if it was one: a
    /// server that does not accept our client certificate is heard of only then.
    #[must_use]
    pub fn inside(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(self.kind.text())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        if !self.advice.is_empty() {
            write!(f, ". {}", self.advice)?;
        }
        Ok(())
    }
}

/// What the operating system says, without the number at its end.
pub(crate) fn words(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(end) = text.find(" (os error") {
        text.truncate(end);
    }
    text
}

/// Text from a peer that is fit to be shown: printable ASCII, at most `chars_max` of it.
pub(crate) fn printable(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_place_kind_detail_and_advice() {
        let error = Error::new(ErrorKind::Refused, "10.0.0.1:3260").with_advice("Start it").at("a:3260").at("b:1");
        assert_eq!(error.to_string(), "a:3260: connection refused: 10.0.0.1:3260. Start it");
    }

    #[test]
    fn a_place_cannot_write_to_the_terminal() {
        let place = format!("a\r\n\u{1b}[31m{}", "x".repeat(5000));
        let text = Error::new(ErrorKind::Refused, "").at(place).to_string();
        assert!(text.len() < 600 && !text.contains(char::is_control), "{text}");
    }

    #[test]
    fn the_operating_systems_number_is_not_shown() {
        let error = io::Error::from_raw_os_error(2);
        assert!(error.to_string().contains("os error"));
        assert!(!words(&error).contains("os error"));
        assert!(!words(&error).is_empty());
    }

    #[test]
    fn control_characters_of_a_peer_are_not_shown() {
        assert_eq!(printable("a\u{1b}[31m b\r\nc", 6), "a[31m ");
    }
}
