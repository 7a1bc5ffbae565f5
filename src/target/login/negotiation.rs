//! Operational keys (RFC 7143 chapter 13): what the target answers to each, and what is agreed.

use iscsi::text::{self, NONE, NOT_UNDERSTOOD, REJECT};
use std::ops::RangeInclusive;

/// MaxRecvDataSegmentLength of the target. An initiator of a read-only target sends little.
pub(crate) const RECEIVE_MAX: usize = 8192;
/// MaxRecvDataSegmentLength that holds for both sides until something else was said, and always in login.
const RECEIVE_DEFAULT: u32 = 8192;
/// The same as a length in memory.
pub(super) const SEGMENT_DEFAULT: usize = 8192;
/// The longest data segment and burst that the keys can express.
const LENGTH_MAX: u32 = (1 << 24) - 1;
const CRC32C: &str = "CRC32C";
const LENGTH_MIN: u32 = 512;
/// FirstBurstLength of the target; nothing is ever sent unsolicited.
const FIRST_BURST: u32 = 1 << 16;

/// What was agreed and matters to a target that only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) header_digest: bool,
    pub(crate) data_digest: bool,
    /// The initiator's MaxRecvDataSegmentLength, in bytes.
    pub(crate) receive_max: u32,
    /// MaxBurstLength, in bytes.
    pub(crate) burst_max: u32,
}

impl Default for Agreed {
    fn default() -> Self {
        Self { header_digest: false, data_digest: false, receive_max: RECEIVE_DEFAULT, burst_max: 1 << 18 }
    }
}

/// What is said to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The initiator declared something; that needs no answer.
    Silence,
    /// This value.
    Value(String),
}

impl Reply {
    fn reject() -> Self {
        Self::Value(REJECT.to_owned())
    }

    fn not_understood() -> Self {
        Self::Value(NOT_UNDERSTOOD.to_owned())
    }
}

impl Agreed {
    /// Takes a key that the initiator sent in login and says what it is answered with.
    pub(crate) fn answer(&mut self, key: &str, value: &str) -> Reply {
        match key {
            "HeaderDigest" => digest(value, &mut self.header_digest),
            "DataDigest" => digest(value, &mut self.data_digest),
            "MaxRecvDataSegmentLength" => self.declare_receive_max(value),
            "MaxBurstLength" => number(value, LENGTH_MIN..=LENGTH_MAX, |offer| {
                self.burst_max = offer;
                offer
            }),
            "FirstBurstLength" => number(value, LENGTH_MIN..=LENGTH_MAX, |offer| offer.min(FIRST_BURST)),
            "MaxConnections" | "MaxOutstandingR2T" => number(value, 1..=65535, |_| 1),
            "DefaultTime2Wait" => number(value, 0..=3600, |offer| offer),
            "DefaultTime2Retain" => number(value, 0..=3600, |_| 0),
            "ErrorRecoveryLevel" => number(value, 0..=2, |_| 0),
            "iSCSIProtocolLevel" => number(value, 0..=31, |offer| offer.min(1)),
            "InitialR2T" | "DataPDUInOrder" | "DataSequenceInOrder" => boolean(value, "Yes"),
            // Markers are no longer part of the protocol, but initiators still offer them.
            "ImmediateData" | "IFMarker" | "OFMarker" => boolean(value, "No"),
            "TaskReporting" => choice(value, &["RFC3720"]).map_or_else(Reply::reject, Reply::Value),
            // Said already, in the places where they count.
            "InitiatorName" | "InitiatorAlias" | "SessionType" | "TargetName" | "AuthMethod" | "CHAP_A" | "CHAP_N"
            | "CHAP_R" | "CHAP_I" | "CHAP_C" => Reply::Silence,
            "SendTargets" | "IFMarkInt" | "OFMarkInt" | "TargetAlias" | "TargetAddress" | "TargetPortalGroupTag" => {
                Reply::reject()
            }
            _ => Reply::not_understood(),
        }
    }

    /// The one key that may change in the full feature phase.
    pub(crate) fn declare_receive_max(&mut self, value: &str) -> Reply {
        match parse_number(value, LENGTH_MIN..=LENGTH_MAX) {
            Some(length) => {
                self.receive_max = length;
                Reply::Silence
            }
            None => Reply::reject(),
        }
    }
}

/// The first of the initiator's list that is in `supported`.
fn choice(offer: &str, supported: &[&str]) -> Option<String> {
    offer.split(',').find(|value| supported.contains(value)).map(str::to_owned)
}

