//! What an initiator sends: requests parsed and built.

use super::layout::{
    LoginRequestHeader, LogoutRequestHeader, NopOutHeader, ScsiCommandHeader, TaskManagementRequestHeader,
    TextRequestHeader,
};
use super::opcode::{self, IMMEDIATE, OPCODE_MASK};
use super::{Pdu, PduError, TransitFlags};
use crate::scsi::LunNumber;
use bytes::Bytes;
use zerocopy::{U16, U32};

/// Bit 7 of the flags: the last PDU of a sequence (F), or always 1.
const FINAL: u8 = 0x80;
const CONTINUE: u8 = 0x40;
const READ: u8 = 0x40;
const WRITE: u8 = 0x20;

/// The sequence numbers of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandNumbers {
    /// I: to be carried out at once, and not counted in CmdSN.
    pub immediate: bool,
    /// CmdSN.
    pub cmd_sn: u32,
    /// ExpStatSN.
    pub exp_stat_sn: u32,
}

impl CommandNumbers {
    const fn opcode(self, opcode: u8) -> u8 {
        if self.immediate { opcode | IMMEDIATE } else { opcode }
    }

    const fn new(opcode: u8, cmd_sn: u32, exp_stat_sn: u32) -> Self {
        Self { immediate: opcode & IMMEDIATE != 0, cmd_sn, exp_stat_sn }
    }
}

/// What an initiator can send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitiatorPdu {
    /// NOP-Out.
    NopOut(NopOut),
    /// SCSI Command.
    ScsiCommand(ScsiCommand),
    /// Task Management Function Request.
    TaskManagement(TaskManagementRequest),
    /// Login Request.
    Login(LoginRequest),
    /// Text Request.
    Text(TextRequest),
    /// Logout Request.
    Logout(LogoutRequest),
    /// SCSI Data-Out or SNACK Request: known, and never of use to a target that only reads at error recovery level 0.
    Unused(u8),
}

/// NOP-Out: a ping, or the answer to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NopOut {
    /// LUN: that of the NOP-In that is answered.
    pub lun: LunNumber,
    /// Initiator task tag; [`super::RESERVED_TAG`] when no answer is wanted.
    pub initiator_task_tag: u32,
    /// Target transfer tag of the NOP-In that is answered, or [`super::RESERVED_TAG`].
    pub target_transfer_tag: u32,
    /// Sequence numbers.
    pub numbers: CommandNumbers,
    /// Ping data.
    pub data: Bytes,
}

/// SCSI Command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiCommand {
    /// R: data is to be sent to the initiator.
    pub read: bool,
    /// W: data is to be sent to the target. Never true of what this crate sends; a target has to see it.
    pub write: bool,
    /// ATTR.
    pub attribute: TaskAttribute,
    /// LUN.
    pub lun: LunNumber,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// Expected Data Transfer Length in bytes.
    pub expected_data_transfer_length: u32,
    /// Sequence numbers.
    pub numbers: CommandNumbers,
    /// The command descriptor block.
    pub cdb: [u8; 16],
    /// Immediate data; never sent by this crate.
    pub data: Bytes,
}

/// Task attribute of a SCSI command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskAttribute {
    /// Untagged.
    Untagged,
    /// Simple: in any order.
    Simple,
    /// Ordered.
    Ordered,
    /// Head of queue.
    HeadOfQueue,
    /// ACA.
    Aca,
}

/// Task Management Function Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskManagementRequest {
    /// Function code (section 11.5.1): 1 abort task, 2 abort task set, 5 logical unit reset, 6 and 7 target resets ...
    pub function: u8,
    /// LUN.
    pub lun: LunNumber,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// Initiator task tag of the task to be aborted.
    pub referenced_task_tag: u32,
    /// Sequence numbers.
    pub numbers: CommandNumbers,
    /// CmdSN of the task to be aborted.
    pub ref_cmd_sn: u32,
    /// ExpDataSN.
    pub exp_data_sn: u32,
}

/// Login Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// T, C, CSG, NSG.
    pub stage: TransitFlags,
    /// Version-max.
    pub version_max: u8,
    /// Version-min.
    pub version_min: u8,
    /// The initiator's part of the session identifier.
    pub isid: [u8; 6],
    /// Target session identifying handle; 0 for a new session.
    pub tsih: u16,
    /// Initiator task tag, the same throughout a login phase.
    pub initiator_task_tag: u32,
    /// Connection identifier.
    pub cid: u16,
    /// CmdSN.
    pub cmd_sn: u32,
    /// ExpStatSN.
    pub exp_stat_sn: u32,
    /// Text keys, or a part of them.
    pub data: Bytes,
}

