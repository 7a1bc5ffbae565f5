//! PDUs that wait to be sent.

use crate::memory::Share;
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
    /// What the data in `outgoing` holds of the memory for reads.
    shares: Vec<Share>,
}

impl Transmit {
    pub(crate) fn push(&mut self, pdu: &Pdu) {
        for piece in frame(pdu, self.digests) {
            self.outgoing.push(piece);
        }
    }

    /// A PDU with one bit of its data changed, so that it no longer fits its data digest.
    pub(crate) fn push_damaged(&mut self, pdu: &Pdu) {
        let [header, data, tail] = frame(pdu, self.digests);
        let mut damaged = data.to_vec();
        if let Some(last) = damaged.last_mut() {
            *last ^= 1;
        }
        for piece in [header, damaged.into(), tail] {
            self.outgoing.push(piece);
        }
    }

    /// Keeps a read's memory taken until all that waits now was sent.
    pub(crate) fn hold(&mut self, share: Share) {
        self.shares.push(share);
    }

    /// All was sent.
    pub(crate) fn release(&mut self) {
        self.shares.clear();
    }

    /// Bytes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.outgoing.remaining()
    }
}
