//! A command on its way, and the data that comes back for it.

use super::verdict::{self, Verdict};
use crate::pdu::{DataIn, Residual, ScsiCommand, ScsiResponse, TaskAttribute};
use crate::scsi::{Command, LunNumber, status};
use crate::{Error, pdu};
use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

/// Who waits for the answer to a command.
pub(crate) type Completion = Box<dyn FnOnce(Result<Bytes, Error>) + Send>;

/// Calls a completion exactly once, whatever happens.
pub(crate) struct Answer(Option<Completion>);

impl Answer {
    pub(crate) fn new(done: Completion) -> Self {
        Self(Some(done))
    }

    pub(crate) fn give(mut self, result: Result<Bytes, Error>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(Error::closed()));
        }
    }
}

/// A command for a logical unit, and how often it was tried.
pub(crate) struct Task {
    pub(crate) lun: LunNumber,
    pub(crate) command: Command,
    pub(crate) answer: Answer,
    /// How often it was sent.
    pub(crate) sent: u32,
    /// When the target or the unit first asked to wait, if it did.
    pub(crate) busy_since: Option<Instant>,
}

impl Task {
    pub(crate) const fn new(lun: LunNumber, command: Command, answer: Answer) -> Self {
        Self { lun, command, answer, sent: 0, busy_since: None }
    }

    pub(super) fn request(&self, tag: u32, numbers: pdu::CommandNumbers) -> ScsiCommand {
        let expected = self.command.data_bytes();
        ScsiCommand {
            read: expected != 0,
            write: false,
            attribute: TaskAttribute::Simple,
            lun: self.lun,
            initiator_task_tag: tag,
            expected_data_transfer_length: expected,
            numbers,
            cdb: self.command.cdb(),
            data: Bytes::new(),
        }
    }
}

/// The data of one command as it arrives, in order (DataPDUInOrder and DataSequenceInOrder are Yes).
#[derive(Debug, Default)]
pub(super) struct Received {
    data: Data,
    next_data_sn: u32,
}

/// One segment is kept as it came; more are put together.
#[derive(Debug, Default)]
enum Data {
    #[default]
    Nothing,
    Whole(Bytes),
    Parts(BytesMut),
}

impl Received {
    fn len(&self) -> usize {
        match &self.data {
            Data::Nothing => 0,
            Data::Whole(bytes) => bytes.len(),
            Data::Parts(bytes) => bytes.len(),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self.data {
            Data::Nothing => Bytes::new(),
            Data::Whole(bytes) => bytes,
            Data::Parts(bytes) => bytes.freeze(),
        }
    }

    /// Appends the data of a Data-In PDU.
    pub(super) fn push(&mut self, command: &Command, part: &DataIn) -> Result<(), Error> {
        let wrong = |what: &str, found: u32, expected: usize| {
            let name = command.name();
            Error::protocol(format!("Data-In of a {name} with {what} {found}, expected {expected}"))
        };
        if part.data_sn != self.next_data_sn {
            return Err(wrong("DataSN", part.data_sn, usize::try_from(self.next_data_sn).unwrap_or(usize::MAX)));
        }
        let length = self.len();
        if usize::try_from(part.buffer_offset) != Ok(length) {
            return Err(wrong("Buffer Offset", part.buffer_offset, length));
        }
        let expected = usize::try_from(command.data_bytes()).unwrap_or(usize::MAX);
        if length.saturating_add(part.data.len()) > expected {
            return Err(wrong("too much data: after byte", part.buffer_offset, expected));
        }
        self.next_data_sn = self.next_data_sn.wrapping_add(1);
        self.data = match std::mem::take(&mut self.data) {
            Data::Nothing => Data::Whole(part.data.clone()),
            Data::Whole(first) => {
                let mut all = BytesMut::with_capacity(expected);
                all.extend_from_slice(&first);
                all.extend_from_slice(&part.data);
                Data::Parts(all)
            }
            Data::Parts(mut all) => {
                all.extend_from_slice(&part.data);
                Data::Parts(all)
            }
        };
        Ok(())
    }

    /// What the command came to, when its status came with the last Data-In.
    pub(super) fn finish_with_data(self, command: &Command, part: &DataIn) -> Option<Verdict> {
        let came = part.status?;
        Some(match came.status {
            status::GOOD => self.good(command, came.residual),
            other => verdict::of_status(command, other, None),
        })
    }

    /// What the command came to, by its SCSI Response.
    pub(super) fn finish(self, command: &Command, response: &ScsiResponse) -> Verdict {
        if response.response != 0 {
            let message = format!("the target failed to carry out {} (response {})", command.name(), response.response);
            return Verdict::Failed(Error::new(crate::ErrorKind::Scsi, message));
        }
        // Some targets leave ExpDataSN at zero.
        if response.exp_data_sn != 0 && response.exp_data_sn != self.next_data_sn {
            let (sent, came) = (response.exp_data_sn, self.next_data_sn);
            return Verdict::Broken(Error::protocol(format!("{sent} Data-In PDUs were sent and {came} arrived")));
        }
        let sense = response.sense();
        if verdict::is_good(response.status, &sense) {
            return self.good(command, response.residual);
        }
        verdict::of_status(command, response.status, Some(&sense))
    }

    /// A read is good only if every byte is there; others may come short.
    fn good(self, command: &Command, residual: Residual) -> Verdict {
        let expected = usize::try_from(command.data_bytes()).unwrap_or(usize::MAX);
        let length = self.len();
        let missing = expected.saturating_sub(length);
        let told = match residual {
            Residual::Underflow(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            Residual::None | Residual::Overflow(_) => 0,
        };
        let complete = missing == 0 && residual == Residual::None;
        if complete || command.may_be_short() && (told == missing || told == 0) {
            return Verdict::Good(self.into_bytes());
        }
        let message = format!("{} was answered with {length} of {expected} bytes, residual {residual}", command.name());
        Verdict::Failed(Error::protocol(message))
    }
}