/// Text Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRequest {
    /// F.
    pub is_final: bool,
    /// C: more text follows in the next PDU.
    pub continues: bool,
    /// LUN.
    pub lun: LunNumber,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// Target transfer tag: [`super::RESERVED_TAG`] in the first request, that of the last response later.
    pub target_transfer_tag: u32,
    /// Sequence numbers.
    pub numbers: CommandNumbers,
    /// Text keys, or a part of them.
    pub data: Bytes,
}

/// Logout Request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutRequest {
    /// Reason code: 0 close the session, 1 close the connection, 2 remove it for recovery.
    pub reason_code: u8,
    /// Initiator task tag.
    pub initiator_task_tag: u32,
    /// Connection identifier; for reason codes 1 and 2.
    pub cid: u16,
    /// Sequence numbers.
    pub numbers: CommandNumbers,
}

impl InitiatorPdu {
    /// Takes a PDU apart, on the side of a target.
    ///
    /// # Errors
    /// [`PduError::Opcode`] for what no initiator sends, [`PduError::Field`] for values that no field may have.
    pub fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let [opcode, ..] = pdu.header;
        match pdu.opcode() {
            opcode::NOP_OUT => Ok(Self::NopOut(NopOut::parse(pdu))),
            opcode::SCSI_COMMAND => ScsiCommand::parse(pdu).map(Self::ScsiCommand),
            opcode::TASK_MANAGEMENT_REQUEST => Ok(Self::TaskManagement(TaskManagementRequest::parse(&pdu))),
            opcode::LOGIN_REQUEST => LoginRequest::parse(pdu).map(Self::Login),
            opcode::TEXT_REQUEST => TextRequest::parse(pdu).map(Self::Text),
            opcode::LOGOUT_REQUEST => Ok(Self::Logout(LogoutRequest::parse(&pdu))),
            unused @ (opcode::DATA_OUT | opcode::SNACK_REQUEST) => Ok(Self::Unused(unused)),
            _ => Err(PduError::Opcode(opcode & OPCODE_MASK)),
        }
    }
}

