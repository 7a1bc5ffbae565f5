//! The log of an XFS image: its records from the tail on, and what is in them.

use crate::sparse::Image;
use crate::xfs_structures::{Geometry, Kind, Seal, Structure, be32, be64};
use std::collections::HashMap;

const SECTOR: usize = 512;
/// Bytes of data whose first words one sector of a header holds.
const COVERED: usize = 32 << 10;
const RECORD_MAX: usize = 256 << 10;
const CRC: usize = 32;
const OPERATIONS: usize = 40;

/// `struct xlog_rec_header` and the data behind it.
pub struct Record {
    /// Sector of the log at which it begins.
    first: usize,
    /// Sectors of its header.
    headers: usize,
    length: usize,
}

/// The records that are to be recovered, or were the last.
pub fn records(image: &Image, geometry: &Geometry) -> Vec<Record> {
    let mut found: Vec<_> = (0..geometry.log_bytes / SECTOR)
        .filter_map(|first| {
            let record = Record::read(image, geometry, first)?;
            let at = geometry.sector_of_log(first);
            let is_sound = be32(image, at + CRC).swap_bytes() == record.sum(image, geometry)
                && be64(image, at + 16) as u32 as usize == first;
            is_sound.then(|| (be64(image, at + 16), be64(image, at + 24), record))
        })
        .collect();
    found.sort_by_key(|(sequence, ..)| *sequence);
    let tail = found.last().map_or(0, |(_, tail, _)| *tail);
    found.into_iter().filter(|(sequence, ..)| *sequence >= tail).map(|(_, _, record)| record).collect()
}

/// Headers, operations and what is in them.
pub fn structures(image: &Image, geometry: &Geometry, records: &[Record]) -> Vec<Structure> {
    let mut found = Vec::new();
    // What kind of item each transaction is in the middle of, and whose it is.
    let mut items = HashMap::new();
    for (index, record) in records.iter().enumerate() {
        found.push(Structure {
            kind: Kind::LogHeader,
            owner: None,
            length: record.headers * SECTOR,
            seal: Seal::RecordHeader(index),
            pieces: (0..record.headers).map(|sector| geometry.sector_of_log(record.first + sector)).collect(),
            piece: SECTOR,
            from: 0,
        });
        let data = record.data(image, geometry);
        let mut at = 0;
        let operations = be32(image, geometry.sector_of_log(record.first) + OPERATIONS);
        for _ in 0..operations {
            let Some(head) = data.get(at..at + 12) else { break };
            let (transaction, length) = (&head[..4], u32::from_be_bytes(head[4..8].try_into().unwrap()) as usize);
            let Some(region) = data.get(at + 12..at + 12 + length) else { break };
            let mut add = |kind, owner, from, length| {
                let seal = Seal::RecordData(index);
                found.push(Structure { kind, owner, length, seal, pieces: Vec::new(), piece: 1, from });
            };
            add(Kind::LogOperation, None, at, 12);
            if length > 0 {
                let (kind, owner) = region_kind(transaction.to_vec(), region, &mut items);
                add(kind, owner, at + 12, length);
            }
            at += 12 + length;
        }
    }
    found
}

type Items = HashMap<Vec<u8>, (Kind, Option<u64>)>;

