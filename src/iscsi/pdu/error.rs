//! What can be wrong with a PDU.

/// Why bytes are not a PDU, or not one that can come from the other side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PduError {
    /// The CRC32C over the header does not fit.
    #[error("header digest is {found:#010x}, the header's CRC32C is {expected:#010x}: it was changed on its way")]
    HeaderDigest {
        /// What it should be.
        expected: u32,
        /// What was sent.
        found: u32,
    },
    /// The CRC32C over the data segment does not fit.
    #[error("data digest is {found:#010x}, the data's CRC32C is {expected:#010x}: it was changed on its way")]
    DataDigest {
        /// What it should be.
        expected: u32,
        /// What was sent.
        found: u32,
    },
    /// The data segment is longer than was agreed.
    #[error("data segment of {length} bytes, where at most {max} are allowed")]
    DataTooLong {
        /// DataSegmentLength in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// An opcode that the other side cannot send.
    #[error("unexpected opcode {0:#04x}")]
    Opcode(u8),
    /// A field with a value that it must not have.
    #[error("{pdu}: {field} is {value:#x}")]
    Field {
        /// Which kind of PDU.
        pdu: &'static str,
        /// RFC name of the field.
        field: &'static str,
        /// What was found.
        value: u32,
    },
}

impl PduError {
    pub(crate) fn field(pdu: &'static str, field: &'static str, value: impl Into<u32>) -> Self {
        Self::Field { pdu, field, value: value.into() }
    }
}
