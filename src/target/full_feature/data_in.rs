//! SCSI Data-In (RFC 7143 section 11.7): data cut to what the initiator takes, with the status in the last PDU.

use crate::login::Agreed;
use crate::pdu_out::{self, DataIn, Progress, Residual};
use crate::transmit::Transmit;
use bytes::Bytes;

/// Answers a command with GOOD and its data, of which the initiator has room for `expected_length` bytes.
pub(super) fn send(
    transmit: &mut Transmit,
    task_tag: u32,
    data: &Bytes,
    expected_length: u32,
    agreed: &Agreed,
    progress: Progress,
) {
    let available = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let residual = Residual::new(expected_length, available);
    let length = available.min(expected_length);
    if length == 0 {
        transmit.push(pdu_out::good(task_tag, residual, progress), Bytes::new());
        return;
    }
    let (mut offset, mut data_sn, mut burst_left) = (0, 0, agreed.burst_max);
    while offset < length {
        let piece = length.saturating_sub(offset).min(agreed.receive_max).min(burst_left).max(1);
        let end = offset.saturating_add(piece);
        burst_left = burst_left.saturating_sub(piece);
        let last = end >= length;
        let header = pdu_out::data_in(&DataIn {
            task_tag,
            data_sn,
            buffer_offset: offset,
            sequence_ends: last || burst_left == 0,
            status: last.then_some(residual),
            progress,
        });
        transmit.push(header, slice(data, offset, end));
        if burst_left == 0 {
            burst_left = agreed.burst_max;
        }
        offset = end;
        data_sn = data_sn.wrapping_add(1_u32);
    }
}

/// Both ends are inside `data`, as its length bounded them.
fn slice(data: &Bytes, start: u32, end: u32) -> Bytes {
    let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap_or(usize::MAX).min(data.len()));
    data.slice(start.min(end)..end)
}
