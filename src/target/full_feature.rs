//! The full feature phase of a session, without I/O: PDUs and answers of disks in, PDUs out.

mod data_in;
mod misdeed;
mod reads;
mod window;

pub(crate) use reads::Completed;

use crate::Export;
use crate::login::{Agreed, PORTAL_GROUP, Purpose, Reply};
use crate::memory::Account;
use crate::scsi::{Answer, Attention, Sense};
use crate::sessions::SessionEntry;
use crate::shared::Shared;
use crate::transmit::Transmit;
use bytes::Bytes;
use iscsi::pdu::{
    AsyncMessage, HEADER_BYTES, InitiatorPdu, LogoutRequest, LogoutResponse, NopIn, NopOut, Pdu, PduError,
    RESERVED_TAG, Reject, ScsiCommand, ScsiResponse, StatusNumbers, TaskManagementRequest, TaskManagementResponse,
    TextRequest, TextResponse, opcode,
};
use iscsi::scsi::{LunNumber, status};
use iscsi::text::{NOT_UNDERSTOOD, Pairs, REJECT};
use reads::{Read, Reads};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use window::{Arrival, CommandWindow};

/// Reasons of a Reject (RFC 7143 section 11.17.1).
mod reject_reason {
    pub(super) const SNACK_REJECT: u8 = 0x03;
    pub(super) const PROTOCOL_ERROR: u8 = 0x04;
    pub(super) const COMMAND_NOT_SUPPORTED: u8 = 0x05;
    pub(super) const TOO_MANY_IMMEDIATE_COMMANDS: u8 = 0x06;
    pub(super) const TASK_IN_PROGRESS: u8 = 0x07;
    pub(super) const INVALID_PDU_FIELD: u8 = 0x09;
}

/// Functions of a Task Management Function Request (section 11.5.1).
mod function {
    pub(super) const ABORT_TASK: u8 = 1;
    pub(super) const ABORT_TASK_SET: u8 = 2;
    pub(super) const CLEAR_TASK_SET: u8 = 4;
    pub(super) const LOGICAL_UNIT_RESET: u8 = 5;
    pub(super) const TARGET_WARM_RESET: u8 = 6;
    pub(super) const TASK_REASSIGN: u8 = 8;
}

/// Responses to a Task Management Function Request (section 11.6.1).
mod task_management {
    pub(super) const FUNCTION_COMPLETE: u8 = 0;
    pub(super) const TASK_DOES_NOT_EXIST: u8 = 1;
    pub(super) const LUN_DOES_NOT_EXIST: u8 = 2;
    pub(super) const REASSIGNMENT_NOT_SUPPORTED: u8 = 4;
    pub(super) const FUNCTION_NOT_SUPPORTED: u8 = 5;
}

/// Responses to a Logout Request (section 11.15.1).
mod logout {
    pub(super) const CLOSED: u8 = 0;
    pub(super) const CONNECTION_NOT_FOUND: u8 = 1;
    pub(super) const RECOVERY_NOT_SUPPORTED: u8 = 2;
}

/// What a session starts with.
pub(crate) struct Start {
    pub(crate) agreed: Agreed,
    pub(crate) purpose: Purpose,
    /// CmdSN of the first command.
    pub(crate) cmd_sn: u32,
    /// StatSN of the first answer.
    pub(crate) stat_sn: u32,
    pub(crate) connection_id: u16,
    /// `HOST:PORT`s that discovery tells.
    pub(crate) addresses: Vec<String>,
    /// The place among the sessions of the export; none for discovery.
    pub(crate) entry: Option<Arc<SessionEntry>>,
}

/// Whether the connection stays after a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Stay,
    /// The initiator logged out: what is to be sent is the last.
    Close,
}

/// What became of a PDU.
enum Handled {
    Done(After),
    /// It is answered with a Reject for this reason.
    Rejected(u8),
}

/// What cannot be answered and ends the connection.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Violation(pub(crate) &'static str);

