//! Stages of the login phase and the bits that lead from one to the next (RFC 7143 sections 11.12.1 to 11.12.3).

use super::PduError;

const TRANSIT: u8 = 0x80;
const CONTINUE: u8 = 0x40;

/// A stage of a connection (CSG, NSG).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// SecurityNegotiation.
    Security,
    /// LoginOperationalNegotiation.
    Operational,
    /// FullFeaturePhase.
    FullFeature,
}

impl Stage {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Security => 0,
            Self::Operational => 1,
            Self::FullFeature => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code & 3 {
            0 => Some(Self::Security),
            1 => Some(Self::Operational),
            3 => Some(Self::FullFeature),
            _ => None,
        }
    }
}

/// The flags of login PDUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransitFlags {
    /// Current stage (CSG).
    pub current: Stage,
    /// The stage that the sender is ready to go to: T is set, and this is NSG.
    pub transit_to: Option<Stage>,
    /// More text follows in the next PDU (C).
    pub continues: bool,
}

impl TransitFlags {
    pub(super) const fn to_wire(self) -> u8 {
        let stages = match self.transit_to {
            Some(next) => TRANSIT | self.current.code() << 2 | next.code(),
            None => self.current.code() << 2,
        };
        if self.continues { stages | CONTINUE } else { stages }
    }

    /// NSG is looked at only if T is set: it is reserved otherwise.
    pub(super) fn from_wire(pdu: &'static str, flags: u8) -> Result<Self, PduError> {
        let current = Stage::from_code(flags >> 2).filter(|stage| *stage != Stage::FullFeature);
        let current = current.ok_or_else(|| PduError::field(pdu, "CSG", flags >> 2 & 3))?;
        let continues = flags & CONTINUE != 0;
        if flags & TRANSIT == 0 {
            return Ok(Self { current, transit_to: None, continues });
        }
        let next = Stage::from_code(flags).filter(|next| *next > current && !continues);
        let next = next.ok_or_else(|| PduError::field(pdu, "T, C, CSG, NSG", flags))?;
        Ok(Self { current, transit_to: Some(next), continues })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_the_rfc_allows_survive_the_wire_and_others_are_refused() {
        let mut valid = 0;
        for flags in 0..=u8::MAX {
            if let Ok(parsed) = TransitFlags::from_wire("Login", flags) {
                let transit = flags & TRANSIT != 0;
                let significant = if transit { 0xcf } else { 0xcc };
                assert_eq!(parsed.to_wire(), flags & significant, "{flags:#x}");
                valid += 1;
            }
        }
        // Two current stages without T (with and without C, any NSG, any reserved bits): 2*2*4*4. With T and without C:
        // 0 to 1, 0 to 3, 1 to 3, any reserved bits: 3*4.
        assert_eq!(valid, 2 * 2 * 4 * 4 + 3 * 4);
    }

    #[test]
    fn a_transit_that_goes_back_or_stays_is_refused() {
        for flags in [0x80 | 1 << 2, 0x80, 0x80 | 1 << 2 | 1, 0x80 | 2, 0xc0 | 1 << 2 | 3] {
            assert!(TransitFlags::from_wire("Login", flags).is_err(), "{flags:#x}");
        }
    }
}
