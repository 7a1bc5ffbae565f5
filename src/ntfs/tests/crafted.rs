//! Images of the fuzz targets, and changes to the records and blocks in them that keep their update sequences right.

use super::fixtures::unpacked;
use crate::{Ntfs, OpenOptions};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::path::Path;
use std::sync::Arc;
use vfs::{FileSystem, NodeId, Result, Stream};

/// Bytes between two places that the update sequence protects.
const STRIDE: usize = 512;

/// Bytes that a file has at most.
const SIZE_MAX: u64 = 4 << 20;

#[derive(Clone)]
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    record_bytes: usize,
}

impl Image {
    /// With clusters of 512 bytes and records of 1 KiB.
    pub(super) fn small() -> Self {
        Self::new("ntfs", 1024)
    }

    /// With 4 KiB of both.
    pub(super) fn large() -> Self {
        Self::new("ntfs-4k", 4096)
    }

    fn new(name: &str, record_bytes: usize) -> Self {
        let seeds = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds"));
        Self { bytes: unpacked(&seeds.join(format!("{name}.img.zst"))), record_bytes }
    }

    pub(super) fn open(&self) -> Result<Ntfs> {
        let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(self.bytes.clone(), BlockSize::B512));
        Ntfs::open_with(&disk, &OpenOptions { stream_paths: true, ..OpenOptions::default() })
    }

    /// Where record `number` is, and for the first four where their copies are, behind it. (Those that are reserved have
    /// the number 0 too.)
    fn places(&self, number: u64) -> Vec<usize> {
        let own = |at: usize| {
            let record = &self.bytes[at..at + 48];
            record.starts_with(b"FILE0\0") && u64::from(le32(record, 0x2C)) == number
        };
        (0..self.bytes.len() - self.record_bytes).step_by(STRIDE).filter(|at| own(*at)).collect()
    }

    /// Where record `number` is.
    pub(super) fn record_at(&self, number: u64) -> usize {
        self.places(number)[0]
    }

    /// Where its copy is.
    pub(super) fn mirror_at(&self, number: u64) -> usize {
        *self.places(number).last().unwrap()
    }

    /// Bytes of a record, its update sequence undone.
    pub(super) fn record(&self, number: u64) -> Vec<u8> {
        let mut record = self.bytes[self.record_at(number)..][..self.record_bytes].to_vec();
        swap(&mut record, false);
        record
    }

    /// Numbers of all records in use.
    pub(super) fn records(&self) -> Vec<u64> {
        (0..400).filter(|number| self.places(*number).iter().any(|at| self.bytes[at + 0x16] & 1 != 0)).collect()
    }

    /// Changes a record.
    pub(super) fn edit(&mut self, number: u64, change: impl FnOnce(&mut [u8])) {
        let at = self.record_at(number);
        edit(&mut self.bytes[at..at + self.record_bytes], change);
    }

    /// Where blocks of indexes are.
    pub(super) fn blocks(&self) -> Vec<usize> {
        (0..self.bytes.len()).step_by(STRIDE).filter(|at| self.bytes[*at..].starts_with(b"INDX")).collect()
    }

    /// Changes a block of an index.
    pub(super) fn edit_block(&mut self, at: usize, change: impl FnOnce(&mut [u8])) {
        edit(&mut self.bytes[at..at + 4096], change);
    }
}

fn edit(block: &mut [u8], change: impl FnOnce(&mut [u8])) {
    swap(block, false);
    change(block);
    swap(block, true);
}

/// Puts the number of the update sequence where it belongs, or what it stands for.
fn swap(block: &mut [u8], is_on: bool) {
    let array = usize::from(block[4]);
    for (ordinal, end) in (STRIDE..=block.len()).step_by(STRIDE).enumerate() {
        let original = array + 2 + 2 * ordinal;
        if is_on {
            block.copy_within(end - 2..end, original);
            block.copy_within(array..array + 2, end - 2);
        } else {
            block.copy_within(original..original + 2, end - 2);
        }
    }
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(super) fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Where the attribute of this type and name is in a record.
pub(super) fn attribute(record: &[u8], kind: u32, name: &str) -> usize {
    let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut at = usize::from(record[0x14]);
    while le32(record, at) != u32::MAX {
        let name_at = at + usize::from(record[at + 10]);
        if le32(record, at) == kind && record[name_at..name_at + 2 * usize::from(record[at + 9])] == units[..] {
            return at;
        }
        at += le32(record, at + 4) as usize;
    }
    panic!("there is no attribute {kind:#x} named {name:?}");
}

/// What a path leads to.
pub(super) fn find(fs: &dyn FileSystem, path: &str) -> Result<NodeId> {
    path.split('/').try_fold(fs.root(), |node, name| fs.lookup(node, name.as_bytes()))
}

/// All that a file holds.
pub(super) fn content(fs: &dyn FileSystem, path: &str) -> Result<Vec<u8>> {
    let node = find(fs, path)?;
    let mut data = vec![0xEE; fs.attr(node)?.size.min(SIZE_MAX) as usize];
    let read = fs.read_at(node, Stream::Main, 0, &mut data)?;
    assert_eq!(read, data.len(), "{path}");
    Ok(data)
}
