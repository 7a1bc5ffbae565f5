//! What a target sends: responses parsed and built.

use super::layout::{
    AsyncMessageHeader, LoginResponseHeader, LogoutResponseHeader, NopInHeader, RejectHeader,
    TaskManagementResponseHeader, TextResponseHeader,
};
use super::opcode::{self, OPCODE_MASK};
use super::{DataIn, Pdu, PduError, RESERVED_TAG, ScsiResponse, TransitFlags};
use crate::scsi::LunNumber;
use bytes::Bytes;
use zerocopy::{U16, U32};

const FINAL: u8 = 0x80;
const CONTINUE: u8 = 0x40;

/// The sequence numbers of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusNumbers {
    /// StatSN.
    pub stat_sn: u32,
    /// ExpCmdSN.
    pub exp_cmd_sn: u32,
    /// MaxCmdSN.
    pub max_cmd_sn: u32,
}

impl StatusNumbers {
    pub(super) const fn new(
        stat_sn: U32<zerocopy::BE>,
        exp_cmd_sn: U32<zerocopy::BE>,
        max_cmd_sn: U32<zerocopy::BE>,
    ) -> Self {
        Self { stat_sn: stat_sn.get(), exp_cmd_sn: exp_cmd_sn.get(), max_cmd_sn: max_cmd_sn.get() }
    }
}

/// What a target can send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetPdu {
    /// NOP-In.
    NopIn(NopIn),
    /// SCSI Response.
    ScsiResponse(ScsiResponse),
    /// Task Management Function Response.
    TaskManagement(TaskManagementResponse),
    /// Login Response.
    Login(LoginResponse),
    /// Text Response.
    Text(TextResponse),
    /// SCSI Data-In.
    DataIn(DataIn),
    /// Logout Response.
    Logout(LogoutResponse),
    /// Ready To Transfer.
    R2t(R2t),
    /// Asynchronous Message.
    Async(AsyncMessage),
    /// Reject.
    Reject(Reject),
}

/// NOP-In: a ping, or the answer to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NopIn {
    /// LUN.
    pub lun: LunNumber,
    /// Initiator task tag of the NOP-Out that is answered, or [`RESERVED_TAG`].
    pub initiator_task_tag: u32,
    /// [`RESERVED_TAG`] unless an answer is wanted.
    pub target_transfer_tag: u32,
    /// Sequence numbers. StatSN is the next one, and not used up, when `initiator_task_tag` is reserved.
    pub numbers: StatusNumbers,
    /// Ping data.
    pub data: Bytes,
}

/// Task Management Function Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskManagementResponse {
    /// Response: 0 function complete, 1 task does not exist, 5 function not supported ...
    pub response: u8,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// Sequence numbers.
    pub numbers: StatusNumbers,
}

/// Login Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginResponse {
    /// T, C, CSG, NSG. Without meaning if `status_class` is not 0.
    pub stage: TransitFlags,
    /// Version-max.
    pub version_max: u8,
    /// Version-active.
    pub version_active: u8,
    /// The initiator's part of the session identifier.
    pub isid: [u8; 6],
    /// Target session identifying handle; 0 until the final response.
    pub tsih: u16,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// Sequence numbers.
    pub numbers: StatusNumbers,
    /// Status-Class: 0 success, 1 redirection, 2 initiator error, 3 target error.
    pub status_class: u8,
    /// Status-Detail.
    pub status_detail: u8,
    /// Text keys, or a part of them.
    pub data: Bytes,
}

/// Text Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextResponse {
    /// F.
    pub is_final: bool,
    /// C: more text follows in the next PDU.
    pub continues: bool,
    /// LUN.
    pub lun: LunNumber,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// [`RESERVED_TAG`] exactly if `is_final`.
    pub target_transfer_tag: u32,
    /// Sequence numbers.
    pub numbers: StatusNumbers,
    /// Text keys, or a part of them.
    pub data: Bytes,
}

/// Logout Response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutResponse {
    /// Response: 0 closed, 1 no such connection, 2 no recovery, 3 clean-up failed.
    pub response: u8,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// Sequence numbers.
    pub numbers: StatusNumbers,
    /// Time2Wait in seconds.
    pub time2wait: u16,
    /// Time2Retain in seconds.
    pub time2retain: u16,
}

