//! Which hosts are reached without the proxy of the environment.

use crate::address::Host;
use std::net::IpAddr;

/// The entries of `NO_PROXY`, parted by commas or blanks: `*`, `host`, `.domain`, `address`, `address/prefix`; a host
/// or an address also with `:port`, an IPv6 address then in brackets. As everywhere else, `host` stands for the names
/// below it as well. Names are not resolved, so addresses only match hosts that are given as addresses.
#[derive(Debug, Default)]
pub(crate) struct NoProxy {
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// Only this port.
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// This name and all below it.
    Domain(String),
    /// All names below this one.
    Below(String),
    Network(IpAddr, u8),
}

impl NoProxy {
    /// Entries that mean nothing are left out.
    pub(crate) fn parse(text: &str) -> Self {
        let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
        Self { entries: words.filter_map(Entry::parse).collect() }
    }

    pub(crate) fn covers(&self, host: &Host, port: u16) -> bool {
        self.entries.iter().any(|entry| entry.port.is_none_or(|only| only == port) && entry.hosts.cover(host))
    }
}

impl Entry {
    fn parse(word: &str) -> Option<Self> {
        if let Some(hosts) = Hosts::parse(word) {
            return Some(Self { hosts, port: None });
        }
        let (hosts, port) = word.rsplit_once(':')?;
        let bare = hosts.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hosts);
        Some(Self { hosts: Hosts::parse(bare)?, port: Some(port.parse().ok()?) })
    }
}

impl Hosts {
    fn parse(word: &str) -> Option<Self> {
        if word == "*" {
            return Some(Self::All);
        }
        if let Some((address, prefix)) = word.split_once('/') {
            let address: IpAddr = address.parse().ok()?;
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= address_bits(address))?;
            return Some(Self::Network(address, prefix));
        }
        if let Some(below) = word.strip_prefix("*.").or_else(|| word.strip_prefix('.')) {
            return name(below).map(Self::Below);
        }
        let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
        match Host::parse(bare).ok()?.ip() {
            Some(address) => Some(Self::Network(address, address_bits(address))),
            None => name(bare).map(Self::Domain),
        }
    }

    fn cover(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::All, _) => true,
            (Self::Domain(domain), Host::Name(name)) => name == domain || is_below(name, domain),
            (Self::Below(domain), Host::Name(name)) => is_below(name, domain),
            (Self::Network(network, prefix), Host::Ip(address)) => in_network(*address, *network, *prefix),
            _ => false,
        }
    }
}

fn name(text: &str) -> Option<String> {
    match Host::parse(text).ok()? {
        Host::Name(name) => Some(name),
        Host::Ip(_) | Host::Zoned(..) => None,
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|front| front.ends_with('.'))
}

const fn address_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether the first `prefix` bits agree. An IPv4 address written as IPv6 is an IPv4 address.
fn in_network(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let differing_bits = match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (address.to_bits() ^ network.to_bits()).leading_zeros(),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits() ^ network.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing_bits >= u32::from(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, host: &str) -> bool {
        NoProxy::parse(list).covers(&Host::parse(host).unwrap(), 3260)
    }

    #[test]
    fn a_name_stands_for_itself_and_all_below() {
        assert!(covers("a.example", "a.example"));
        assert!(covers("a.example", "A.Example."));
        assert!(covers("a.example", "b.a.example"));
        assert!(!covers("a.example", "ba.example"));
        assert!(!covers("a.example", "example"));
        assert!(!covers("", "a.example"));
    }

    #[test]
    fn a_leading_dot_stands_for_all_below() {
        for list in [".example", "*.example"] {
            assert!(covers(list, "a.example"));
            assert!(covers(list, "b.a.example"));
            assert!(!covers(list, "example"));
            assert!(!covers(list, "a.notexample"));
        }
    }

    #[test]
    fn a_star_stands_for_everything() {
        assert!(covers("*", "a.example"));
        assert!(covers("b, *", "::1"));
    }

    #[test]
    fn addresses_and_networks_match_addresses() {
        assert!(covers("10.1.2.3", "10.1.2.3"));
        assert!(!covers("10.1.2.3", "10.1.2.4"));
        assert!(covers("10.0.0.0/8", "10.255.0.1"));
        assert!(!covers("10.0.0.0/8", "11.0.0.1"));
        assert!(covers("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(covers("0.0.0.0/0", "203.0.113.9"));
        assert!(!covers("0.0.0.0/0", "2001:db8::1"));
        assert!(covers("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!covers("2001:db8::/33", "2001:db8:8000::1"));
        assert!(covers("::1", "::1"));
        assert!(covers("[::1]", "::1"));
        assert!(!covers("10.0.0.0/8", "a.example"));
    }

    #[test]
    fn a_port_narrows_an_entry() {
        let list = NoProxy::parse("a.example:3260 10.0.0.1:1 [::1]:3260 *:99");
        let covers = |host, port| list.covers(&Host::parse(host).unwrap(), port);
        assert!(covers("a.example", 3260) && !covers("a.example", 443));
        assert!(covers("10.0.0.1", 1) && !covers("10.0.0.1", 2));
        assert!(covers("::1", 3260) && !covers("::1", 1));
        assert!(covers("else.example", 99));
    }

    #[test]
    fn entries_that_mean_nothing_are_left_out() {
        let list = NoProxy::parse(",, 10.0.0.0/33 a:b:c a:99999 ::/129 / . : a.example");
        assert_eq!(list.entries, [Entry { hosts: Hosts::Domain("a.example".into()), port: None }]);
    }
}
