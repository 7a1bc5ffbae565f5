//! Vital product data pages (SPC-4 section 7.8, SBC-3 section 6.5).

use super::Sense;
use super::inquiry::{DIRECT_ACCESS, VENDOR};
use super::page_length::{u8_length, u16_length};
use block::BlockSize;
use bytes::{BufMut, Bytes, BytesMut};
use iscsi::scsi::LunNumber;

const SUPPORTED_PAGES: u8 = 0x00;
const UNIT_SERIAL_NUMBER: u8 = 0x80;
const DEVICE_IDENTIFICATION: u8 = 0x83;
const BLOCK_LIMITS: u8 = 0xb0;
const BLOCK_DEVICE_CHARACTERISTICS: u8 = 0xb1;
const LOGICAL_BLOCK_PROVISIONING: u8 = 0xb2;
/// Ascending, as page 00h must tell them.
const PAGES: [u8; 6] = [
    SUPPORTED_PAGES,
    UNIT_SERIAL_NUMBER,
    DEVICE_IDENTIFICATION,
    BLOCK_LIMITS,
    BLOCK_DEVICE_CHARACTERISTICS,
    LOGICAL_BLOCK_PROVISIONING,
];

/// CODE SET of a designator.
const BINARY: u8 = 1;
const ASCII: u8 = 2;
/// DESIGNATOR TYPE.
const T10_VENDOR: u8 = 1;
const NAA: u8 = 3;
/// NAA 3h: locally assigned, in the first four bits.
const LOCALLY_ASSIGNED: u64 = 0x3 << 60;

/// What tells one unit from all others: the same each time that the same target serves it.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    number: u64,
}

impl Identity {
    /// Made of the target's name and the unit's number (FNV-1a, 64 bit).
    pub(super) fn new(target_name: &str, lun: LunNumber) -> Self {
        let bytes = target_name.bytes().chain(lun.to_wire());
        let number = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { number }
    }

    fn serial(&self) -> String {
        format!("{:016x}", self.number)
    }
}

/// The page, or why there is none.
pub(super) fn page(page: u8, identity: &Identity, block_size: BlockSize, transfer_max: u32) -> Result<Bytes, Sense> {
    let body = match page {
        SUPPORTED_PAGES => Bytes::from_static(&PAGES),
        UNIT_SERIAL_NUMBER => identity.serial().into(),
        DEVICE_IDENTIFICATION => designators(identity),
        BLOCK_LIMITS => block_limits(block_size, transfer_max),
        BLOCK_DEVICE_CHARACTERISTICS => block_device_characteristics(),
        // Nothing can be unmapped, as LBPME in READ CAPACITY (16) says too: no threshold, no command, no type.
        LOGICAL_BLOCK_PROVISIONING => Bytes::from_static(&[0; 4]),
        _ => return Err(Sense::INVALID_FIELD_IN_CDB),
    };
    let mut data = BytesMut::new();
    data.put_slice(&[DIRECT_ACCESS, page]);
    data.put_slice(&u16_length(body.len()));
    data.put(body);
    Ok(data.freeze())
}

fn designators(identity: &Identity) -> Bytes {
    let naa = LOCALLY_ASSIGNED | (identity.number >> 4);
    let vendor = [&VENDOR[..], identity.serial().as_bytes()].concat();
    let mut data = BytesMut::new();
    for (code_set, kind, designator) in [(BINARY, NAA, &naa.to_be_bytes()[..]), (ASCII, T10_VENDOR, &vendor)] {
        data.put_slice(&[code_set, kind, 0, u8_length(designator.len())]);
        data.put_slice(designator);
    }
    data.freeze()
}

/// Reads up to `transfer_max` blocks are answered, 1 MiB is served best; nothing can be written.
fn block_limits(block_size: BlockSize, transfer_max: u32) -> Bytes {
    let optimal = (1 << 20) >> block_size.shift();
    let mut data = BytesMut::new();
    data.put_slice(&[0, 0, 0, 1]); // WSNZ, MAXIMUM COMPARE AND WRITE LENGTH, OPTIMAL TRANSFER LENGTH GRANULARITY
    data.put_u32(transfer_max);
    data.put_u32(transfer_max.min(optimal));
    data.put_bytes(0, 48);
    data.freeze()
}

/// MEDIUM ROTATION RATE 1: nothing turns, every block is as near as any other.
fn block_device_characteristics() -> Bytes {
    let mut data = BytesMut::new();
    data.put_u16(1);
    data.put_bytes(0, 58);
    data.freeze()
}
