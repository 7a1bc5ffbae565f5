//! How often signing in failed, by address. Only failures count: whoever has a token is not slowed down by it.

use lru::LruCache;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures within [`WINDOW`] that an address may have.
const FAILURES_MAX: u32 = 10;
/// How long failures count.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered; the one that was not heard of for longest goes first.
const ADDRESSES_MAX: NonZeroUsize = match NonZeroUsize::new(10_000) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};

/// The failures of one address.
struct Failures {
    since: Instant,
    count: u32,
}

/// The failures of all addresses.
pub(crate) struct FailedSignIns {
    by_address: Mutex<LruCache<IpAddr, Failures>>,
}

impl FailedSignIns {
    pub(crate) fn new() -> Self {
        Self { by_address: Mutex::new(LruCache::new(ADDRESSES_MAX)) }
    }

    /// How long this address has to wait before it may try again; `None` when it may now.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut addresses = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = addresses.get(&network(address))?;
        let left = WINDOW.checked_sub(now.saturating_duration_since(failures.since))?;
        (failures.count >= FAILURES_MAX && !left.is_zero()).then_some(left)
    }

    /// One more failure.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) {
        let mut addresses = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = addresses.get_or_insert_mut(network(address), || Failures { since: now, count: 0 });
        if now.saturating_duration_since(failures.since) >= WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
    }
}

/// What one customer of a provider has: with IPv6 that is a network of 64 bits, from which anybody can take any number
/// of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_ten_failures_an_address_waits_for_the_rest_of_the_minute() {
        let failed = FailedSignIns::new();
        let (bad, good, now) = (address("192.0.2.1"), address("192.0.2.2"), Instant::now());
        for _ in 0..FAILURES_MAX {
            assert_eq!(failed.wait(bad, now), None);
            failed.count(bad, now);
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(failed.wait(bad, later), Some(Duration::from_secs(40)));
        assert_eq!(failed.wait(good, later), None);
        let after = now + WINDOW;
        assert_eq!(failed.wait(bad, after), None);
        failed.count(bad, after);
        assert_eq!(failed.wait(bad, after), None);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together_and_mapped_ones_as_what_they_are() {
        let (failed, now) = (FailedSignIns::new(), Instant::now());
        for number in 0..FAILURES_MAX {
            failed.count(address(&format!("2001:db8:0:1::{number:x}")), now);
            failed.count(address("::ffff:192.0.2.1"), now);
        }
        assert!(failed.wait(address("2001:db8:0:1:ffff::1"), now).is_some());
        assert!(failed.wait(address("2001:db8:0:2::1"), now).is_none());
        assert!(failed.wait(address("192.0.2.1"), now).is_some());
    }
}
