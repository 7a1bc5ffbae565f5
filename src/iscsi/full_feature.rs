//! The full feature phase of one connection (RFC 7143 chapters 4 and 11), without input or output: PDUs go in, PDUs
//! and events come out.

mod task;
mod verdict;
mod window;

pub(crate) use task::{Answer, Completion, Task};
pub(crate) use verdict::Verdict;

use crate::login::LoggedIn;
use crate::pdu::{
    AsyncMessage, CommandNumbers, DataIn, LogoutRequest, NopIn, NopOut, Pdu, RESERVED_TAG, Reject, ScsiResponse,
    StatusNumbers, TargetPdu,
};
use crate::{Error, LunNumber, login};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use task::Received;
use tokio::time::Instant;
use window::CommandWindow;

/// What happened.
pub(crate) enum Event {
    /// A command was answered.
    Answered(Task, Verdict),
    /// The target wants to be logged out of, or to negotiate anew, which a new login does too.
    LeaveAsked,
    /// The target ends the connection; it may be made anew after so long.
    Dropped(Duration),
    /// The target confirmed that it forgot the session.
    LoggedOut,
}

/// A command that was sent and has no status yet.
struct Sent {
    task: Task,
    received: Received,
    at: Instant,
}

/// One connection in full feature phase. The session has this one only.
pub(crate) struct FullFeature {
    window: CommandWindow,
    exp_stat_sn: u32,
    next_tag: u32,
    /// Not sent yet, in order.
    waiting: VecDeque<Task>,
    /// Sent, by initiator task tag.
    sent: BTreeMap<u32, Sent>,
    /// Immediate PDUs that have to be sent.
    urgent: VecDeque<Urgent>,
    /// How many commands may be without an answer.
    in_flight_max: usize,
    /// The tags of NOP-Out and Logout that are not answered yet.
    ping: Option<u32>,
    logout: Option<u32>,
}

enum Urgent {
    Pong(NopIn),
    Ping(u32),
    Logout(u32),
}

/// More answers than this to pings of the target do not wait to be sent: nobody pings like that.
const PONGS_MAX: usize = 64;

impl FullFeature {
    pub(crate) fn new(logged_in: &LoggedIn) -> Self {
        Self {
            window: CommandWindow::new(logged_in.cmd_sn, logged_in.numbers),
            exp_stat_sn: logged_in.exp_stat_sn,
            next_tag: 1,
            waiting: VecDeque::new(),
            sent: BTreeMap::new(),
            urgent: VecDeque::new(),
            in_flight_max: usize::MAX,
            ping: None,
            logout: None,
        }
    }

    /// Begins with one command at a time, twice as many after each answer: where connections break again and again, the
    /// first answer comes before the next break.
    pub(crate) const fn start_slowly(&mut self) {
        self.in_flight_max = 1;
    }

    /// Takes a command, to be sent when the window lets it.
    pub(crate) fn submit(&mut self, task: Task) {
        self.waiting.push_back(task);
    }

    /// Asks the target whether it is still there.
    pub(crate) fn ping(&mut self) {
        if self.ping.is_none() {
            let tag = self.tag();
            self.ping = Some(tag);
            self.urgent.push_back(Urgent::Ping(tag));
        }
    }

    /// Asks the target to close the session.
    pub(crate) fn log_out(&mut self) {
        if self.logout.is_none() {
            let tag = self.tag();
            self.logout = Some(tag);
            self.urgent.push_back(Urgent::Logout(tag));
        }
    }

    /// CmdSN for the next session on this one's place.
    pub(crate) const fn next_cmd_sn(&self) -> u32 {
        self.window.next()
    }

