//! PERSISTENT RESERVE IN (SPC-4 section 6.15). Nobody can reserve a unit: readers do not stand in each other's way, and one
//! of them must not lock out the others. So PERSISTENT RESERVE OUT, RESERVE and RELEASE are commands that there are not,
//! and this one tells that there are no keys, no reservation, and nothing that could be reserved.

use super::Sense;
use bytes::{BufMut, Bytes, BytesMut};

const READ_KEYS: u8 = 0;
const READ_RESERVATION: u8 = 1;
const REPORT_CAPABILITIES: u8 = 2;
const READ_FULL_STATUS: u8 = 3;

/// TMV: the mask of supported types, which follows and is empty, holds.
const TYPE_MASK_VALID: u8 = 0x80;

/// The parameter data.
pub(super) fn persistent_reserve_in(service_action: u8) -> Result<Bytes, Sense> {
    match service_action {
        // PRGENERATION and ADDITIONAL LENGTH.
        READ_KEYS | READ_RESERVATION | READ_FULL_STATUS => Ok(Bytes::from_static(&[0; 8])),
        REPORT_CAPABILITIES => {
            let mut data = BytesMut::new();
            data.put_u16(8);
            data.put_slice(&[0, TYPE_MASK_VALID]);
            data.put_u32(0);
            Ok(data.freeze())
        }
        _ => Err(Sense::INVALID_FIELD_IN_CDB),
    }
}
