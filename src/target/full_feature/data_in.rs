//! SCSI Data-In (RFC 7143 section 11.7): data cut to what the initiator takes, with the status in the last PDU.

use crate::login::Agreed;
use bytes::Bytes;
use iscsi::pdu::{DataIn, DataInStatus, Pdu, RESERVED_TAG, Residual, ScsiResponse, StatusNumbers};
use iscsi::scsi::LunNumber;
use iscsi::scsi::status::GOOD;
use std::cmp::Ordering;

/// The answer to a command that went well: its data, of which the initiator has room for `expected_length` bytes, and
/// GOOD.
pub(super) fn answer(
    initiator_task_tag: u32,
    data: &Bytes,
    expected_length: u32,
    agreed: &Agreed,
    numbers: StatusNumbers,
) -> Vec<Pdu> {
    let available = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let residual = residual(expected_length, available);
    let length = available.min(expected_length);
    if length == 0 {
        return vec![good(initiator_task_tag, residual, numbers)];
    }
    let mut pdus = Vec::new();
    let (mut offset, mut data_sn, mut burst_left) = (0, 0_u32, agreed.burst_max);
    while offset < length {
        // Never 0: neither limit is, as both are at least 512 and a burst that is used up begins anew.
        let piece = length.saturating_sub(offset).min(agreed.receive_max).min(burst_left);
        let end = offset.saturating_add(piece);
        burst_left = burst_left.saturating_sub(piece);
        let last = end == length;
        let pdu = DataIn {
            is_final: last || burst_left == 0,
            acknowledge: false,
            status: last.then_some(DataInStatus { status: GOOD, residual }),
            lun: LunNumber::default(),
            initiator_task_tag,
            target_transfer_tag: RESERVED_TAG,
            numbers: if last { numbers } else { StatusNumbers { stat_sn: 0, ..numbers } },
            data_sn,
            buffer_offset: offset,
            data: slice(data, offset, end),
        };
        pdus.push(pdu.into_pdu());
        if burst_left == 0 {
            burst_left = agreed.burst_max;
        }
        offset = end;
        data_sn = data_sn.wrapping_add(1);
    }
    pdus
}

/// GOOD without data.
pub(super) fn good(initiator_task_tag: u32, residual: Residual, numbers: StatusNumbers) -> Pdu {
    let response = ScsiResponse {
        response: 0,
        status: GOOD,
        residual,
        initiator_task_tag,
        numbers,
        exp_data_sn: 0,
        data: Bytes::new(),
    };
    response.into_pdu()
}

/// By how much what there is differs from what was expected.
pub(super) fn residual(expected_length: u32, available: u32) -> Residual {
    match available.cmp(&expected_length) {
        Ordering::Less => Residual::Underflow(expected_length.saturating_sub(available)),
        Ordering::Equal => Residual::None,
        Ordering::Greater => Residual::Overflow(available.saturating_sub(expected_length)),
    }
}

/// Both ends are inside `data`, as its length bounded them.
fn slice(data: &Bytes, start: u32, end: u32) -> Bytes {
    let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap_or(usize::MAX).min(data.len()));
    data.slice(start.min(end)..end)
}