/// Ready To Transfer. An initiator that never writes never gets a legal one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct R2t {
    /// Initiator task tag.
    pub initiator_task_tag: u32,
}

/// Asynchronous Message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncMessage {
    /// LUN, for SCSI asynchronous events.
    pub lun: LunNumber,
    /// Sequence numbers.
    pub numbers: StatusNumbers,
    /// AsyncEvent: 0 SCSI event, 1 logout requested, 2 connection will be dropped, 3 all connections will be dropped,
    /// 4 parameter negotiation requested, 255 vendor specific.
    pub async_event: u8,
    /// AsyncVCode.
    pub async_vcode: u8,
    /// Parameter1.
    pub parameter1: u16,
    /// Parameter2.
    pub parameter2: u16,
    /// Parameter3.
    pub parameter3: u16,
    /// Sense and event data.
    pub data: Bytes,
}

/// Reject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Reason (section 11.17.1).
    pub reason: u8,
    /// Sequence numbers.
    pub numbers: StatusNumbers,
    /// DataSN/R2TSN.
    pub data_sn: u32,
    /// The header of what was rejected.
    pub data: Bytes,
}

impl TargetPdu {
    /// Takes a PDU apart, on the side of an initiator.
    ///
    /// # Errors
    /// [`PduError::Opcode`] for what no target sends, [`PduError::Field`] for values that no field may have.
    pub fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let [opcode, ..] = pdu.header;
        match pdu.opcode() {
            opcode::NOP_IN => Ok(Self::NopIn(NopIn::parse(pdu))),
            opcode::SCSI_RESPONSE => ScsiResponse::parse(pdu).map(Self::ScsiResponse),
            opcode::TASK_MANAGEMENT_RESPONSE => Ok(Self::TaskManagement(TaskManagementResponse::parse(&pdu))),
            opcode::LOGIN_RESPONSE => LoginResponse::parse(pdu).map(Self::Login),
            opcode::TEXT_RESPONSE => TextResponse::parse(pdu).map(Self::Text),
            opcode::DATA_IN => DataIn::parse(pdu).map(Self::DataIn),
            opcode::LOGOUT_RESPONSE => Ok(Self::Logout(LogoutResponse::parse(&pdu))),
            opcode::R2T => Ok(Self::R2t(R2t { initiator_task_tag: pdu.initiator_task_tag() })),
            opcode::ASYNC_MESSAGE => Ok(Self::Async(AsyncMessage::parse(pdu))),
            opcode::REJECT => Ok(Self::Reject(Reject::parse(pdu))),
            _ => Err(PduError::Opcode(opcode & OPCODE_MASK)),
        }
    }
}

