//! LoginOperationalNegotiation: the keys of RFC 7143 chapter 13, offered, answered and checked.

use crate::config::DigestPolicy;
use crate::pdu::Digests;
use crate::text::{IRRELEVANT, NONE, NOT_UNDERSTOOD, Pairs, REJECT, parse_number};
use crate::{Error, ErrorKind};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long a data segment we take may be, in bytes (our MaxRecvDataSegmentLength).
pub(crate) const DATA_SEGMENT_BYTES: u32 = 1 << 20;
/// MaxBurstLength that is offered, in bytes.
const BURST_BYTES: u32 = 1 << 20;
/// What every side takes before anything was negotiated, in bytes (section 13.12).
pub(crate) const DEFAULT_DATA_SEGMENT_BYTES: u16 = 8192;

const CRC32C: &str = "CRC32C";
const MAX_RECV: &str = "MaxRecvDataSegmentLength";
/// Segments and bursts, in bytes.
const SEGMENT_RANGE: RangeInclusive<u64> = 512..=(1 << 24) - 1;

/// What was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) digests: Digests,
    /// The longest data segment that the target takes, in bytes.
    pub(crate) target_segment_bytes: u32,
    /// How long to wait before a broken connection is made anew.
    pub(crate) time2wait: Duration,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            digests: Digests::default(),
            target_segment_bytes: u32::from(DEFAULT_DATA_SEGMENT_BYTES),
            time2wait: Duration::ZERO,
        }
    }
}

/// Which answers to an offer are legal.
#[derive(Clone, Copy, Debug)]
enum Rule {
    /// One of the values that were offered.
    Listed,
    /// Exactly what was offered: its result function leaves nothing else (`Yes` with OR, `No` with AND, the least).
    Same,
    /// The smaller number wins; none is below this.
    Minimum(u64),
    /// The larger number wins; none is above this.
    Maximum(u64),
    /// Each side tells its own (declarative).
    Declared,
}

/// A key, what we say about it, and what may be answered.
struct Offer {
    key: &'static str,
    value: String,
    rule: Rule,
}

/// This stage of one login.
#[derive(Debug)]
pub(super) struct Operational {
    digests: DigestPolicy,
    discovery: bool,
    parameters: Parameters,
    answered: Vec<String>,
}

impl Operational {
    pub(super) fn new(digests: DigestPolicy, discovery: bool) -> Self {
        Self { digests, discovery, parameters: Parameters::default(), answered: Vec::new() }
    }

    fn offers(&self) -> Vec<Offer> {
        let offer = |key, value: &str, rule| Offer { key, value: value.to_owned(), rule };
        let number = |key, value: u32, rule| Offer { key, value: value.to_string(), rule };
        let low = *SEGMENT_RANGE.start();
        let mut offers = vec![
            number(MAX_RECV, DATA_SEGMENT_BYTES, Rule::Declared),
            number("DefaultTime2Wait", 0, Rule::Maximum(3600)),
            number("DefaultTime2Retain", 0, Rule::Minimum(0)),
            offer("ErrorRecoveryLevel", "0", Rule::Same),
        ];
        if !self.discovery {
            // No bytes of a disk pass in a discovery session, and tgt answers these keys wrongly there.
            offers.extend([
                offer("HeaderDigest", self.digests.offer(), Rule::Listed),
                offer("DataDigest", self.digests.offer(), Rule::Listed),
                offer("MaxConnections", "1", Rule::Same),
                offer("InitialR2T", "Yes", Rule::Same),
                offer("ImmediateData", "No", Rule::Same),
                number("MaxBurstLength", BURST_BYTES, Rule::Minimum(low)),
                number("FirstBurstLength", 1 << 16, Rule::Minimum(low)),
                offer("MaxOutstandingR2T", "1", Rule::Same),
                offer("DataPDUInOrder", "Yes", Rule::Same),
                offer("DataSequenceInOrder", "Yes", Rule::Same),
            ]);
        }
        offers
    }

