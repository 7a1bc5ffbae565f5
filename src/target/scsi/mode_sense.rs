//! MODE SENSE (SPC-4 sections 6.11, 6.12 and 7.5): every page says that nothing can be written.

use super::Sense;
use super::cdb::ModeSense;
use super::page_length::{u8_length, u16_length};
use block::Geometry;
use bytes::{BufMut, Bytes, BytesMut};

const CACHING: u8 = 0x08;
const CONTROL: u8 = 0x0a;
const INFORMATIONAL_EXCEPTIONS: u8 = 0x1c;
const PAGES: [u8; 3] = [CACHING, CONTROL, INFORMATIONAL_EXCEPTIONS];
const ALL_PAGES: u8 = 0x3f;
const ALL_SUBPAGES: u8 = 0xff;

/// PAGE CONTROL.
const CHANGEABLE_VALUES: u8 = 0b01;
const SAVED_VALUES: u8 = 0b11;

/// DEVICE-SPECIFIC PARAMETER: WP (write protected) and DPOFUA (those bits are understood).
const WRITE_PROTECTED: u8 = 0x80;
const DPO_FUA: u8 = 0x10;
/// SWP, software write protect, in byte 4 of the control page.
const SOFTWARE_WRITE_PROTECT: u8 = 0x08;

/// Mode parameter header, block descriptor and pages.
pub(super) fn mode_sense(command: ModeSense, geometry: Geometry) -> Result<Bytes, Sense> {
    if command.page_control == SAVED_VALUES {
        return Err(Sense::SAVING_PARAMETERS_NOT_SUPPORTED);
    }
    if command.subpage != 0 && command.subpage != ALL_SUBPAGES {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    let changeable = command.page_control == CHANGEABLE_VALUES;
    let mut pages = BytesMut::new();
    for page in PAGES.into_iter().filter(|page| command.page == ALL_PAGES || command.page == *page) {
        put_page(&mut pages, page, changeable);
    }
    if pages.is_empty() {
        return Err(Sense::INVALID_FIELD_IN_CDB);
    }
    let descriptor = if command.disable_block_descriptors { Bytes::new() } else { descriptor(command, geometry) };
    Ok(with_header(command, &descriptor, &pages))
}

fn with_header(command: ModeSense, descriptor: &[u8], pages: &[u8]) -> Bytes {
    let parameter = WRITE_PROTECTED | DPO_FUA;
    let rest = descriptor.len().saturating_add(pages.len());
    let mut data = BytesMut::new();
    if command.long_header {
        // MODE DATA LENGTH counts what follows it: six more bytes of header, then the rest.
        data.put_slice(&u16_length(rest.saturating_add(6)));
        data.put_slice(&[0, parameter, u8::from(command.long_lba), 0]);
        data.put_slice(&u16_length(descriptor.len()));
    } else {
        data.put_slice(&[u8_length(rest.saturating_add(3)), 0, parameter, u8_length(descriptor.len())]);
    }
    data.put_slice(descriptor);
    data.put_slice(pages);
    data.freeze()
}

/// A short or a long LBA block descriptor.
fn descriptor(command: ModeSense, geometry: Geometry) -> Bytes {
    let mut data = BytesMut::new();
    if command.long_lba {
        data.put_u64(geometry.blocks());
        data.put_u32(0);
    } else {
        data.put_u32(u32::try_from(geometry.blocks()).unwrap_or(u32::MAX));
    }
    data.put_u32(geometry.block_size().bytes());
    data.freeze()
}

/// No value can be changed, so the mask of changeable bits is zero.
fn put_page(data: &mut BytesMut, page: u8, changeable: bool) {
    let mut body = match page {
        CACHING => vec![0; 18],
        _ => vec![0; 10],
    };
    // Byte 4 of the control page is byte 2 of its body.
    if let Some(byte) = body.get_mut(2).filter(|_| page == CONTROL && !changeable) {
        *byte = SOFTWARE_WRITE_PROTECT;
    }
    data.put_slice(&[page, u8_length(body.len())]);
    data.put_slice(&body);
}
