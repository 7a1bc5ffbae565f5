//! Sense data: what a logical unit says about a command that failed (SPC-4 section 4.5).

use std::fmt;

/// Sense keys (SPC-4 table 28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum SenseKey {
    NoSense,
    RecoveredError,
    NotReady,
    MediumError,
    HardwareError,
    IllegalRequest,
    UnitAttention,
    DataProtect,
    BlankCheck,
    VendorSpecific,
    CopyAborted,
    AbortedCommand,
    Reserved,
    VolumeOverflow,
    Miscompare,
    Completed,
}

impl SenseKey {
    const ALL: [Self; 16] = [
        Self::NoSense,
        Self::RecoveredError,
        Self::NotReady,
        Self::MediumError,
        Self::HardwareError,
        Self::IllegalRequest,
        Self::UnitAttention,
        Self::DataProtect,
        Self::BlankCheck,
        Self::VendorSpecific,
        Self::CopyAborted,
        Self::AbortedCommand,
        Self::Reserved,
        Self::VolumeOverflow,
        Self::Miscompare,
        Self::Completed,
    ];

    fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code & 0xf)).copied().unwrap_or(Self::Reserved)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::NoSense => "no sense",
            Self::RecoveredError => "recovered error",
            Self::NotReady => "not ready",
            Self::MediumError => "medium error",
            Self::HardwareError => "hardware error",
            Self::IllegalRequest => "illegal request",
            Self::UnitAttention => "unit attention",
            Self::DataProtect => "data protect",
            Self::BlankCheck => "blank check",
            Self::VendorSpecific => "vendor specific",
            Self::CopyAborted => "copy aborted",
            Self::AbortedCommand => "aborted command",
            Self::Reserved => "reserved sense key",
            Self::VolumeOverflow => "volume overflow",
            Self::Miscompare => "miscompare",
            Self::Completed => "completed",
        }
    }
}

/// What matters of sense data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// SENSE KEY.
    pub key: SenseKey,
    /// ADDITIONAL SENSE CODE.
    pub code: u8,
    /// ADDITIONAL SENSE CODE QUALIFIER.
    pub qualifier: u8,
    /// INFORMATION, where the standard says what it means: the first logical block that could not be read.
    pub information: Option<u64>,
    /// It is about an earlier command (deferred error).
    pub deferred: bool,
}

impl Sense {
    /// Takes sense data apart, in fixed or descriptor format; `None` when it is neither or too short.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let response_code = data.first()? & 0x7f;
        let deferred = response_code & 1 == 1;
        match response_code {
            0x70 | 0x71 => Self::parse_fixed(data, deferred),
            0x72 | 0x73 => Self::parse_descriptors(data, deferred),
            _ => None,
        }
    }

    fn parse_fixed(data: &[u8], deferred: bool) -> Option<Self> {
        let valid = data.first()? & 0x80 != 0;
        let information = data.get(3..7).and_then(|bytes| bytes.first_chunk()).map(|bytes| u32::from_be_bytes(*bytes));
        Some(Self {
            key: SenseKey::from_code(*data.get(2)?),
            code: data.get(12).copied().unwrap_or(0),
            qualifier: data.get(13).copied().unwrap_or(0),
            information: information.filter(|_| valid).map(u64::from),
            deferred,
        })
    }

    fn parse_descriptors(data: &[u8], deferred: bool) -> Option<Self> {
        let [_, key, code, qualifier, ..] = *data else { return None };
        let length = data.get(7).copied().map_or(0, usize::from);
        let descriptors = data.get(8..).unwrap_or_default();
        let descriptors = descriptors.get(..length).unwrap_or(descriptors);
        let information = information_descriptor(descriptors);
        Some(Self { key: SenseKey::from_code(key), code, qualifier, information, deferred })
    }

    /// The additional sense code in words, as far as it is in the table.
    #[must_use]
    pub fn meaning(&self) -> Option<&'static str> {
        let find = |qualifier: Option<u8>| {
            MEANINGS.iter().find(|(code, known, _)| *code == self.code && *known == qualifier).map(|(_, _, text)| *text)
        };
        find(Some(self.qualifier)).or_else(|| find(None))
    }
}

