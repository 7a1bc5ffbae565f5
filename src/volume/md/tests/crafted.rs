//! Members that are made byte by byte, with data in which every sector says which it is.

use crate::map::Source;
use crate::md::geometry::{Geometry, Level};
use crate::md::superblock::SECTOR;
use block::{BlockSize, MemoryDisk, ReadAt};
use std::sync::Arc;

/// Sectors of a member for all of this.
pub(super) const DISK_SECTORS: u64 = 512;
pub(super) const DATA_SECTOR: u64 = 64;
pub(super) const COMPONENT_SECTORS: u64 = 256;
pub(super) const CHUNK_SECTORS: u32 = 8;
pub(super) const SPARE: u16 = 0xffff;
pub(super) const FAULTY: u16 = 0xfffe;

/// A superblock of version 1 before it is written down, in the kernel's units.
#[derive(Clone)]
pub(super) struct Made {
    pub(super) at: u64,
    pub(super) feature_map: u32,
    pub(super) set_uuid: [u8; 16],
    pub(super) ctime: u64,
    pub(super) level: i32,
    pub(super) layout: u32,
    pub(super) size: u64,
    pub(super) chunksize: u32,
    pub(super) raid_disks: u32,
    pub(super) new_layout: u32,
    pub(super) new_chunk: u32,
    pub(super) new_offset: i32,
    pub(super) reshape_position: u64,
    pub(super) delta_disks: i32,
    pub(super) data_offset: u64,
    pub(super) data_size: u64,
    pub(super) recovery_offset: u64,
    pub(super) dev_number: u32,
    pub(super) devflags: u8,
    pub(super) bblog: (u8, u16, i32),
    pub(super) utime: u64,
    pub(super) events: u64,
    pub(super) resync_offset: u64,
    pub(super) roles: Vec<u16>,
}

impl Made {
    /// Member `number` of an array of so many, in version 1.2, clean.
    pub(super) fn new(level: i32, layout: u32, members: u16, number: u16) -> Self {
        Self {
            at: 4096,
            feature_map: 0,
            set_uuid: *b"0123456789abcdef",
            ctime: 1_000,
            level,
            layout,
            size: COMPONENT_SECTORS,
            chunksize: if level == 1 { 0 } else { CHUNK_SECTORS },
            raid_disks: u32::from(members),
            new_layout: layout,
            new_chunk: CHUNK_SECTORS,
            new_offset: 0,
            reshape_position: 0,
            delta_disks: 0,
            data_offset: DATA_SECTOR,
            data_size: COMPONENT_SECTORS,
            recovery_offset: 0,
            dev_number: u32::from(number),
            devflags: 0,
            bblog: (0, 0, 0),
            utime: 2_000,
            events: 10,
            resync_offset: u64::MAX,
            roles: (0..members).collect(),
        }
    }

    /// It as it is on disk.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let u32s = |values: &[u32], bytes: &mut Vec<u8>| {
            values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        };
        u32s(&[0xa92b_4efc, 1, self.feature_map, 0], &mut bytes);
        bytes.extend(self.set_uuid);
        bytes.extend(b"host:name\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        bytes.extend(self.ctime.to_le_bytes());
        u32s(&[self.level.cast_unsigned(), self.layout], &mut bytes);
        bytes.extend(self.size.to_le_bytes());
        u32s(&[self.chunksize, self.raid_disks, 0, self.level.cast_unsigned()], &mut bytes);
        bytes.extend(self.reshape_position.to_le_bytes());
        let new = [self.delta_disks.cast_unsigned(), self.new_layout, self.new_chunk, self.new_offset.cast_unsigned()];
        u32s(&new, &mut bytes);
        for value in [self.data_offset, self.data_size, self.at / SECTOR, self.recovery_offset] {
            bytes.extend(value.to_le_bytes());
        }
        u32s(&[self.dev_number, 0], &mut bytes);
        bytes.extend([self.dev_number as u8; 16]);
        bytes.extend([self.devflags, self.bblog.0]);
        bytes.extend(self.bblog.1.to_le_bytes());
        bytes.extend(self.bblog.2.to_le_bytes());
        for value in [self.utime, self.events, self.resync_offset] {
            bytes.extend(value.to_le_bytes());
        }
        u32s(&[0, self.roles.len() as u32], &mut bytes);
        bytes.extend([0; 32]);
        assert_eq!(bytes.len(), 256);
        self.roles.iter().for_each(|role| bytes.extend(role.to_le_bytes()));
        sign(&mut bytes);
        bytes
    }
}

