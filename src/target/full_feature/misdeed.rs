//! Answers that are wrong on purpose.

use super::reads::Read;
use super::{After, FullFeature, async_message, data_in, reject_reason};
use crate::Misdeed;
use crate::login::Agreed;
use crate::scsi::Sense;
use crate::transmit::Transmit;
use bytes::Bytes;
use iscsi::pdu::{Pdu, Residual, StatusNumbers};
use iscsi::scsi::status;

/// AsyncEvent: the target asks for a logout within Parameter3 seconds.
const LOGOUT_REQUESTED: u8 = 1;
/// AsyncEvent: the target will drop the connection of Parameter1.
const CONNECTION_DROPPED: u8 = 2;
/// As long are the segments that are mixed up.
const PIECE_BYTES: u32 = 512;

impl FullFeature {
    /// Answers a read whose data are there, wrongly.
    pub(super) fn misbehave(
        &mut self,
        misdeed: Misdeed,
        task_tag: u32,
        read: &Read,
        data: &Bytes,
        transmit: &mut Transmit,
    ) -> After {
        let length = read.expected_length;
        match misdeed {
            Misdeed::Busy => self.no_data(task_tag, status::BUSY, Bytes::new(), length, transmit),
            Misdeed::MediumError => self.check_condition(task_tag, Sense::UNRECOVERED_READ_ERROR, length, transmit),
            Misdeed::Reject => self.reject(&read.header, reject_reason::COMMAND_NOT_SUPPORTED, transmit),
            Misdeed::Silence => {}
            Misdeed::FlippedBit => {
                let numbers = self.next_numbers();
                let pdus = data_in::answer(task_tag, data, length, &self.start.agreed, numbers);
                pdus.iter().for_each(|pdu| transmit.push_damaged(pdu));
            }
            Misdeed::WrongOrder => {
                let pdus = self.pieces(task_tag, data, length);
                pdus.iter().rev().for_each(|pdu| transmit.push(pdu));
            }
            Misdeed::MissingData => {
                let pdus = self.pieces(task_tag, data, length);
                match pdus.as_slice() {
                    [_, rest @ ..] if !rest.is_empty() => rest.iter().for_each(|pdu| transmit.push(pdu)),
                    _ => transmit.push(&data_in::good(task_tag, Residual::None, self.last_numbers())),
                }
            }
            Misdeed::AskForLogout(seconds) => {
                transmit.push(&async_message(LOGOUT_REQUESTED, [0, 0, seconds], self.next_numbers()));
                self.good(task_tag, data, length, transmit);
            }
            Misdeed::Drop => {
                let parameters = [self.start.connection_id, 0, 0];
                transmit.push(&async_message(CONNECTION_DROPPED, parameters, self.next_numbers()));
                return After::Close;
            }
        }
        After::Stay
    }

    fn pieces(&mut self, task_tag: u32, data: &Bytes, expected_length: u32) -> Vec<Pdu> {
        let agreed = Agreed { receive_max: PIECE_BYTES, ..self.start.agreed };
        let numbers = self.next_numbers();
        data_in::answer(task_tag, data, expected_length, &agreed, numbers)
    }

    /// The sequence numbers that were given out last, once more.
    const fn last_numbers(&self) -> StatusNumbers {
        StatusNumbers { stat_sn: self.stat_sn.wrapping_sub(1), ..self.numbers() }
    }
}