/// What a region is: the first one of an item begins with its type (host order, which is little-endian here).
fn region_kind(transaction: Vec<u8>, region: &[u8], items: &mut Items) -> (Kind, Option<u64>) {
    if region.starts_with(&0x5452_414E_u32.to_le_bytes()) {
        return (Kind::LogTransaction, None);
    }
    let number = |at: usize| region.get(at..at + 8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
    let head = region.get(..2).map_or(0, |bytes| u16::from_le_bytes(bytes.try_into().unwrap()));
    let (kind, inside, owner) = match head {
        0x123B if matches!(region.len(), 52 | 56) => {
            (Kind::LogInode, Kind::LogInodeData, number(if region.len() == 56 { 16 } else { 12 }))
        }
        0x123C if region.len() < 200 => (Kind::LogBuffer, Kind::LogBufferData, None),
        0x1236..=0x124F if region.len().is_multiple_of(4) => (Kind::LogIntent, Kind::LogIntent, None),
        _ => return items.get(&transaction).copied().unwrap_or((Kind::LogOther, None)),
    };
    items.insert(transaction, (inside, owner));
    (kind, owner)
}

impl Geometry {
    /// The byte of the image at which a sector of the log is, which begins again behind its end.
    fn sector_of_log(&self, sector: usize) -> usize {
        self.log + sector % (self.log_bytes / SECTOR) * SECTOR
    }
}

impl Record {
    /// What a header says of its record; `None` when there is none, or one that says nonsense.
    fn read(image: &Image, geometry: &Geometry, first: usize) -> Option<Self> {
        let at = geometry.sector_of_log(first);
        if be32(image, at) != 0xFEED_BABE {
            return None;
        }
        let (length, size) = (be32(image, at + 12) as usize, be32(image, at + 320) as usize);
        let is_long = be32(image, at + 8) & 2 != 0 && size > COVERED;
        let headers = if is_long { size.div_ceil(COVERED) } else { 1 };
        let is_sensible = headers <= RECORD_MAX / COVERED && length <= RECORD_MAX;
        is_sensible.then_some(Self { first, headers, length })
    }

    /// The byte of the image at which byte `at` of the data is: the first word of each sector is in the header.
    pub fn place(&self, geometry: &Geometry, at: usize) -> usize {
        let (sector, within) = (at / SECTOR, at % SECTOR);
        if within >= 4 {
            return geometry.sector_of_log(self.first + self.headers + sector) + within;
        }
        let (header, index) = (sector / (COVERED / SECTOR), sector % (COVERED / SECTOR));
        let words = if header == 0 { 44 } else { 4 };
        geometry.sector_of_log(self.first + header) + words + index * 4 + within
    }

    /// The data as it was before its first words were taken to the header.
    fn data(&self, image: &Image, geometry: &Geometry) -> Vec<u8> {
        let mut data = self.raw(image, geometry);
        for sector in 0..self.length / SECTOR {
            let word = image.bytes(self.place(geometry, sector * SECTOR), 4);
            data[sector * SECTOR..sector * SECTOR + 4].copy_from_slice(&word);
        }
        data
    }

    fn raw(&self, image: &Image, geometry: &Geometry) -> Vec<u8> {
        let sectors = self.first + self.headers..self.first + self.headers + self.length.div_ceil(SECTOR);
        let mut data: Vec<_> = sectors.flat_map(|sector| image.bytes(geometry.sector_of_log(sector), SECTOR)).collect();
        data.truncate(self.length);
        data
    }

    /// Linux `xlog_cksum`, with the header's size that all architectures but i386 use.
    fn sum(&self, image: &Image, geometry: &Geometry) -> u32 {
        let mut header = image.bytes(geometry.sector_of_log(self.first), 328);
        header[CRC..CRC + 4].fill(0);
        let sum = (1..self.length.div_ceil(COVERED)).fold(crc32c::crc32c(&header), |sum, header| {
            crc32c::crc32c_append(sum, &image.bytes(geometry.sector_of_log(self.first + header), 260))
        });
        crc32c::crc32c_append(sum, &self.raw(image, geometry))
    }

    /// Says that there are so many operations more in it.
    pub fn add_operations(&self, image: &mut Image, geometry: &Geometry, added: u32) {
        let at = geometry.sector_of_log(self.first) + OPERATIONS;
        let count = be32(image, at) + added;
        image.write(at, &count.to_be_bytes());
    }

    /// Makes its checksum right again, for what its header says now.
    pub fn repair(&self, image: &mut Image, geometry: &Geometry) {
        if let Some(now) = Self::read(image, geometry, self.first) {
            let sum = now.sum(image, geometry);
            image.write(geometry.sector_of_log(self.first) + CRC, &sum.to_le_bytes());
        }
    }
}