/// A session in its full feature phase.
pub(crate) struct FullFeature {
    shared: Arc<Shared>,
    start: Start,
    stat_sn: u32,
    window: CommandWindow,
    attention: Attention,
    reads: Reads,
    pings: u32,
}

impl FullFeature {
    /// Answers of disks go to `completed`, to be given back to [`Self::complete`].
    pub(crate) fn new(shared: Arc<Shared>, start: Start, completed: UnboundedSender<Completed>) -> Self {
        let config = &shared.config;
        let attention = match &start.purpose {
            Purpose::Normal(_, export) if config.faults.unit_attention => Attention::all(&export.units),
            _ => Attention::default(),
        };
        let account = Account::new(&shared.memory, config.bytes_in_flight_max);
        Self {
            window: CommandWindow::new(start.cmd_sn, config.commands_max),
            reads: Reads::new(account, config.faults.read_delay, completed),
            stat_sn: start.stat_sn,
            attention,
            pings: 0,
            shared,
            start,
        }
    }

    /// Takes one PDU; what it is answered with now goes to `transmit`.
    pub(crate) fn receive(&mut self, pdu: Pdu, transmit: &mut Transmit) -> Result<After, Violation> {
        let header = pdu.header;
        match cmd_sn(&pdu).map(|cmd_sn| self.window.arrive(cmd_sn)) {
            None | Some(Arrival::Next) => {}
            Some(Arrival::Outside) => return Ok(After::Stay),
            Some(Arrival::Gap) => return Err(Violation("a command before this one is missing")),
        }
        let handled = match InitiatorPdu::parse(pdu) {
            Ok(pdu) => self.handle(pdu, &header, transmit)?,
            Err(error) => {
                tracing::warn!(%error, "an initiator sent what it must not");
                Handled::Rejected(reason(&error))
            }
        };
        match handled {
            Handled::Done(after) => Ok(after),
            Handled::Rejected(reason) => {
                self.reject(&header, reason, transmit);
                Ok(After::Stay)
            }
        }
    }

    fn handle(
        &mut self,
        pdu: InitiatorPdu,
        header: &[u8; HEADER_BYTES],
        transmit: &mut Transmit,
    ) -> Result<Handled, Violation> {
        match pdu {
            InitiatorPdu::ScsiCommand(command) => Ok(self.scsi(&command, header, transmit)),
            InitiatorPdu::NopOut(nop_out) => Ok(self.nop_out(nop_out, transmit)),
            InitiatorPdu::TaskManagement(request) => Ok(self.manage_tasks(&request, transmit)),
            InitiatorPdu::Text(request) => Ok(self.text(&request, transmit)),
            InitiatorPdu::Logout(request) => Ok(self.logout(&request, transmit)),
            InitiatorPdu::Login(_) => Err(Violation("a Login Request in the full feature phase")),
            // What an initiator sends along with a command that is refused, asked for or not.
            InitiatorPdu::Unused(opcode::DATA_OUT) if is_unsolicited(header) => Ok(Handled::Done(After::Stay)),
            InitiatorPdu::Unused(opcode::SNACK_REQUEST) => Ok(Handled::Rejected(reject_reason::SNACK_REJECT)),
            InitiatorPdu::Unused(_) => Ok(Handled::Rejected(reject_reason::PROTOCOL_ERROR)),
            _ => Ok(Handled::Rejected(reject_reason::COMMAND_NOT_SUPPORTED)),
        }
    }

    /// Takes the answer of a disk.
    pub(crate) fn complete(&mut self, completed: Completed, transmit: &mut Transmit) -> After {
        let Some(ended) = self.reads.complete(completed) else { return After::Stay };
        let reads::Ended { task_tag, read, outcome, share } = ended;
        if read.numbered {
            self.window.end();
        }
        if let (Some(entry), Ok(data)) = (&self.start.entry, &outcome) {
            entry.count(data.len());
        }
        transmit.hold(share);
        match (outcome, self.shared.take_misdeed()) {
            (Err(sense), _) => self.check_condition(task_tag, sense, read.expected_length, transmit),
            (Ok(data), None) => self.good(task_tag, &data, read.expected_length, transmit),
            (Ok(data), Some(misdeed)) => return self.misbehave(misdeed, task_tag, &read, &data, transmit),
        }
        After::Stay
    }

