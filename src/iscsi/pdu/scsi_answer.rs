//! How a SCSI command is answered: SCSI Data-In (RFC 7143 section 11.7) and SCSI Response (section 11.4).

use super::layout::{DataInHeader, ScsiResponseHeader};
use super::{Pdu, PduError, StatusNumbers, opcode};
use crate::scsi::LunNumber;
use bytes::Bytes;
use std::fmt;
use zerocopy::U32;

const FINAL: u8 = 0x80;
const ACKNOWLEDGE: u8 = 0x40;
/// Residual overflow (O) and underflow (U).
const OVERFLOW: u8 = 0x04;
const UNDERFLOW: u8 = 0x02;
/// S of a Data-In.
const STATUS: u8 = 0x01;

/// By how many bytes the data differed from what the command expected (RFC 7143 section 11.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// Exactly as expected.
    None,
    /// So many bytes fewer (U).
    Underflow(u32),
    /// So many bytes more, which were not sent (O).
    Overflow(u32),
}

impl fmt::Display for Residual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Underflow(bytes) => write!(f, "underflow of {bytes} bytes"),
            Self::Overflow(bytes) => write!(f, "overflow of {bytes} bytes"),
        }
    }
}

impl Residual {
    const fn to_wire(self) -> (u8, u32) {
        match self {
            Self::None => (0, 0),
            Self::Underflow(count) => (UNDERFLOW, count),
            Self::Overflow(count) => (OVERFLOW, count),
        }
    }

    fn from_wire(pdu: &'static str, flags: u8, count: u32) -> Result<Self, PduError> {
        match (flags & OVERFLOW != 0, flags & UNDERFLOW != 0) {
            (false, false) => Ok(Self::None),
            (false, true) => Ok(Self::Underflow(count)),
            (true, false) => Ok(Self::Overflow(count)),
            (true, true) => Err(PduError::field(pdu, "O, U", flags)),
        }
    }
}

/// SCSI Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiResponse {
    /// Response: 0 command completed at target, 1 target failure.
    pub response: u8,
    /// SCSI status; of meaning only if `response` is 0.
    pub status: u8,
    /// Residual of the read data.
    pub residual: Residual,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// Sequence numbers.
    pub numbers: StatusNumbers,
    /// ExpDataSN: how many Data-In PDUs were sent.
    pub exp_data_sn: u32,
    /// Two bytes SenseLength and the sense data, or nothing; see [`ScsiResponse::sense`].
    pub data: Bytes,
}

/// SCSI Data-In.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataIn {
    /// F: the last of its sequence.
    pub is_final: bool,
    /// A: the target wants a SNACK for it; only for error recovery levels above 0.
    pub acknowledge: bool,
    /// The status, if it came with the data (S). It is good then: others come in a SCSI Response.
    pub status: Option<DataInStatus>,
    /// LUN; reserved unless A is set.
    pub lun: LunNumber,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// [`super::RESERVED_TAG`] unless A is set.
    pub target_transfer_tag: u32,
    /// Sequence numbers; StatSN is of meaning only if there is a status.
    pub numbers: StatusNumbers,
    /// DataSN.
    pub data_sn: u32,
    /// Buffer Offset: where in the command's data this belongs, in bytes.
    pub buffer_offset: u32,
    /// The data.
    pub data: Bytes,
}

/// The status that came with the last Data-In of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataInStatus {
    /// SCSI status.
    pub status: u8,
    /// Residual.
    pub residual: Residual,
}

impl ScsiResponse {
    pub(super) fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let header: ScsiResponseHeader = zerocopy::transmute!(pdu.header);
        Ok(Self {
            response: header.response,
            status: header.status,
            residual: Residual::from_wire("SCSI Response", header.flags, header.residual_count.get())?,
            initiator_task_tag: header.initiator_task_tag.get(),
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
            exp_data_sn: header.exp_data_sn.get(),
            data: pdu.data,
        })
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let (residual_flags, residual_count) = self.residual.to_wire();
        let header = ScsiResponseHeader {
            opcode: opcode::SCSI_RESPONSE,
            flags: FINAL | residual_flags,
            response: self.response,
            status: self.status,
            initiator_task_tag: U32::new(self.initiator_task_tag),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            exp_data_sn: U32::new(self.exp_data_sn),
            residual_count: U32::new(residual_count),
            ..ScsiResponseHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }

    /// The sense data that came along, without its length; empty when there is none, cut short when its length says
    /// more than there is.
    #[must_use]
    pub fn sense(&self) -> Bytes {
        let Some((length, rest)) = self.data.split_first_chunk::<2>() else { return Bytes::new() };
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        self.data.slice(2..length.saturating_add(2))
    }

    /// `sense` with its length before it, as the data segment wants it.
    #[must_use]
    pub fn sense_segment(sense: &[u8]) -> Bytes {
        let length = u16::try_from(sense.len()).unwrap_or(u16::MAX);
        let sense = sense.get(..usize::from(length)).unwrap_or_default();
        [&length.to_be_bytes(), sense].concat().into()
    }
}

impl DataIn {
    pub(super) fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let header: DataInHeader = zerocopy::transmute!(pdu.header);
        let is_final = header.flags & FINAL != 0;
        let has_status = header.flags & STATUS != 0;
        if has_status && !is_final {
            return Err(PduError::field("SCSI Data-In", "F, S", header.flags));
        }
        let status = if has_status {
            let residual = Residual::from_wire("SCSI Data-In", header.flags, header.residual_count.get())?;
            Some(DataInStatus { status: header.status, residual })
        } else {
            None
        };
        Ok(Self {
            is_final,
            acknowledge: header.flags & ACKNOWLEDGE != 0,
            status,
            lun: LunNumber::from_wire(header.lun),
            initiator_task_tag: header.initiator_task_tag.get(),
            target_transfer_tag: header.target_transfer_tag.get(),
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
            data_sn: header.data_sn.get(),
            buffer_offset: header.buffer_offset.get(),
            data: pdu.data,
        })
    }

    /// The PDU to be sent. A status needs `is_final`.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let is_final = if self.is_final { FINAL } else { 0 };
        let acknowledge = if self.acknowledge { ACKNOWLEDGE } else { 0 };
        let (status_flags, status, residual_count) = self.status.map_or((0, 0, 0), |status| {
            let (residual_flags, count) = status.residual.to_wire();
            (STATUS | residual_flags, status.status, count)
        });
        let header = DataInHeader {
            opcode: opcode::DATA_IN,
            flags: is_final | acknowledge | status_flags,
            status,
            lun: self.lun.to_wire(),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            target_transfer_tag: U32::new(self.target_transfer_tag),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            data_sn: U32::new(self.data_sn),
            buffer_offset: U32::new(self.buffer_offset),
            residual_count: U32::new(residual_count),
            ..DataInHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}