impl NopOut {
    fn parse(pdu: Pdu) -> Self {
        let header: NopOutHeader = zerocopy::transmute!(pdu.header);
        Self {
            lun: LunNumber::from_wire(header.lun),
            initiator_task_tag: header.initiator_task_tag.get(),
            target_transfer_tag: header.target_transfer_tag.get(),
            numbers: CommandNumbers::new(header.opcode, header.cmd_sn.get(), header.exp_stat_sn.get()),
            data: pdu.data,
        }
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = NopOutHeader {
            opcode: self.numbers.opcode(opcode::NOP_OUT),
            flags: FINAL,
            lun: self.lun.to_wire(),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            target_transfer_tag: U32::new(self.target_transfer_tag),
            cmd_sn: U32::new(self.numbers.cmd_sn),
            exp_stat_sn: U32::new(self.numbers.exp_stat_sn),
            ..NopOutHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}

impl TaskAttribute {
    const fn code(self) -> u8 {
        match self {
            Self::Untagged => 0,
            Self::Simple => 1,
            Self::Ordered => 2,
            Self::HeadOfQueue => 3,
            Self::Aca => 4,
        }
    }

    fn parse(flags: u8) -> Result<Self, PduError> {
        match flags & 7 {
            0 => Ok(Self::Untagged),
            1 => Ok(Self::Simple),
            2 => Ok(Self::Ordered),
            3 => Ok(Self::HeadOfQueue),
            4 => Ok(Self::Aca),
            other => Err(PduError::field("SCSI Command", "ATTR", other)),
        }
    }
}

impl ScsiCommand {
    fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let header: ScsiCommandHeader = zerocopy::transmute!(pdu.header);
        Ok(Self {
            read: header.flags & READ != 0,
            write: header.flags & WRITE != 0,
            attribute: TaskAttribute::parse(header.flags)?,
            lun: LunNumber::from_wire(header.lun),
            initiator_task_tag: header.initiator_task_tag.get(),
            expected_data_transfer_length: header.expected_data_transfer_length.get(),
            numbers: CommandNumbers::new(header.opcode, header.cmd_sn.get(), header.exp_stat_sn.get()),
            cdb: header.cdb,
            data: pdu.data,
        })
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let read = if self.read { READ } else { 0 };
        let write = if self.write { WRITE } else { 0 };
        let header = ScsiCommandHeader {
            opcode: self.numbers.opcode(opcode::SCSI_COMMAND),
            flags: FINAL | read | write | self.attribute.code(),
            lun: self.lun.to_wire(),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            expected_data_transfer_length: U32::new(self.expected_data_transfer_length),
            cmd_sn: U32::new(self.numbers.cmd_sn),
            exp_stat_sn: U32::new(self.numbers.exp_stat_sn),
            cdb: self.cdb,
            ..ScsiCommandHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}

impl TaskManagementRequest {
    fn parse(pdu: &Pdu) -> Self {
        let header: TaskManagementRequestHeader = zerocopy::transmute!(pdu.header);
        Self {
            function: header.function & !FINAL,
            lun: LunNumber::from_wire(header.lun),
            initiator_task_tag: header.initiator_task_tag.get(),
            referenced_task_tag: header.referenced_task_tag.get(),
            numbers: CommandNumbers::new(header.opcode, header.cmd_sn.get(), header.exp_stat_sn.get()),
            ref_cmd_sn: header.ref_cmd_sn.get(),
            exp_data_sn: header.exp_data_sn.get(),
        }
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = TaskManagementRequestHeader {
            opcode: self.numbers.opcode(opcode::TASK_MANAGEMENT_REQUEST),
            function: FINAL | self.function,
            lun: self.lun.to_wire(),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            referenced_task_tag: U32::new(self.referenced_task_tag),
            cmd_sn: U32::new(self.numbers.cmd_sn),
            exp_stat_sn: U32::new(self.numbers.exp_stat_sn),
            ref_cmd_sn: U32::new(self.ref_cmd_sn),
            exp_data_sn: U32::new(self.exp_data_sn),
            ..TaskManagementRequestHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), Bytes::new())
    }
}

impl LoginRequest {
    fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let header: LoginRequestHeader = zerocopy::transmute!(pdu.header);
        Ok(Self {
            stage: TransitFlags::from_wire("Login Request", header.flags)?,
            version_max: header.version_max,
            version_min: header.version_min,
            isid: header.isid,
            tsih: header.tsih.get(),
            initiator_task_tag: header.initiator_task_tag.get(),
            cid: header.cid.get(),
            cmd_sn: header.cmd_sn.get(),
            exp_stat_sn: header.exp_stat_sn.get(),
            data: pdu.data,
        })
    }

    /// The PDU to be sent; a login request is always immediate.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = LoginRequestHeader {
            opcode: opcode::LOGIN_REQUEST | IMMEDIATE,
            flags: self.stage.to_wire(),
            version_max: self.version_max,
            version_min: self.version_min,
            isid: self.isid,
            tsih: U16::new(self.tsih),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            cid: U16::new(self.cid),
            cmd_sn: U32::new(self.cmd_sn),
            exp_stat_sn: U32::new(self.exp_stat_sn),
            ..LoginRequestHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}

impl TextRequest {
    fn parse(pdu: Pdu) -> Result<Self, PduError> {
        let header: TextRequestHeader = zerocopy::transmute!(pdu.header);
        let (is_final, continues) = (header.flags & FINAL != 0, header.flags & CONTINUE != 0);
        if is_final && continues {
            return Err(PduError::field("Text Request", "F, C", header.flags));
        }
        Ok(Self {
            is_final,
            continues,
            lun: LunNumber::from_wire(header.lun),
            initiator_task_tag: header.initiator_task_tag.get(),
            target_transfer_tag: header.target_transfer_tag.get(),
            numbers: CommandNumbers::new(header.opcode, header.cmd_sn.get(), header.exp_stat_sn.get()),
            data: pdu.data,
        })
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let is_final = if self.is_final { FINAL } else { 0 };
        let continues = if self.continues { CONTINUE } else { 0 };
        let header = TextRequestHeader {
            opcode: self.numbers.opcode(opcode::TEXT_REQUEST),
            flags: is_final | continues,
            lun: self.lun.to_wire(),
            initiator_task_tag: U32::new(self.initiator_task_tag),
            target_transfer_tag: U32::new(self.target_transfer_tag),
            cmd_sn: U32::new(self.numbers.cmd_sn),
            exp_stat_sn: U32::new(self.numbers.exp_stat_sn),
            ..TextRequestHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), self.data)
    }
}

impl LogoutRequest {
    fn parse(pdu: &Pdu) -> Self {
        let header: LogoutRequestHeader = zerocopy::transmute!(pdu.header);
        Self {
            reason_code: header.reason_code & !FINAL,
            initiator_task_tag: header.initiator_task_tag.get(),
            cid: header.cid.get(),
            numbers: CommandNumbers::new(header.opcode, header.cmd_sn.get(), header.exp_stat_sn.get()),
        }
    }

    /// The PDU to be sent.
    #[must_use]
    pub fn into_pdu(self) -> Pdu {
        let header = LogoutRequestHeader {
            opcode: self.numbers.opcode(opcode::LOGOUT_REQUEST),
            reason_code: FINAL | self.reason_code,
            initiator_task_tag: U32::new(self.initiator_task_tag),
            cid: U16::new(self.cid),
            cmd_sn: U32::new(self.numbers.cmd_sn),
            exp_stat_sn: U32::new(self.numbers.exp_stat_sn),
            ..LogoutRequestHeader::default()
        };
        Pdu::new(zerocopy::transmute!(header), Bytes::new())
    }
}