    /// All that was given to be sent is sent: there is room for more.
    pub(crate) fn sent(&mut self) {
        self.reads.submit_waiting();
    }

    /// The export, unless this is discovery.
    pub(crate) const fn export(&self) -> Option<&Arc<Export>> {
        match &self.start.purpose {
            Purpose::Normal(_, export) => Some(export),
            Purpose::Discovery(_) => None,
        }
    }

    /// Says that the session is going to be dropped, and that there is no use in waiting.
    pub(crate) fn say_withdrawn(&mut self, transmit: &mut Transmit) {
        let numbers = self.next_numbers();
        transmit.push(&async_message(SESSION_DROPPED, [0, 0, 0], numbers));
    }

    /// Asks the initiator whether it is still there.
    pub(crate) fn ping(&mut self, transmit: &mut Transmit) {
        self.pings = self.pings.wrapping_add(1) & !(1 << 31); // never the reserved tag
        let ping = NopIn {
            lun: LunNumber::default(),
            initiator_task_tag: RESERVED_TAG,
            target_transfer_tag: self.pings,
            numbers: self.numbers(),
            data: Bytes::new(),
        };
        transmit.push(&ping.into_pdu());
    }

    fn scsi(&mut self, command: &ScsiCommand, header: &[u8; HEADER_BYTES], transmit: &mut Transmit) -> Handled {
        let Some(export) = self.export().map(Arc::clone) else {
            return Handled::Rejected(reject_reason::PROTOCOL_ERROR);
        };
        let task_tag = command.initiator_task_tag;
        if self.reads.has(task_tag) {
            return Handled::Rejected(reject_reason::TASK_IN_PROGRESS);
        }
        let numbered = !command.numbers.immediate;
        // Numbered commands are bounded by the window; immediate ones get as much room again.
        if !numbered && self.reads.immediate() >= self.shared.config.commands_max {
            return Handled::Rejected(reject_reason::TOO_MANY_IMMEDIATE_COMMANDS);
        }
        // Without R there is no room for data that goes to the initiator.
        let expected_length = if command.read { command.expected_data_transfer_length } else { 0 };
        match export.units.answer(command.lun, &command.cdb, &mut self.attention) {
            Answer::Good(data) => self.good(task_tag, &data, expected_length, transmit),
            Answer::CheckCondition(sense) => {
                self.check_condition(task_tag, sense, command.expected_data_transfer_length, transmit);
            }
            Answer::Read { disk, blocks, discard } => {
                if numbered {
                    self.window.begin();
                }
                let (lun, header) = (command.lun, *header);
                self.reads.begin(task_tag, Read { lun, header, disk, blocks, discard, expected_length, numbered });
            }
        }
        Handled::Done(After::Stay)
    }

    /// Answers a command that went well.
    fn good(&mut self, task_tag: u32, data: &Bytes, expected_length: u32, transmit: &mut Transmit) {
        let numbers = self.next_numbers();
        for pdu in data_in::answer(task_tag, data, expected_length, &self.start.agreed, numbers) {
            transmit.push(&pdu);
        }
    }

    fn check_condition(&mut self, task_tag: u32, sense: Sense, expected_length: u32, transmit: &mut Transmit) {
        let sense = ScsiResponse::sense_segment(&sense.fixed());
        self.no_data(task_tag, status::CHECK_CONDITION, sense, expected_length, transmit);
    }

    /// Answers a command that did not go well.
    fn no_data(&mut self, task_tag: u32, status: u8, sense: Bytes, expected_length: u32, transmit: &mut Transmit) {
        let response = ScsiResponse {
            response: 0,
            status,
            residual: data_in::residual(expected_length, 0),
            initiator_task_tag: task_tag,
            numbers: self.next_numbers(),
            exp_data_sn: 0,
            data: sense,
        };
        transmit.push(&response.into_pdu());
    }

