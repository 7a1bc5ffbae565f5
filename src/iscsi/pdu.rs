//! Protocol data units (RFC 7143 chapter 11), both directions, so that initiator and target share one definition.
//!
//! A [`Pdu`] is what is on the wire: header, additional header segments, data segment. The [`Decoder`] makes them out
//! of bytes, [`frame`] and [`encode`] make bytes of them. [`InitiatorPdu`] and [`TargetPdu`] are what they mean.

mod decoder;
mod encoder;
mod error;
mod initiator;
mod layout;
pub mod opcode;
mod scsi_answer;
mod stage;
mod target;

pub use decoder::Decoder;
pub use encoder::{Digests, encode, frame};
pub use error::PduError;
pub use initiator::{
    CommandNumbers, InitiatorPdu, LoginRequest, LogoutRequest, NopOut, ScsiCommand, TaskAttribute,
    TaskManagementRequest, TextRequest,
};
pub use scsi_answer::{DataIn, DataInStatus, Residual, ScsiResponse};
pub use stage::{Stage, TransitFlags};
pub use target::{
    AsyncMessage, LoginResponse, LogoutResponse, NopIn, R2t, Reject, StatusNumbers, TargetPdu, TaskManagementResponse,
    TextResponse,
};

use bytes::Bytes;

/// Length of a basic header segment in bytes.
pub const HEADER_BYTES: usize = 48;
/// The task tag that stands for no task (RFC 7143 section 11.2.1.8).
pub const RESERVED_TAG: u32 = 0xffff_ffff;
/// The longest data segment that its length field can express.
pub const DATA_SEGMENT_BYTES_MAX: usize = (1 << 24) - 1;

/// A PDU as it is on the wire, without padding and digests. The lengths in `header` are filled in when it is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu {
    /// Basic header segment.
    pub header: [u8; HEADER_BYTES],
    /// Additional header segments, a multiple of four bytes and at most 1020.
    pub ahs: Bytes,
    /// Data segment.
    pub data: Bytes,
}

impl Pdu {
    /// A PDU without additional header segments.
    #[must_use]
    pub const fn new(header: [u8; HEADER_BYTES], data: Bytes) -> Self {
        Self { header, ahs: Bytes::new(), data }
    }

    /// The opcode, without the immediate bit.
    #[must_use]
    pub const fn opcode(&self) -> u8 {
        self.header[0] & opcode::OPCODE_MASK
    }

    /// Initiator task tag; every header has one at the same place.
    #[must_use]
    pub fn initiator_task_tag(&self) -> u32 {
        let header: layout::BasicHeaderSegment = zerocopy::transmute!(self.header);
        header.initiator_task_tag.get()
    }
}

/// How many bytes of padding follow a segment of `length` bytes (RFC 7143 section 11.2.3).
const fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

#[cfg(test)]
mod tests;
