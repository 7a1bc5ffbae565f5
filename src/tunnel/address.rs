//! Where to connect to, as people write it.

use crate::{Error, ErrorKind};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A host and a TCP port. Written `host:port`, with brackets around an IPv6 address: `[::1]:3260`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A DNS name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Address {
    /// An address that was already taken apart. Whether the host can be one is checked when it is dialled.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::new(ErrorKind::BadConfig, format!("`{}` {why}", text.escape_debug()));
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once("]:").ok_or_else(|| bad("is not [IPV6]:PORT"))?;
                if !is_ipv6(host) {
                    return Err(bad("has no IPv6 address between its brackets"));
                }
                (host, port)
            }
            None => text.rsplit_once(':').ok_or_else(|| bad("has no port: write HOST:PORT"))?,
        };
        if host.contains(':') && !text.starts_with('[') {
            return Err(bad("is ambiguous: write an IPv6 address as [ADDRESS]:PORT"));
        }
        // A sign is accepted by the standard parser, but is no port.
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0);
        let address = Self::new(host, port.ok_or_else(|| bad("has no port from 1 to 65535"))?);
        Host::parse(&address.host)?;
        Ok(address)
    }
}

fn is_ipv6(host: &str) -> bool {
    let without_zone = host.split_once('%').map_or(host, |(address, _zone)| address);
    without_zone.parse::<Ipv6Addr>().is_ok()
}

/// A host that can be looked up, sent to a proxy and checked against a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// A DNS name in ASCII, lower case, without the dot at its end.
    Name(String),
    /// An IP address.
    Ip(IpAddr),
    /// An IPv6 address with a zone, as in `fe80::1%eth0`, which only this computer understands.
    Zoned(Ipv6Addr, String),
}

impl Host {
    /// What `text` means: it may come from a peer (a redirect), so nothing that could break out of an HTTP request
    /// or a log line passes.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = || Error::new(ErrorKind::BadConfig, format!("`{}` is not a host name", text.escape_debug()));
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self::Ip(ip));
        }
        if let Some((address, zone)) = text.split_once('%')
            && let Ok(ip) = address.parse::<Ipv6Addr>()
        {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let usable = !zone.is_empty() && zone.chars().all(plain);
            return if usable { Ok(Self::Zoned(ip, zone.to_owned())) } else { Err(bad()) };
        }
        if text.contains(['%', '[', ']']) {
            return Err(bad());
        }
        match url::Host::parse(text.strip_suffix('.').unwrap_or(text)) {
            Ok(url::Host::Domain(name)) if name.len() <= 253 => Ok(Self::Name(name)),
            Ok(url::Host::Ipv4(ip)) => Ok(Self::Ip(ip.into())),
            Ok(url::Host::Domain(_) | url::Host::Ipv6(_)) | Err(_) => Err(bad()),
        }
    }

    /// The address, when it is one without a zone.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip.to_canonical()),
            Self::Name(_) | Self::Zoned(..) => None,
        }
    }

    /// Whether it can only mean this computer, without asking a name server (RFC 6761 section 6.3).
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
            Self::Zoned(ip, _zone) => ip.is_loopback(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
            Self::Zoned(ip, zone) => write!(f, "{ip}%{zone}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_and_written_alike() {
        for text in ["backup.example:3260", "10.0.0.1:1", "[::1]:65535", "[fe80::1%eth0]:3260", "under_score:3260"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}:1", "a".repeat(300));
        for text in [
            "",
            ":1",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "::1:3260",
            "[::1]",
            "[::1]:",
            "[host]:1",
            "[::1",
            "a b:1",
            "a\r\nb:1",
            "a/b:1",
            "user@host:1",
            "a%0d%0ab:1",
            "%61.example:1",
            "fe80::1%:1",
            "[fe80::1%\n]:1",
            &long,
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert_eq!(error.kind, ErrorKind::BadConfig);
            assert!(!error.to_string().contains(['\r', '\n']));
        }
    }

    #[test]
    fn names_become_lower_case_ascii_without_the_last_dot() {
        assert_eq!(Host::parse("Backup.Example.").unwrap(), Host::Name("backup.example".into()));
        assert_eq!(Host::parse("bücher.example").unwrap(), Host::Name("xn--bcher-kva.example".into()));
        assert_eq!(Host::parse("127.1").unwrap().ip(), Some(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn loopback_is_known_by_address_or_reserved_name() {
        for text in ["localhost", "a.localhost", "127.3.2.1", "::1", "::ffff:127.0.0.1"] {
            assert!(Host::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["localhost.example", "10.0.0.1", "::2", "::ffff:10.0.0.1", "notlocalhost"] {
            assert!(!Host::parse(text).unwrap().is_loopback(), "{text}");
        }
    }
}