impl NopIn {
    fn parse(pdu: Pdu) -> Self {
        let header: NopInHeader = zerocopy::transmute!(pdu.header);
        Self {
            lun: LunNumber::from_wire(header.lun),
            initiator_task_tag: header.initiator_task_tag.get(),
            target_transfer_tag: header.target_transfer_tag.get(),
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
            data: pdu.data,
        }
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = NopInHeader {
            opcode: opcode::NOP_IN,
            flags: FINAL,
            lun: self.lun.to_wire(),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            target_transfer_tag: U32::new(self.target_transfer_tag),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            ..NopInHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}

impl TaskManagementResponse {
    fn parse(pdu: &Pdu) -> Self {
        let header: TaskManagementResponseHeader = zerocopy::transmute!(pdu.header);
        Self {
            response: header.response,
            initiator_task_tag: header.initiator_task_tag.get(),
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
        }
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = TaskManagementResponseHeader {
            opcode: opcode::TASK_MANAGEMENT_RESPONSE,
            flags: FINAL,
            response: self.response,
            initiator_task_tag: U32::new(self.initiator_task_tag),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            ..TaskManagementResponseHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), Bytes::new())
    }
}

impl LoginResponse {
    fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let header: LoginResponseHeader = zerocopy::transmute!(pdu.header);
        // A failed login may carry any flags.
        let flags = if header.status_class == 0 { header.flags } else { 0 };
        Ok(Self {
            stage: TransitFlags::from_wire("Login Response", flags)?,
            version_max: header.version_max,
            version_active: header.version_active,
            isid: header.isid,
            tsih: header.tsih.get(),
            initiator_task_tag: header.initiator_task_tag.get(),
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
            status_class: header.status_class,
            status_detail: header.status_detail,
            data: pdu.data,
        })
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = LoginResponseHeader {
            opcode: opcode::LOGIN_RESPONSE,
            flags: self.stage.to_wire(),
            version_max: self.version_max,
            version_active: self.version_active,
            isid: self.isid,
            tsih: U16::new(self.tsih),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            status_class: self.status_class,
            status_detail: self.status_detail,
            ..LoginResponseHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}

impl TextResponse {
    fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let header: TextResponseHeader = zerocopy::transmute!(pdu.header);
        let (is_final, continues) = (header.flags & FINAL != 0, header.flags & CONTINUE != 0);
        let target_transfer_tag = header.target_transfer_tag.get();
        if is_final && continues {
            return Err(PduError::field("Text Response", "F, C", header.flags));
        }
        if is_final != (target_transfer_tag == RESERVED_TAG) {
            return Err(PduError::field("Text Response", "Target Transfer Tag", target_transfer_tag));
        }
        Ok(Self {
            is_final,
            continues,
            lun: LunNumber::from_wire(header.lun),
            initiator_task_tag: header.initiator_task_tag.get(),
            target_transfer_tag,
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
            data: pdu.data,
        })
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let is_final = if self.is_final { FINAL } else { 0 };
        let continues = if self.continues { CONTINUE } else { 0 };
        let header = TextResponseHeader {
            opcode: opcode::TEXT_RESPONSE,
            flags: is_final | continues,
            lun: self.lun.to_wire(),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            target_transfer_tag: U32::new(self.target_transfer_tag),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            ..TextResponseHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}

impl LogoutResponse {
    fn parse(pdu: &Pdu) -> Self {
        let header: LogoutResponseHeader = zerocopy::transmute!(pdu.header);
        Self {
            response: header.response,
            initiator_task_tag: header.initiator_task_tag.get(),
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
            time2wait: header.time2wait.get(),
            time2retain: header.time2retain.get(),
        }
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = LogoutResponseHeader {
            opcode: opcode::LOGOUT_RESPONSE,
            flags: FINAL,
            response: self.response,
            initiator_task_tag: U32::new(self.initiator_task_tag),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            time2wait: U16::new(self.time2wait),
            time2retain: U16::new(self.time2retain),
            ..LogoutResponseHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), Bytes::new())
    }
}

impl AsyncMessage {
    fn parse(pdu: Pdu) -> Self {
        let header: AsyncMessageHeader = zerocopy::transmute!(pdu.header);
        Self {
            lun: LunNumber::from_wire(header.lun),
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
            async_event: header.async_event,
            async_vcode: header.async_vcode,
            parameter1: header.parameter1.get(),
            parameter2: header.parameter2.get(),
            parameter3: header.parameter3.get(),
            data: pdu.data,
        }
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = AsyncMessageHeader {
            opcode: opcode::ASYNC_MESSAGE,
            flags: FINAL,
            lun: self.lun.to_wire(),
            initiator_task_tag: U32::new(RESERVED_TAG),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            async_event: self.async_event,
            async_vcode: self.async_vcode,
            parameter1: U16::new(self.parameter1),
            parameter2: U16::new(self.parameter2),
            parameter3: U16::new(self.parameter3),
            ..AsyncMessageHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}

impl Reject {
    fn parse(pdu: Pdu) -> Self {
        let header: RejectHeader = zerocopy::transmute!(pdu.header);
        Self {
            reason: header.reason,
            numbers: StatusNumbers::new(header.stat_sn, header.exp_cmd_sn, header.max_cmd_sn),
            data_sn: header.data_sn.get(),
            data: pdu.data,
        }
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = RejectHeader {
            opcode: opcode::REJECT,
            flags: FINAL,
            reason: self.reason,
            initiator_task_tag: U32::new(RESERVED_TAG),
            stat_sn: U32::new(self.numbers.stat_sn),
            exp_cmd_sn: U32::new(self.numbers.exp_cmd_sn),
            max_cmd_sn: U32::new(self.numbers.max_cmd_sn),
            data_sn: U32::new(self.data_sn),
            ..RejectHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}