/// INFORMATION of the first information descriptor (type 0) with its VALID bit set.
fn information_descriptor(mut descriptors: &[u8]) -> Option<u64> {
    // Each turn takes two bytes at least.
    while let [kind, length, rest @ ..] = descriptors {
        let body = rest.get(..usize::from(*length))?;
        if *kind == 0 {
            let [valid, _, information @ ..] = body else { return None };
            let information = information.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
            return information.filter(|_| valid & 0x80 != 0);
        }
        descriptors = rest.get(body.len()..).unwrap_or_default();
    }
    None
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key.name())?;
        if let Some(meaning) = self.meaning() {
            write!(f, ", {meaning}")?;
        }
        write!(f, " (ASC {:02X}h, ASCQ {:02X}h)", self.code, self.qualifier)?;
        if let Some(information) = self.information {
            write!(f, " at block {information}")?;
        }
        if self.deferred {
            write!(f, ", deferred from an earlier command")?;
        }
        Ok(())
    }
}

/// Additional sense codes that a disk that is only read can give (SPC-4 annex F); without a qualifier the row stands
/// for all of the code that have no row of their own.
const MEANINGS: &[(u8, Option<u8>, &str)] = &[
    (0x00, Some(0x00), "no additional sense information"),
    (0x02, None, "no seek complete"),
    (0x04, Some(0x00), "the logical unit is not ready, cause not reportable"),
    (0x04, Some(0x01), "the logical unit is becoming ready"),
    (0x04, Some(0x02), "the logical unit needs a start command"),
    (0x04, Some(0x03), "the logical unit is not ready, somebody has to intervene"),
    (0x04, Some(0x04), "the logical unit is not ready, it is being formatted"),
    (0x04, Some(0x0a), "the logical unit is not accessible, its access state is changing"),
    (0x04, Some(0x0b), "the logical unit is not accessible, the target port is in standby state"),
    (0x04, Some(0x0c), "the logical unit is not accessible, the target port is in unavailable state"),
    (0x04, Some(0x12), "the logical unit is offline"),
    (0x04, None, "the logical unit is not ready"),
    (0x05, None, "the logical unit does not answer"),
    (0x08, None, "communication with the logical unit failed"),
    (0x09, None, "track following error"),
    (0x0b, None, "warning"),
    (0x0c, None, "write error"),
    (0x10, None, "the block's CRC, application tag or reference tag is wrong"),
    (0x11, Some(0x00), "unrecovered read error"),
    (0x11, None, "unrecovered read error"),
    (0x14, None, "the recorded block was not found"),
    (0x15, None, "positioning error"),
    (0x16, None, "data synchronisation mark error"),
    (0x17, None, "the data was recovered without error correction"),
    (0x18, None, "the data was recovered with error correction"),
    (0x1a, None, "the parameter list is too long"),
    (0x20, Some(0x00), "the target does not know this command"),
    (0x20, None, "access denied"),
    (0x21, Some(0x00), "the logical block address is out of range"),
    (0x21, None, "invalid address"),
    (0x24, Some(0x00), "invalid field in the command"),
    (0x24, None, "invalid field in the command"),
    (0x25, Some(0x00), "there is no such logical unit"),
    (0x26, None, "invalid field in the parameter list"),
    (0x27, Some(0x00), "write protected"),
    (0x27, Some(0x07), "space allocation failed, the thin pool is full"),
    (0x27, None, "write protected"),
    (0x28, Some(0x00), "the medium may have changed"),
    (0x28, None, "the medium may have changed"),
    (0x29, Some(0x00), "power on, reset, or bus device reset"),
    (0x29, Some(0x07), "the I_T nexus was lost"),
    (0x29, None, "power on or reset"),
    (0x2a, Some(0x01), "the mode parameters changed"),
    (0x2a, Some(0x06), "the access state changed"),
    (0x2a, Some(0x09), "the capacity changed"),
    (0x2a, None, "parameters changed"),
    (0x2c, None, "wrong sequence of commands"),
    (0x2f, None, "the commands were cleared by another initiator"),
    (0x31, None, "the medium's format is damaged"),
    (0x35, None, "enclosure services failure"),
    (0x38, Some(0x07), "the thin provisioning soft threshold was reached"),
    (0x39, None, "saving parameters is not supported"),
    (0x3a, None, "there is no medium"),
    (0x3e, Some(0x00), "the logical unit is not configured yet"),
    (0x3e, Some(0x02), "the logical unit timed out"),
    (0x3e, None, "the logical unit failed"),
    (0x3f, Some(0x01), "the microcode changed"),
    (0x3f, Some(0x03), "the inquiry data changed"),
    (0x3f, Some(0x0e), "the list of logical units changed"),
    (0x3f, None, "the target's operating conditions changed"),
    (0x40, None, "a component of the disk failed"),
    (0x44, Some(0x00), "internal target failure"),
    (0x44, None, "internal target failure"),
    (0x47, None, "parity or CRC error"),
    (0x48, None, "the initiator reported an error"),
    (0x49, None, "invalid message"),
    (0x4b, None, "data phase error"),
    (0x4e, None, "commands overlap"),
    (0x53, None, "the medium could not be loaded or removed"),
    (0x55, None, "the target ran out of resources"),
    (0x5d, None, "failure predicted"),
    (0x5e, None, "power condition changed"),
    (0x74, None, "security error"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fixed_format_is_put_into_words() {
        let mut data = [0; 18];
        data[0] = 0xf0;
        data[2] = 3;
        data[3..7].copy_from_slice(&4711_u32.to_be_bytes());
        data[12] = 0x11;
        let sense = Sense::parse(&data).unwrap();
        assert_eq!(sense.to_string(), "medium error, unrecovered read error (ASC 11h, ASCQ 00h) at block 4711");
        data[0] = 0x71;
        let text = Sense::parse(&data).unwrap().to_string();
        assert!(text.ends_with("deferred from an earlier command") && !text.contains("4711"), "{text}");
    }

    #[test]
    fn descriptor_format_is_put_into_words() {
        let mut data = vec![0x72, 3, 0x11, 0, 0, 0, 0, 16];
        // A descriptor of another type comes first.
        data.extend_from_slice(&[2, 2, 0, 0]);
        data.extend_from_slice(&[0, 10, 0x80, 0]);
        data.extend_from_slice(&(1_u64 << 40).to_be_bytes());
        let sense = Sense::parse(&data).unwrap();
        assert_eq!(sense.information, Some(1 << 40));
        assert_eq!(sense.key, SenseKey::MediumError);
    }

    #[test]
    fn codes_without_a_row_still_have_their_key_and_numbers() {
        let sense = Sense::parse(&[0x72, 0xb, 0xf0, 0x12]).unwrap();
        assert_eq!(sense.to_string(), "aborted command (ASC F0h, ASCQ 12h)");
        assert_eq!(Sense::parse(&[0x72, 2, 0x04, 0x55]).unwrap().meaning(), Some("the logical unit is not ready"));
    }

    #[test]
    fn each_row_of_the_table_can_be_found() {
        for (index, (code, qualifier, _)) in MEANINGS.iter().enumerate() {
            let same = |row: &(u8, Option<u8>, &str)| row.0 == *code && row.1 == *qualifier;
            assert_eq!(MEANINGS.iter().position(same), Some(index), "{code:02x} {qualifier:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_sense_or_not(data in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(sense) = Sense::parse(&data) {
                prop_assert!(!sense.to_string().is_empty());
            }
        }
    }
}