    /// Since when the command that waits longest for its answer does so.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.sent.values().map(|sent| sent.at).min()
    }

    /// Everything without an answer, oldest first.
    pub(crate) fn into_unanswered(self) -> VecDeque<Task> {
        // Tags go round, and a resend keeps its place only roughly; order does not matter for reads.
        self.sent.into_values().map(|sent| sent.task).chain(self.waiting).collect()
    }

    /// The next PDU to be sent, if there is one and the window lets it.
    pub(crate) fn next_pdu(&mut self, now: Instant) -> Option<Pdu> {
        let immediate = CommandNumbers { immediate: true, cmd_sn: self.window.next(), exp_stat_sn: self.exp_stat_sn };
        match self.urgent.pop_front() {
            Some(Urgent::Pong(ping)) => return Some(pong(&ping, immediate)),
            Some(Urgent::Ping(tag)) => return Some(ping(tag, immediate)),
            Some(Urgent::Logout(tag)) => return Some(logout(tag, immediate)),
            None => {}
        }
        if self.logout.is_some() || self.waiting.is_empty() || self.sent.len() >= self.in_flight_max {
            return None;
        }
        let cmd_sn = self.window.take()?;
        let mut task = self.waiting.pop_front()?;
        task.sent = task.sent.saturating_add(1);
        let tag = self.tag();
        let numbers = CommandNumbers { immediate: false, cmd_sn, exp_stat_sn: self.exp_stat_sn };
        let pdu = task.request(tag, numbers).into_pdu();
        self.sent.insert(tag, Sent { task, received: Received::default(), at: now });
        Some(pdu)
    }

    /// Takes a PDU of the target.
    ///
    /// # Errors
    /// The connection cannot be used any more.
    pub(crate) fn receive(&mut self, pdu: Pdu) -> Result<Option<Event>, Error> {
        match TargetPdu::parse(pdu)? {
            TargetPdu::DataIn(part) => self.data_in(&part),
            TargetPdu::ScsiResponse(response) => self.scsi_response(&response),
            TargetPdu::NopIn(nop) => self.nop_in(nop).map(|()| None),
            TargetPdu::Async(message) => self.async_message(&message),
            TargetPdu::Reject(reject) => self.reject(&reject),
            TargetPdu::Logout(response) => {
                self.status(response.numbers)?;
                if self.logout != Some(response.initiator_task_tag) {
                    return Err(Error::protocol("an answer to no logout"));
                }
                Ok(Some(Event::LoggedOut))
            }
            TargetPdu::R2t(_) => Err(Error::protocol("the target wants data (R2T), and nothing is ever written")),
            TargetPdu::Login(_) | TargetPdu::Text(_) | TargetPdu::TaskManagement(_) => {
                Err(Error::protocol("an answer to what was not asked"))
            }
        }
    }

    fn data_in(&mut self, part: &DataIn) -> Result<Option<Event>, Error> {
        if part.status.is_some() {
            self.status(part.numbers)?;
        } else {
            self.window.update(part.numbers);
        }
        let tag = part.initiator_task_tag;
        let sent = self.sent.get_mut(&tag).ok_or_else(|| Error::protocol("data for no command"))?;
        sent.received.push(&sent.task.command, part)?;
        if part.status.is_none() {
            return Ok(None);
        }
        let Some(Sent { task, received, .. }) = self.sent.remove(&tag) else { return Ok(None) };
        self.in_flight_max = self.in_flight_max.saturating_mul(2);
        let verdict = received.finish_with_data(&task.command, part);
        Ok(verdict.map(|verdict| Event::Answered(task, verdict)))
    }

    fn scsi_response(&mut self, response: &ScsiResponse) -> Result<Option<Event>, Error> {
        self.status(response.numbers)?;
        let sent = self.sent.remove(&response.initiator_task_tag);
        let Sent { task, received, .. } = sent.ok_or_else(|| Error::protocol("a status for no command"))?;
        self.in_flight_max = self.in_flight_max.saturating_mul(2);
        let verdict = received.finish(&task.command, response);
        Ok(Some(Event::Answered(task, verdict)))
    }

    fn nop_in(&mut self, nop: NopIn) -> Result<(), Error> {
        if nop.initiator_task_tag == RESERVED_TAG {
            // Its StatSN is the next one, and not used up.
            self.window.update(nop.numbers);
        } else {
            self.status(nop.numbers)?;
            if self.ping.take() != Some(nop.initiator_task_tag) {
                return Err(Error::protocol("an answer to no ping"));
            }
        }
        if nop.target_transfer_tag != RESERVED_TAG {
            if self.urgent.len() >= PONGS_MAX {
                return Err(Error::protocol("the target pings without end"));
            }
            self.urgent.push_back(Urgent::Pong(nop));
        }
        Ok(())
    }

    fn async_message(&mut self, message: &AsyncMessage) -> Result<Option<Event>, Error> {
        self.status(message.numbers)?;
        let wait = Duration::from_secs(u64::from(message.parameter2).min(MAX_WAIT_SECONDS));
        tracing::info!("asynchronous message {} of the target", message.async_event);
        Ok(match message.async_event {
            1 | 4 => Some(Event::LeaveAsked),
            // This connection, or all of the session.
            2 | 3 => Some(Event::Dropped(wait)),
            // A SCSI event: what it is about comes as a unit attention too. Others are the vendor's.
            _ => None,
        })
    }

    fn reject(&mut self, reject: &Reject) -> Result<Option<Event>, Error> {
        self.status(reject.numbers)?;
        let header = reject.data.first_chunk::<{ crate::pdu::HEADER_BYTES }>();
        let rejected = header.map(|header| Pdu::new(*header, Bytes::new()));
        let tag = rejected.as_ref().map(Pdu::initiator_task_tag);
        if tag.is_some() && self.ping == tag {
            // A target without NOP-Out is there all the same.
            self.ping = None;
            return Ok(None);
        }
        let what = rejected.map_or("something", |pdu| crate::pdu::opcode::name(pdu.opcode()));
        Err(Error::protocol(format!("the target rejects {what}: {}", reject_reason(reject.reason))))
    }

    /// Checks the StatSN of a PDU that carries a status, which must come in order: at error recovery level 0, one that
    /// is missing means that an answer was lost.
    fn status(&mut self, numbers: StatusNumbers) -> Result<(), Error> {
        if numbers.stat_sn != self.exp_stat_sn {
            let (found, expected) = (numbers.stat_sn, self.exp_stat_sn);
            return Err(Error::protocol(format!("StatSN is {found}, expected {expected}: an answer was lost")));
        }
        self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
        self.window.update(numbers);
        Ok(())
    }

    /// A task tag that is not in use.
    fn tag(&mut self) -> u32 {
        loop {
            let tag = self.next_tag;
            self.next_tag = tag.wrapping_add(1);
            let used = [self.ping, self.logout].contains(&Some(tag)) || self.sent.contains_key(&tag);
            if tag != RESERVED_TAG && !used {
                return tag;
            }
        }
    }
}

