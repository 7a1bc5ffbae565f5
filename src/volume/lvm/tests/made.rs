//! Physical volumes that are put together here, to be as wrong as a test needs them.

use crate::Device;
use crate::lvm::crc::checksum;
use block::{BlockSize, MemoryDisk};
use std::fmt::Write;
use std::sync::Arc;

/// Where extents begin, in sectors; each has one.
pub(super) const PE_START: u64 = 64;
pub(super) const EXTENTS: u64 = 64;
const MDA: usize = 4096;
const MDA_SIZE: usize = 16384;

/// A UUID that begins with these characters.
pub(super) fn id(name: &str) -> String {
    format!("{name:0<32}")
}

/// The text of a group over these physical volumes, with these sections as its logical volumes.
pub(super) fn group(name: &str, seqno: u64, physical: &[&str], logical: &str) -> String {
    let mut text = format!(
        "{name} {{\nid = \"{}\"\nseqno = {seqno}\nformat = \"lvm2\"\nstatus = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\n\
         flags = []\nextent_size = 1\nmax_lv = 0\nmax_pv = 0\nphysical_volumes {{\n",
        id(name)
    );
    for (number, physical) in physical.iter().enumerate() {
        write!(
            text,
            "pv{number} {{\nid = \"{}\"\ndevice = \"/dev/{physical}\"\nstatus = [\"ALLOCATABLE\"]\nflags = []\n\
             pe_start = {PE_START}\npe_count = {EXTENTS}\n}}\n",
            id(physical)
        )
        .unwrap();
    }
    write!(text, "}}\nlogical_volumes {{\n{logical}\n}}\n}}\n").unwrap();
    text + "contents = \"Text Format Volume Group\"\nversion = 1\n"
}

/// A logical volume of segments, each as `type` and what belongs to it.
pub(super) fn logical(name: &str, segments: &[(u64, &str)]) -> String {
    let mut text = format!(
        "{name} {{\nid = \"{}\"\nstatus = [\"READ\", \"VISIBLE\"]\nsegment_count = {}\n",
        id(name),
        segments.len()
    );
    let mut start = 0;
    for (number, (extents, rest)) in segments.iter().enumerate() {
        let number = number + 1;
        write!(text, "segment{number} {{\nstart_extent = {start}\nextent_count = {extents}\n{rest}\n}}\n").unwrap();
        start += extents;
    }
    text + "}\n"
}

/// A segment that is a plain piece of something.
pub(super) fn piece(of: &str, extent: u64) -> String {
    format!("type = \"striped\"\nstripe_count = 1\nstripes = [\"{of}\", {extent}]")
}

/// The bytes of a physical volume; every sector of its extents holds its number, and the first letter of its name.
pub(super) fn disk(name: &str, text: Option<&str>) -> Vec<u8> {
    let mut bytes = vec![0; ((PE_START + EXTENTS) * 512) as usize];
    for extent in 0..EXTENTS {
        let at = ((PE_START + extent) * 512) as usize;
        bytes[at] = name.as_bytes()[0];
        bytes[at + 1] = extent as u8;
    }
    let mut sector = [0; 512];
    let mut put = |at: usize, value: &[u8]| sector[at..at + value.len()].copy_from_slice(value);
    put(0, b"LABELONE");
    put(8, &1_u64.to_le_bytes());
    put(20, &32_u32.to_le_bytes());
    put(24, b"LVM2 001");
    put(32, id(name).as_bytes());
    put(64, &(bytes.len() as u64).to_le_bytes());
    put(72, &(PE_START * 512).to_le_bytes());
    put(104, &(MDA as u64).to_le_bytes());
    put(112, &(MDA_SIZE as u64).to_le_bytes());
    let sum = checksum(&[&sector[20..]]);
    sector[16..20].copy_from_slice(&sum.to_le_bytes());
    bytes[512..1024].copy_from_slice(&sector);
    if let Some(text) = text {
        write_area(&mut bytes, text, 512);
    }
    bytes
}

/// Writes a text into the ring of the metadata area, from that byte of the area on.
pub(super) fn write_area(bytes: &mut [u8], text: &str, at: usize) {
    let mut header = [0; 512];
    let mut put = |at: usize, value: &[u8]| header[at..at + value.len()].copy_from_slice(value);
    put(4, b" LVM2 x[5A%r0N*>");
    put(20, &1_u32.to_le_bytes());
    put(24, &(MDA as u64).to_le_bytes());
    put(32, &(MDA_SIZE as u64).to_le_bytes());
    put(40, &(at as u64).to_le_bytes());
    put(48, &(text.len() as u64).to_le_bytes());
    put(56, &checksum(&[text.as_bytes()]).to_le_bytes());
    let sum = checksum(&[&header[4..]]);
    header[..4].copy_from_slice(&sum.to_le_bytes());
    bytes[MDA..MDA + 512].copy_from_slice(&header);
    for (number, byte) in text.bytes().enumerate() {
        let inside = (at - 512 + number) % (MDA_SIZE - 512) + 512;
        bytes[MDA + inside] = byte;
    }
}

pub(super) fn device(name: &str, bytes: Vec<u8>) -> Device {
    Device {
        name: name.to_owned(),
        data: Arc::new(MemoryDisk::new(bytes, BlockSize::B512)),
        block_size: BlockSize::B512,
    }
}

/// What sectors of a volume say of themselves: the letter and the number.
pub(super) fn sectors(data: &dyn block::ReadAt) -> Vec<Option<(char, u8)>> {
    let read = |at: u64| {
        let mut sector = [0; 512];
        data.read_exact_at(at, &mut sector).ok().map(|()| (char::from(sector[0]), sector[1]))
    };
    (0..data.size()).step_by(512).map(read).collect()
}
