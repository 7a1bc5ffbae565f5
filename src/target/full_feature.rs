//! The full feature phase of a session, without I/O: PDUs and answers of disks in, PDUs out.

mod data_in;
mod reads;
mod window;

pub(crate) use reads::Completed;

use crate::connection::Shared;
use crate::login::{Agreed, PORTAL_GROUP, Purpose, Reply};
use crate::pdu_in::{Pdu, Request, ScsiCommand};
use crate::pdu_out::{self, Progress, RejectReason};
use crate::scsi::{Answer, Attention, LunIndex, Sense};
use crate::text::{Keys, put_key};
use crate::transmit::Transmit;
use bytes::{Bytes, BytesMut};
use reads::{Read, Reads};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use window::{Arrival, CommandWindow};

/// The tag that stands for no task or transfer.
const NO_TAG: u32 = u32::MAX;

/// What a session starts with.
pub(crate) struct Start {
    pub(crate) agreed: Agreed,
    pub(crate) purpose: Purpose,
    /// CmdSN of the first command.
    pub(crate) cmd_sn: u32,
    /// StatSN of the first answer.
    pub(crate) stat_sn: u32,
    pub(crate) connection_id: u16,
    /// TargetAddress that discovery tells.
    pub(crate) portal: String,
}

/// Whether the connection stays after a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Stay,
    /// The initiator logged out: what is to be sent is the last.
    Close,
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
        let attention =
            if config.faults.unit_attention { Attention::all(&shared.units) } else { Attention::default() };
        Self {
            window: CommandWindow::new(start.cmd_sn, config.commands_max),
            reads: Reads::new(config.bytes_in_flight_max, config.faults.read_delay, completed),
            stat_sn: start.stat_sn,
            attention,
            pings: 0,
            shared,
            start,
        }
    }

    /// Takes one PDU; what it is answered with now goes to `transmit`.
    pub(crate) fn receive(&mut self, pdu: Pdu, transmit: &mut Transmit) -> Result<After, Violation> {
        if pdu.is_command() && !pdu.immediate {
            match self.window.arrive(pdu.cmd_sn) {
                Arrival::Next => {}
                Arrival::Outside => return Ok(After::Stay),
                Arrival::Gap => return Err(Violation("a command before this one is missing")),
            }
        }
        match &pdu.request {
            Request::Scsi(command) => self.scsi(&pdu, command, transmit),
            Request::NopOut => self.nop_out(&pdu, transmit),
            Request::TaskManagement { function, lun, referenced } => {
                let response = self.manage_tasks(*function, *lun, *referenced);
                self.answer(transmit, |progress| pdu_out::task_management(pdu.task_tag, response, progress));
            }
            Request::Text { complete } => self.text(&pdu, *complete, transmit),
            Request::Logout { reason, connection_id } => return Ok(self.logout(&pdu, *reason, *connection_id, transmit)),
            Request::Login(_) => return Err(Violation("a Login Request in the full feature phase")),
            Request::DataOut => self.reject(&pdu, RejectReason::PROTOCOL_ERROR, transmit),
            Request::Snack => self.reject(&pdu, RejectReason::SNACK, transmit),
            Request::Unknown => self.reject(&pdu, RejectReason::COMMAND_NOT_SUPPORTED, transmit),
        }
        Ok(After::Stay)
    }

    /// Takes the answer of a disk.
    pub(crate) fn complete(&mut self, completed: Completed, transmit: &mut Transmit) {
        let Some((task_tag, read, outcome)) = self.reads.complete(completed) else { return };
        if read.numbered {
            self.window.end();
        }
        match outcome {
            Ok(data) => self.send_data(task_tag, &data, read.expected_length, transmit),
            Err(sense) => self.check_condition(task_tag, sense, read.expected_length, transmit),
        }
    }

    /// Asks the initiator whether it is still there.
    pub(crate) fn ping(&mut self, transmit: &mut Transmit) {
        self.pings = self.pings.wrapping_add(1) & !(1 << 31); // never the tag of no transfer
        transmit.push(pdu_out::ping(self.pings, self.progress()), Bytes::new());
    }

    fn scsi(&mut self, pdu: &Pdu, command: &ScsiCommand, transmit: &mut Transmit) {
        if matches!(self.start.purpose, Purpose::Discovery) {
            return self.reject(pdu, RejectReason::PROTOCOL_ERROR, transmit);
        }
        if self.reads.has(pdu.task_tag) {
            return self.reject(pdu, RejectReason::TASK_IN_PROGRESS, transmit);
        }
        // Numbered commands are bounded by the window; immediate ones get as much room again.
        if pdu.immediate && self.reads.immediate() >= self.shared.config.commands_max {
            return self.reject(pdu, RejectReason::TOO_MANY_IMMEDIATE_COMMANDS, transmit);
        }
        let expected_length = if command.reads { command.expected_length } else { 0 };
        match self.shared.units.answer(command.lun, &command.cdb, &mut self.attention) {
            Answer::Good(data) => self.send_data(pdu.task_tag, &data, command.expected_length, transmit),
            Answer::CheckCondition(sense) => {
                self.check_condition(pdu.task_tag, sense, command.expected_length, transmit);
            }
            Answer::Read(disk, blocks) => {
                let numbered = !pdu.immediate;
                if numbered {
                    self.window.begin();
                }
                self.reads.begin(pdu.task_tag, Read { lun: command.lun, disk, blocks, expected_length, numbered });
            }
        }
    }

    fn send_data(&mut self, task_tag: u32, data: &Bytes, expected_length: u32, transmit: &mut Transmit) {
        let progress = self.next_progress();
        data_in::send(transmit, task_tag, data, expected_length, &self.start.agreed, progress);
    }

    fn check_condition(&mut self, task_tag: u32, sense: Sense, expected_length: u32, transmit: &mut Transmit) {
        let progress = self.next_progress();
        let (header, data) = pdu_out::check_condition(task_tag, sense, expected_length, progress);
        transmit.push(header, data);
    }

    fn nop_out(&mut self, pdu: &Pdu, transmit: &mut Transmit) {
        // Without a task tag it answers a ping, or only confirms StatSN.
        if pdu.task_tag == NO_TAG {
            return;
        }
        let length_max = usize::try_from(self.start.agreed.receive_max).unwrap_or(usize::MAX);
        let mut data = pdu.data.clone();
        data.truncate(length_max);
        let progress = self.next_progress();
        transmit.push(pdu_out::nop_in(pdu.task_tag, progress), data);
    }

    /// What a task management function is answered with (RFC 7143 section 11.6.1).
    fn manage_tasks(&mut self, function: u8, lun: [u8; 8], referenced: u32) -> pdu_out::TaskManagementResponse {
        use pdu_out::TaskManagementResponse as Response;
        let ended = match function {
            1 => match self.reads.abort(referenced) {
                Some(read) => vec![read],
                None => return Response::TASK_DOES_NOT_EXIST,
            },
            // ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET
            2 | 4 | 5 => match LunIndex::from_wire(lun).filter(|lun| self.shared.units.has(*lun)) {
                Some(_) => self.reads.abort_all(|read| read.lun == lun),
                None => return Response::LUN_DOES_NOT_EXIST,
            },
            // TARGET WARM RESET
            6 => self.reads.abort_all(|_| true),
            8 => return Response::REASSIGNMENT_NOT_SUPPORTED,
            _ => return Response::FUNCTION_NOT_SUPPORTED,
        };
        for _ in ended.iter().filter(|read| read.numbered) {
            self.window.end();
        }
        Response::FUNCTION_COMPLETE
    }

    fn text(&mut self, pdu: &Pdu, complete: bool, transmit: &mut Transmit) {
        // No text that this target understands is longer than one PDU.
        let Some(keys) = Keys::parse(&pdu.data).filter(|_| complete) else {
            return self.reject(pdu, RejectReason::PROTOCOL_ERROR, transmit);
        };
        let mut text = BytesMut::new();
        for (key, value) in keys {
            match key.as_str() {
                "SendTargets" => self.send_targets(&value, &mut text),
                "MaxRecvDataSegmentLength" => {
                    if let Reply::Value(reply) = self.start.agreed.declare_receive_max(&value) {
                        put_key(&mut text, &key, &reply);
                    }
                }
                _ => put_key(&mut text, &key, "NotUnderstood"),
            }
        }
        if text.len() > usize::try_from(self.start.agreed.receive_max).unwrap_or(usize::MAX) {
            return self.reject(pdu, RejectReason::PROTOCOL_ERROR, transmit);
        }
        let progress = self.next_progress();
        transmit.push(pdu_out::text_response(pdu.task_tag, progress), text.freeze());
    }

    /// All targets only to discovery; a normal session may ask about its own (RFC 7143 appendix C).
    fn send_targets(&self, value: &str, text: &mut BytesMut) {
        let iqn = &self.shared.config.iqn;
        let discovery = matches!(self.start.purpose, Purpose::Discovery);
        let wanted = match value {
            "All" if discovery => true,
            "" if !discovery => true,
            "" | "All" => return put_key(text, "SendTargets", "Reject"),
            name => name.eq_ignore_ascii_case(iqn),
        };
        if wanted {
            put_key(text, "TargetName", iqn);
            put_key(text, "TargetAddress", &format!("{},{PORTAL_GROUP}", self.start.portal));
        }
    }

    fn logout(&mut self, pdu: &Pdu, reason: u8, connection_id: u16, transmit: &mut Transmit) -> After {
        use pdu_out::LogoutResponse as Response;
        let response = match reason {
            0 => Response::CLOSED,
            1 if connection_id == self.start.connection_id => Response::CLOSED,
            1 => Response::CONNECTION_NOT_FOUND,
            _ => Response::RECOVERY_NOT_SUPPORTED,
        };
        self.answer(transmit, |progress| pdu_out::logout_response(pdu.task_tag, response, progress));
        if response == Response::CLOSED { After::Close } else { After::Stay }
    }

    fn reject(&mut self, pdu: &Pdu, reason: RejectReason, transmit: &mut Transmit) {
        let progress = self.next_progress();
        transmit.push(pdu_out::reject(reason, progress), Bytes::copy_from_slice(&pdu.header));
    }

    /// Sends an answer that is a header only.
    fn answer(&mut self, transmit: &mut Transmit, header: impl FnOnce(Progress) -> [u8; 48]) {
        let progress = self.next_progress();
        transmit.push(header(progress), Bytes::new());
    }

    const fn progress(&self) -> Progress {
        Progress { stat_sn: self.stat_sn, exp_cmd_sn: self.window.expected(), max_cmd_sn: self.window.max() }
    }

    /// The sequence numbers of an answer that carries a status.
    const fn next_progress(&mut self) -> Progress {
        let progress = self.progress();
        self.stat_sn = self.stat_sn.wrapping_add(1);
        progress
    }
}
