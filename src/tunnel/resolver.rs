//! From a host to the addresses to try.

use crate::address::Host;
use crate::error::words;
use crate::{Error, ErrorKind};
use std::net::SocketAddr;

/// A name with more addresses than this is served well enough by its first ones.
const ADDRESSES_MAX: usize = 32;

/// Who knows the addresses of a name.
#[derive(Debug, Default)]
pub(crate) enum Resolver {
    /// The operating system.
    #[default]
    System,
    /// A table, so that tests need no name server; the port asked for does not matter.
    #[cfg(test)]
    Table(Vec<(&'static str, Vec<SocketAddr>)>),
    /// A name server that never answers.
    #[cfg(test)]
    Silent,
}

impl Resolver {
    /// The addresses of `host`, at least one, in the order in which they are best tried.
    ///
    /// When the caller gives up, the operating system's look-up goes on in the background on a thread of its own: it
    /// cannot be called off.
    pub(crate) async fn resolve(&self, host: &Host, port: u16) -> Result<Vec<SocketAddr>, Error> {
        if let Host::Ip(ip) = host {
            return Ok(vec![SocketAddr::new(*ip, port)]);
        }
        let found = self.look_up(&host.to_string(), port).await?;
        if found.is_empty() {
            return Err(not_found(host, "it has no address"));
        }
        Ok(interleaved(&found))
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        #[cfg(test)]
        match self {
            Self::System => {}
            Self::Table(table) => {
                let found = table.iter().find(|(name, _)| *name == host);
                return found
                    .map(|(_, addresses)| addresses.clone())
                    .ok_or_else(|| not_found(host, "not in the table"));
            }
            Self::Silent => return std::future::pending().await,
        }
        let found = tokio::net::lookup_host((host, port)).await.map_err(|error| not_found(host, &words(&error)))?;
        Ok(found.collect())
    }
}

fn not_found(host: impl std::fmt::Display, why: &str) -> Error {
    Error::new(ErrorKind::NameNotFound, format!("`{host}`: {why}"))
        .with_advice("Check the spelling of the name and the name server of this computer, or give an IP address")
}

/// The addresses with their families in turns, beginning with the system's favourite (RFC 8305 section 4), so that a
/// family without a working route costs one step and not all of the time.
fn interleaved(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (favoured, others): (Vec<_>, Vec<_>) = found.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut others = others.into_iter();
    let mut order: Vec<SocketAddr> = Vec::new();
    for address in favoured {
        order.push(address);
        order.extend(others.next());
    }
    order.extend(others);
    let mut seen = std::collections::HashSet::new();
    order.retain(|address| seen.insert(*address));
    order.truncate(ADDRESSES_MAX);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_doubles_go() {
        let found = addresses("[::1]:1 [::2]:1 [::1]:1 [::3]:1 1.0.0.1:1 1.0.0.2:1");
        assert_eq!(interleaved(&found), addresses("[::1]:1 1.0.0.1:1 [::2]:1 1.0.0.2:1 [::3]:1"));
        assert_eq!(interleaved(&addresses("1.0.0.1:1 [::1]:1")), addresses("1.0.0.1:1 [::1]:1"));
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let many: Vec<SocketAddr> = (1..=1000).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        assert_eq!(interleaved(&many).len(), ADDRESSES_MAX);
    }

    #[tokio::test]
    async fn a_name_of_no_address_is_not_found() {
        let resolver = Resolver::Table(vec![("empty", Vec::new())]);
        for name in ["empty", "missing"] {
            let error = resolver.resolve(&Host::Name(name.into()), 1).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::NameNotFound);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
