//! Why a command was refused: sense key and additional sense code (SPC-4 section 4.5).

use block::{ReadError, ReadErrorKind};

/// What CHECK CONDITION is explained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sense {
    /// SENSE KEY.
    pub(crate) key: u8,
    /// ADDITIONAL SENSE CODE.
    pub(crate) code: u8,
    /// ADDITIONAL SENSE CODE QUALIFIER.
    pub(crate) qualifier: u8,
}

/// RESPONSE CODE "current error, fixed format".
const FIXED_CURRENT: u8 = 0x70;
/// RESPONSE CODE "current error, descriptor format".
const DESCRIPTOR_CURRENT: u8 = 0x72;

impl Sense {
    pub(crate) const NONE: Self = Self::new(0x0, 0x00, 0x00);
    pub(crate) const MEDIUM_NOT_PRESENT: Self = Self::new(0x2, 0x3a, 0x00);
    pub(crate) const UNRECOVERED_READ_ERROR: Self = Self::new(0x3, 0x11, 0x00);
    pub(crate) const INTERNAL_TARGET_FAILURE: Self = Self::new(0x4, 0x44, 0x00);
    pub(crate) const INVALID_COMMAND_OPERATION_CODE: Self = Self::new(0x5, 0x20, 0x00);
    pub(crate) const LBA_OUT_OF_RANGE: Self = Self::new(0x5, 0x21, 0x00);
    pub(crate) const INVALID_FIELD_IN_CDB: Self = Self::new(0x5, 0x24, 0x00);
    pub(crate) const LOGICAL_UNIT_NOT_SUPPORTED: Self = Self::new(0x5, 0x25, 0x00);
    pub(crate) const SAVING_PARAMETERS_NOT_SUPPORTED: Self = Self::new(0x5, 0x39, 0x00);
    pub(crate) const POWER_ON_OR_RESET: Self = Self::new(0x6, 0x29, 0x00);
    pub(crate) const WRITE_PROTECTED: Self = Self::new(0x7, 0x27, 0x00);
    pub(crate) const UNIT_COMMUNICATION_TIME_OUT: Self = Self::new(0xb, 0x08, 0x01);

    const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        Self { key, code, qualifier }
    }

    /// Fixed format sense data, as CHECK CONDITION carries it.
    pub(crate) fn fixed(self) -> [u8; 18] {
        let mut data = [0; 18];
        data[0] = FIXED_CURRENT;
        data[2] = self.key;
        data[7] = 10; // ADDITIONAL SENSE LENGTH: what follows byte 7
        data[12] = self.code;
        data[13] = self.qualifier;
        data
    }

    /// Descriptor format sense data without a descriptor.
    pub(crate) const fn descriptor(self) -> [u8; 8] {
        [DESCRIPTOR_CURRENT, self.key, self.code, self.qualifier, 0, 0, 0, 0]
    }
}

impl From<&ReadError> for Sense {
    fn from(error: &ReadError) -> Self {
        match error.kind {
            ReadErrorKind::OutOfRange => Self::LBA_OUT_OF_RANGE,
            ReadErrorKind::Device | ReadErrorKind::Damaged | ReadErrorKind::Missing => Self::UNRECOVERED_READ_ERROR,
            ReadErrorKind::Disconnected | ReadErrorKind::TimedOut => Self::UNIT_COMMUNICATION_TIME_OUT,
            ReadErrorKind::Closed => Self::MEDIUM_NOT_PRESENT,
        }
    }
}
