//! Addresses as targets tell them: `host[:port][,portal-group-tag]` (RFC 7143 section 13.8).

use crate::Error;
use tunnel::Address;

/// The port that IANA gave to iSCSI.
pub(crate) const DEFAULT_PORT: u16 = 3260;

/// The value of a TargetAddress key.
pub(crate) fn parse(value: &str) -> Result<Address, Error> {
    let place = value.rsplit_once(',').map_or(value, |(place, _portal_group)| place);
    let with_port = |place: &str| place.parse::<Address>().ok();
    let address = with_port(place).or_else(|| with_port(&format!("{place}:{DEFAULT_PORT}")));
    address.ok_or_else(|| Error::protocol(format!("the target tells the address `{}`", value.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_and_portal_group_may_be_left_out() {
        for (value, host, port) in [
            ("10.0.0.1:3261,1", "10.0.0.1", 3261),
            ("10.0.0.1", "10.0.0.1", 3260),
            ("[2001:db8::1]:860,65535", "2001:db8::1", 860),
            ("[2001:db8::1],1", "2001:db8::1", 3260),
            ("disks.example,2", "disks.example", 3260),
        ] {
            assert_eq!(parse(value).unwrap(), Address::new(host, port), "{value}");
        }
        for wrong in ["", ",1", "a b:1", "host:0", "2001:db8::1:70000"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