    /// All our offers.
    pub(super) fn offer(&self) -> Pairs {
        let mut pairs = Pairs::default();
        for offer in self.offers() {
            pairs.push(offer.key, offer.value);
        }
        pairs
    }

    /// Takes answers, and offers of the target's own; gives what has to be answered to the latter.
    pub(super) fn receive(&mut self, said: &Pairs) -> Result<Pairs, Error> {
        let offers = self.offers();
        let mut reply = Pairs::default();
        for (key, value) in said.iter() {
            if self.answered.iter().any(|answered| answered == key) {
                return Err(Error::protocol(format!("the target says {key} twice")));
            }
            self.answered.push(key.to_owned());
            match offers.iter().find(|offer| offer.key == key) {
                Some(offer) => self.answer(offer, value)?,
                // What a target may tell about itself.
                None if matches!(key, "TargetAlias" | "TargetPortalGroupTag" | "TargetAddress") => {}
                None if key.starts_with("X-") || !is_ours_alone(key) => reply.push(key, NOT_UNDERSTOOD),
                None => return Err(Error::protocol(format!("the target sends {key}, which only an initiator may"))),
            }
        }
        Ok(reply)
    }

    /// What was agreed; keys without an answer keep their defaults.
    pub(super) fn finish(self) -> Result<Parameters, Error> {
        let Digests { header, data } = self.parameters.digests;
        if self.digests == DigestPolicy::Require && !(header && data) && !self.discovery {
            return Err(no_digests());
        }
        Ok(self.parameters)
    }

    fn answer(&mut self, offer: &Offer, value: &str) -> Result<(), Error> {
        let illegal = || {
            let value = value.escape_debug();
            Error::protocol(format!("the target answers {}={} with {value}", offer.key, offer.value))
        };
        match value {
            IRRELEVANT | NOT_UNDERSTOOD => return Ok(()),
            REJECT if offer.key.ends_with("Digest") => return Err(no_digests()),
            REJECT => {
                let message = format!("the target rejects {}={}", offer.key, offer.value);
                return Err(Error::new(ErrorKind::Config, message));
            }
            _ => {}
        }
        let number = parse_number(value);
        let in_range = |range: RangeInclusive<u64>| number.filter(|number| range.contains(number));
        let offered = parse_number(&offer.value).unwrap_or(0);
        match offer.rule {
            Rule::Listed if offer.value.split(',').any(|offered| offered == value) => {}
            Rule::Same if offer.value == value => {}
            Rule::Listed | Rule::Same => return Err(illegal()),
            Rule::Minimum(low) => {
                in_range(low..=offered).ok_or_else(illegal)?;
            }
            Rule::Maximum(high) => {
                in_range(offered..=high).ok_or_else(illegal)?;
            }
            Rule::Declared => {
                in_range(SEGMENT_RANGE).ok_or_else(illegal)?;
            }
        }
        self.keep(offer.key, value, number);
        Ok(())
    }

    fn keep(&mut self, key: &str, value: &str, number: Option<u64>) {
        let parameters = &mut self.parameters;
        match key {
            "HeaderDigest" => parameters.digests.header = value == CRC32C,
            "DataDigest" => parameters.digests.data = value == CRC32C,
            MAX_RECV => {
                let bytes = number.and_then(|number| u32::try_from(number).ok());
                parameters.target_segment_bytes = bytes.unwrap_or(u32::from(DEFAULT_DATA_SEGMENT_BYTES));
            }
            "DefaultTime2Wait" => parameters.time2wait = Duration::from_secs(number.unwrap_or(0)),
            // The others cannot differ from what was offered, or only matter to those who write.
            _ => {}
        }
    }
}

/// Keys that a target never sends in this stage.
fn is_ours_alone(key: &str) -> bool {
    matches!(key, "InitiatorName" | "InitiatorAlias" | "SessionType" | "TargetName" | "SendTargets" | "AuthMethod")
}

fn no_digests() -> Error {
    let message = format!(
        "the target does not do CRC32C digests, and they are demanded: leave --digests to auto ({NONE} is what it does)"
    );
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests;