/// No target may make us wait longer than this.
const MAX_WAIT_SECONDS: u64 = 60;

fn pong(ping: &NopIn, numbers: CommandNumbers) -> Pdu {
    let answer = NopOut {
        lun: ping.lun,
        initiator_task_tag: RESERVED_TAG,
        target_transfer_tag: ping.target_transfer_tag,
        numbers,
        data: Bytes::new(),
    };
    answer.into_pdu()
}

fn ping(tag: u32, numbers: CommandNumbers) -> Pdu {
    let ping = NopOut {
        lun: LunNumber::default(),
        initiator_task_tag: tag,
        target_transfer_tag: RESERVED_TAG,
        numbers,
        data: Bytes::new(),
    };
    ping.into_pdu()
}

fn logout(tag: u32, numbers: CommandNumbers) -> Pdu {
    // Reason 0: close the session.
    LogoutRequest { reason_code: 0, initiator_task_tag: tag, cid: login::CONNECTION_ID, numbers }.into_pdu()
}

/// The reason of a Reject in words (section 11.17.1).
const fn reject_reason(reason: u8) -> &'static str {
    match reason {
        0x02 => "the data digest was wrong",
        0x03 => "SNACK is not supported",
        0x04 => "it breaks the protocol",
        0x05 => "it is not supported",
        0x06 => "too many immediate commands",
        0x07 => "the task is in progress",
        0x08 => "invalid data acknowledgement",
        0x09 => "a field is invalid",
        0x0a => "a long operation is not possible",
        0x0b => "negotiation was reset",
        0x0c => "it waits for a logout",
        _ => "for a reason that the standard does not know",
    }
}

#[cfg(test)]
mod tests;