    fn nop_out(&mut self, nop_out: NopOut, transmit: &mut Transmit) -> Handled {
        // Without a task tag it answers a ping, or only confirms StatSN.
        if nop_out.initiator_task_tag != RESERVED_TAG {
            let mut data = nop_out.data;
            data.truncate(self.receive_max());
            let nop_in = NopIn {
                lun: nop_out.lun,
                initiator_task_tag: nop_out.initiator_task_tag,
                target_transfer_tag: RESERVED_TAG,
                numbers: self.next_numbers(),
                data,
            };
            transmit.push(&nop_in.into_pdu());
        }
        Handled::Done(After::Stay)
    }

    fn manage_tasks(&mut self, request: &TaskManagementRequest, transmit: &mut Transmit) -> Handled {
        let response = TaskManagementResponse {
            response: self.end_tasks(request),
            initiator_task_tag: request.initiator_task_tag,
            numbers: self.next_numbers(),
        };
        transmit.push(&response.into_pdu());
        Handled::Done(After::Stay)
    }

    /// What a task management function ends is never answered; this says how the function itself is.
    fn end_tasks(&mut self, request: &TaskManagementRequest) -> u8 {
        let lun = request.lun;
        let ended = match request.function {
            function::ABORT_TASK => match self.reads.abort(request.referenced_task_tag) {
                Some(read) => vec![read],
                None => return task_management::TASK_DOES_NOT_EXIST,
            },
            function::ABORT_TASK_SET | function::CLEAR_TASK_SET | function::LOGICAL_UNIT_RESET => {
                if !self.export().is_some_and(|export| export.units.has(lun)) {
                    return task_management::LUN_DOES_NOT_EXIST;
                }
                self.reads.abort_all(|read| read.lun == lun)
            }
            function::TARGET_WARM_RESET => self.reads.abort_all(|_| true),
            function::TASK_REASSIGN => return task_management::REASSIGNMENT_NOT_SUPPORTED,
            _ => return task_management::FUNCTION_NOT_SUPPORTED,
        };
        for _ in ended.iter().filter(|read| read.numbered) {
            self.window.end();
        }
        task_management::FUNCTION_COMPLETE
    }

    fn text(&mut self, request: &TextRequest, transmit: &mut Transmit) -> Handled {
        // No text that this target understands is longer than one PDU.
        if !request.is_final || request.target_transfer_tag != RESERVED_TAG {
            return Handled::Rejected(reject_reason::PROTOCOL_ERROR);
        }
        let Ok(text) = Pairs::parse(&request.data) else {
            return Handled::Rejected(reject_reason::PROTOCOL_ERROR);
        };
        let mut reply = Pairs::default();
        for (key, value) in text.iter() {
            match key {
                "SendTargets" => self.send_targets(value, &mut reply),
                "MaxRecvDataSegmentLength" => {
                    if let Reply::Value(value) = self.start.agreed.declare_receive_max(value) {
                        reply.push(key, value);
                    }
                }
                _ => reply.push(key, NOT_UNDERSTOOD),
            }
        }
        let data = reply.encode();
        if data.len() > self.receive_max() {
            return Handled::Rejected(reject_reason::PROTOCOL_ERROR);
        }
        let response = TextResponse {
            is_final: true,
            continues: false,
            lun: LunNumber::default(),
            initiator_task_tag: request.initiator_task_tag,
            target_transfer_tag: RESERVED_TAG,
            numbers: self.next_numbers(),
            data,
        };
        transmit.push(&response.into_pdu());
        Handled::Done(After::Stay)
    }