fn digest(offer: &str, agreed: &mut bool) -> Reply {
    let Some(chosen) = choice(offer, &[CRC32C, NONE]) else { return Reply::reject() };
    *agreed = chosen == CRC32C;
    Reply::Value(chosen)
}

fn boolean(offer: &str, answer: &str) -> Reply {
    if matches!(offer, "Yes" | "No") { Reply::Value(answer.to_owned()) } else { Reply::reject() }
}

fn number(offer: &str, range: RangeInclusive<u32>, answer: impl FnOnce(u32) -> u32) -> Reply {
    parse_number(offer, range).map_or_else(Reply::reject, |offer| Reply::Value(answer(offer).to_string()))
}

/// A number inside the key's range.
fn parse_number(value: &str, range: RangeInclusive<u32>) -> Option<u32> {
    text::parse_number(value).and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(key: &str, value: &str) -> Reply {
        Agreed::default().answer(key, value)
    }

    fn value(text: &str) -> Reply {
        Reply::Value(text.to_owned())
    }

    #[test]
    fn each_key_is_answered_by_its_own_rule() {
        for (key, offer, expected) in [
            ("MaxConnections", "8", "1"),
            ("InitialR2T", "No", "Yes"),
            ("InitialR2T", "Yes", "Yes"),
            ("ImmediateData", "Yes", "No"),
            ("MaxBurstLength", "262144", "262144"),
            ("MaxBurstLength", "0x1000", "4096"),
            ("FirstBurstLength", "262144", "65536"),
            ("FirstBurstLength", "512", "512"),
            ("DefaultTime2Wait", "2", "2"),
            ("DefaultTime2Retain", "20", "0"),
            ("MaxOutstandingR2T", "16", "1"),
            ("DataPDUInOrder", "No", "Yes"),
            ("DataSequenceInOrder", "No", "Yes"),
            ("ErrorRecoveryLevel", "2", "0"),
            ("IFMarker", "Yes", "No"),
            ("OFMarkInt", "2048~65535", "Reject"),
            ("TaskReporting", "ResponseFence,RFC3720", "RFC3720"),
            ("iSCSIProtocolLevel", "2", "1"),
            ("SendTargets", "All", "Reject"),
            ("X-com.example.key", "1", "NotUnderstood"),
        ] {
            assert_eq!(answer(key, offer), value(expected), "{key}={offer}");
        }
        assert_eq!(answer("InitiatorAlias", "somebody"), Reply::Silence);
    }

    #[test]
    fn the_first_digest_of_the_offer_is_taken() {
        for (offer, expected, on) in
            [("CRC32C,None", "CRC32C", true), ("None,CRC32C", "None", false), ("SHA9,CRC32C", "CRC32C", true)]
        {
            let mut agreed = Agreed::default();
            assert_eq!(agreed.answer("HeaderDigest", offer), value(expected));
            assert_eq!((agreed.header_digest, agreed.data_digest), (on, false));
            assert_eq!(agreed.answer("DataDigest", offer), value(expected));
            assert_eq!(agreed.data_digest, on);
        }
        assert_eq!(answer("DataDigest", "SHA9"), value("Reject"));
    }

    #[test]
    fn values_out_of_their_range_are_rejected_and_change_nothing() {
        for (key, offer) in [
            ("MaxRecvDataSegmentLength", "511"),
            ("MaxRecvDataSegmentLength", "16777216"),
            ("MaxRecvDataSegmentLength", "+600"),
            ("MaxBurstLength", "0"),
            ("MaxBurstLength", "99999999999999999999"),
            ("MaxConnections", "0"),
            ("DefaultTime2Wait", "3601"),
            ("ErrorRecoveryLevel", "3"),
            ("InitialR2T", "yes"),
            ("ImmediateData", ""),
        ] {
            let mut agreed = Agreed::default();
            assert_eq!(agreed.answer(key, offer), value("Reject"), "{key}={offer}");
            assert_eq!(agreed, Agreed::default());
        }
    }

    #[test]
    fn the_initiators_limits_are_kept() {
        let mut agreed = Agreed::default();
        assert_eq!(agreed.answer("MaxRecvDataSegmentLength", "262144"), Reply::Silence);
        assert_eq!(agreed.answer("MaxBurstLength", "16776192"), value("16776192"));
        assert_eq!((agreed.receive_max, agreed.burst_max), (262_144, 16_776_192));
    }
}
