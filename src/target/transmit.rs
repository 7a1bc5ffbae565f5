//! PDUs that wait to be sent.

use crate::outgoing::Outgoing;
use bytes::Buf;
use iscsi::pdu::{Digests, Pdu, frame};

/// The sending half of a connection, up to the bytes.
#[derive(Default)]
pub(crate) struct Transmit {
    /// What is to be sent.
    pub(crate) outgoing: Outgoing,
    /// Of the PDUs from now on.
    pub(crate) digests: Digests,
}

impl Transmit {
    pub(crate) fn push(&mut self, pdu: &Pdu) {
        for piece in frame(pdu, self.digests) {
            self.outgoing.push(piece);
        }
    }

    /// Bytes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.outgoing.remaining()
    }
}