    /// What discovery may see, and a normal session of its own target (RFC 7143 appendix C).
    fn send_targets(&self, value: &str, reply: &mut Pairs) {
        let (visible, discovery) = match &self.start.purpose {
            Purpose::Discovery(visible) => (visible.as_slice(), true),
            Purpose::Normal(_, export) => (std::slice::from_ref(export), false),
        };
        let all = match value {
            "All" => discovery,
            "" => !discovery,
            _ => false,
        };
        if !all && matches!(value, "" | "All") {
            return reply.push("SendTargets", REJECT);
        }
        for export in visible.iter().filter(|export| (all || export.is_named(value)) && !export.is_withdrawn()) {
            reply.push("TargetName", export.iqn());
            for address in &self.start.addresses {
                reply.push("TargetAddress", format!("{address},{PORTAL_GROUP}"));
            }
        }
    }

    fn logout(&mut self, request: &LogoutRequest, transmit: &mut Transmit) -> Handled {
        let response = match request.reason_code {
            0 => logout::CLOSED,
            1 if request.cid == self.start.connection_id => logout::CLOSED,
            1 => logout::CONNECTION_NOT_FOUND,
            _ => logout::RECOVERY_NOT_SUPPORTED,
        };
        let pdu = LogoutResponse {
            response,
            initiator_task_tag: request.initiator_task_tag,
            numbers: self.next_numbers(),
            time2wait: 0,
            time2retain: 0,
        };
        transmit.push(&pdu.into_pdu());
        Handled::Done(if response == logout::CLOSED { After::Close } else { After::Stay })
    }

    fn reject(&mut self, header: &[u8; HEADER_BYTES], reason: u8, transmit: &mut Transmit) {
        let data = Bytes::copy_from_slice(header);
        let reject = Reject { reason, numbers: self.next_numbers(), data_sn: 0, data };
        transmit.push(&reject.into_pdu());
    }

    /// How much the initiator takes in one data segment.
    fn receive_max(&self) -> usize {
        usize::try_from(self.start.agreed.receive_max).unwrap_or(usize::MAX)
    }

    const fn numbers(&self) -> StatusNumbers {
        StatusNumbers { stat_sn: self.stat_sn, exp_cmd_sn: self.window.expected(), max_cmd_sn: self.window.max() }
    }

    /// The sequence numbers of an answer that has a status.
    const fn next_numbers(&mut self) -> StatusNumbers {
        let numbers = self.numbers();
        self.stat_sn = self.stat_sn.wrapping_add(1);
        numbers
    }
}

/// CmdSN of what takes part in the window: a command that is not immediate, well-formed or not. All of them have it at
/// the same place.
const fn cmd_sn(pdu: &Pdu) -> Option<u32> {
    let [first, ..] = pdu.header;
    if first & opcode::IMMEDIATE != 0 {
        return None;
    }
    match first & opcode::OPCODE_MASK {
        opcode::NOP_OUT
        | opcode::SCSI_COMMAND
        | opcode::TASK_MANAGEMENT_REQUEST
        | opcode::TEXT_REQUEST
        | opcode::LOGOUT_REQUEST => {
            Some(u32::from_be_bytes([pdu.header[24], pdu.header[25], pdu.header[26], pdu.header[27]]))
        }
        _ => None,
    }
}

/// AsyncEvent: the target will drop all connections of the session.
const SESSION_DROPPED: u8 = 3;

fn async_message(async_event: u8, parameters: [u16; 3], numbers: StatusNumbers) -> Pdu {
    let [parameter1, parameter2, parameter3] = parameters;
    let message = AsyncMessage {
        lun: LunNumber::default(),
        numbers,
        async_event,
        async_vcode: 0,
        parameter1,
        parameter2,
        parameter3,
        data: Bytes::new(),
    };
    message.into_pdu()
}

/// Whether a Data-Out belongs to no R2T: its target transfer tag is the reserved one.
const fn is_unsolicited(header: &[u8; HEADER_BYTES]) -> bool {
    u32::from_be_bytes([header[20], header[21], header[22], header[23]]) == RESERVED_TAG
}

const fn reason(error: &PduError) -> u8 {
    match error {
        PduError::Opcode(_) => reject_reason::COMMAND_NOT_SUPPORTED,
        _ => reject_reason::INVALID_PDU_FIELD,
    }
}