/// Writes the checksum of a superblock of version 1, which `bytes` holds and nothing else.
pub(super) fn sign(bytes: &mut [u8]) {
    bytes[216..220].fill(0);
    let words = bytes.chunks(4).map(|word| {
        let mut padded = [0; 4];
        padded[..word.len()].copy_from_slice(word);
        u64::from(u32::from_le_bytes(padded))
    });
    let sum: u64 = words.sum();
    let folded = ((sum & 0xffff_ffff) + (sum >> 32)) as u32;
    bytes[216..220].copy_from_slice(&folded.to_le_bytes());
}

/// A disk with this superblock, and nothing else.
pub(super) fn disk(made: &Made) -> Vec<u8> {
    let mut disk = vec![0; (DISK_SECTORS * SECTOR) as usize];
    write(&mut disk, made.at, &made.bytes());
    disk
}

pub(super) fn write(disk: &mut [u8], at: u64, bytes: &[u8]) {
    disk[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
}

/// What the sector of an array holds, from this byte on.
pub(super) fn sector(offset: u64) -> Vec<u8> {
    (offset / SECTOR + 1).to_le_bytes().repeat(64)
}

/// How an array of these crafted members lies.
pub(super) fn geometry(level: Level, layout: u32, members: u64) -> Geometry {
    Geometry {
        level,
        layout: (level != Level::Raid0).then_some(layout),
        chunk: u64::from(CHUNK_SECTORS) * SECTOR,
        members,
        component: COMPONENT_SECTORS * SECTOR,
    }
}

/// Writes every sector of `range` of the array where it belongs, and the parity to it; `start` is where data begin.
pub(super) fn fill(disks: &mut [Vec<u8>], geometry: &Geometry, range: std::ops::Range<u64>, start: u64) {
    let data = vec![geometry.component; disks.len()];
    let layout = geometry.layout(&data[..geometry.members as usize]).unwrap();
    let end = range.end.min(layout.size());
    let mut stripes = Vec::new();
    for offset in (range.start..end).step_by(512) {
        let bytes = sector(offset);
        match layout.piece(offset).unwrap().source {
            Source::Copies(places) => {
                places.iter().for_each(|place| write(&mut disks[place.member], start + place.offset, &bytes));
            }
            Source::Stripe(stripe) => {
                let place = stripe.data[stripe.wanted].place;
                write(&mut disks[place.member], start + place.offset, &bytes);
                stripes.push(stripe);
            }
            other => panic!("{other:?}"),
        }
    }
    for stripe in stripes {
        let p = stripe.p.unwrap();
        let at = (start + p.offset) as usize;
        let mut parity = vec![0; 512];
        for unit in &stripe.data {
            let from = &disks[unit.place.member][(start + unit.place.offset) as usize..][..512];
            parity.iter_mut().zip(from).for_each(|(to, from)| *to ^= from);
        }
        disks[p.member][at..at + 512].copy_from_slice(&parity);
    }
}

/// Members of a clean array of this level, with data.
pub(super) fn members(level: i32, layout: u32, count: u16) -> Vec<Vec<u8>> {
    change_members(level, layout, count, |_, _| {})
}

/// The same with a change of each superblock.
pub(super) fn change_members(level: i32, layout: u32, count: u16, change: impl Fn(u16, &mut Made)) -> Vec<Vec<u8>> {
    let made = |number| {
        let mut made = Made::new(level, layout, count, number);
        change(number, &mut made);
        disk(&made)
    };
    let mut disks: Vec<_> = (0..count).map(made).collect();
    let level = Level::from_number(level).unwrap();
    fill(&mut disks, &geometry(level, layout, u64::from(count)), 0..u64::MAX, DATA_SECTOR * SECTOR);
    disks
}

pub(super) fn readable(disk: &[u8]) -> Arc<dyn ReadAt> {
    Arc::new(MemoryDisk::new(disk.to_vec(), BlockSize::B512))
}

/// Which sectors of an array can be read; those that can have to be right.
pub(super) fn readable_sectors(data: &Arc<dyn ReadAt>) -> Vec<bool> {
    let mut found = Vec::new();
    for offset in (0..data.size()).step_by(512) {
        let mut bytes = vec![0; 512];
        let is_read = data.read_exact_at(offset, &mut bytes).is_ok();
        assert!(!is_read || bytes == sector(offset), "sector {}: {:?}", offset / 512, &bytes[..8]);
        found.push(is_read);
    }
    found
}

/// How many sectors can be read, all of them right, of how many.
pub(super) fn count(data: &Arc<dyn ReadAt>) -> (usize, usize) {
    let sectors = readable_sectors(data);
    (sectors.iter().filter(|read| **read).count(), sectors.len())
}
