//! Standard INQUIRY data (SPC-4 section 6.4.2).

use super::page_length::u8_length;
use bytes::{BufMut, Bytes, BytesMut};

/// T10 VENDOR IDENTIFICATION, eight bytes.
pub(super) const VENDOR: [u8; 8] = *b"FR-MOUNT";
const PRODUCT: [u8; 16] = *b"recovery disk   ";
const REVISION: [u8; 4] = *b"0001";

/// PERIPHERAL QUALIFIER 011b and DEVICE TYPE 1Fh: no unit can be here.
const NO_UNIT: u8 = 0x7f;
/// PERIPHERAL DEVICE TYPE: direct access block device.
pub(super) const DIRECT_ACCESS: u8 = 0x00;
/// VERSION: SPC-4.
const SPC_4: u8 = 0x06;
/// RESPONSE DATA FORMAT 2, with HISUP: LUNs are as SAM-5 structures them.
const RESPONSE_FORMAT: u8 = 0x12;
/// CMDQUE: commands may be queued.
const COMMAND_QUEUING: u8 = 0x02;
/// VERSION DESCRIPTORS without a version: SAM-5, iSCSI, SPC-4, SBC-3.
const VERSION_DESCRIPTORS: [u16; 4] = [0x00a0, 0x0960, 0x0460, 0x04c0];

/// Standard INQUIRY data of a unit, or of a number that no unit has.
pub(super) fn standard(present: bool) -> Bytes {
    let mut rest = BytesMut::new(); // from byte 5 on
    rest.put_slice(&[0, 0, COMMAND_QUEUING]);
    rest.put_slice(&VENDOR);
    rest.put_slice(&PRODUCT);
    rest.put_slice(&REVISION);
    rest.put_bytes(0, 22); // vendor specific, reserved
    for descriptor in VERSION_DESCRIPTORS {
        rest.put_u16(descriptor);
    }
    rest.put_bytes(0, 30); // four more descriptors, reserved
    let mut data = BytesMut::new();
    let peripheral = if present { DIRECT_ACCESS } else { NO_UNIT };
    data.put_slice(&[peripheral, 0, SPC_4, RESPONSE_FORMAT, u8_length(rest.len())]);
    data.put(rest);
    data.freeze()
}
