//! The tables of a checkpoint: open attributes, dirty pages, transactions (`struct RESTART_TABLE` and its entries of
//! Linux `fs/ntfs3/fslog.c`). The names of attributes, a fourth table, are not needed here: records and dirty pages say
//! which clusters they are about, so that no attribute is looked up by its name. (`ntfs3` does, and reads that table
//! wrongly: a zero follows each name.)

use super::lsn::Lsn;
use crate::bytes::{index, slice, u16_at, u32_at, u64_at};
use crate::record::{Kind, Reference};

/// Bytes of the header of a table.
const HEADER: usize = 0x18;
/// First number of an entry that is in use.
const IN_USE: u32 = 0xFFFF_FFFF;

/// The entries of a table that are in use, with their offsets in it, which are their names; `None` when it is damaged.
fn entries(table: &[u8], entry_bytes_min: usize) -> Option<Vec<(u32, &[u8])>> {
    let (size, count) = (usize::from(u16_at(table, 0)?), usize::from(u16_at(table, 2)?));
    if size < entry_bytes_min {
        return None;
    }
    let all = slice(table, HEADER, size.checked_mul(count)?)?;
    let offsets = (0x18_u32..).step_by(size);
    let entries = offsets.zip(all.chunks_exact(size));
    Some(entries.filter(|(_, entry)| u32_at(entry, 0) == Some(IN_USE)).collect())
}

/// Which layout tables have: what the record of the checkpoint calls its major version. 0 is that of 32-bit systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableVersion {
    V0,
    V1,
}

/// An attribute that was open: what is to be known of it to change its clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenAttribute {
    /// The MFT itself.
    Mft,
    /// Blocks of an index, and the bytes of one.
    Index(u32),
    Other,
}

impl OpenAttribute {
    /// An entry of the table of open attributes, or the same from the record of an opening.
    pub(super) fn parse(entry: &[u8], version: TableVersion) -> Option<Self> {
        let (kind, reference, block) = match version {
            TableVersion::V0 => (u32_at(entry, 0x1C)?, u64_at(entry, 8)?, u32_at(entry, 0x28)?),
            TableVersion::V1 => (u32_at(entry, 8)?, u64_at(entry, 0x10)?, u32_at(entry, 4)?),
        };
        Some(match Kind(kind) {
            Kind::DATA if Reference::new(reference).record == 0 => Self::Mft,
            Kind::INDEX_ALLOCATION => Self::Index(block),
            _ => Self::Other,
        })
    }

    /// All entries of a table, by their offsets.
    pub(super) fn table(table: &[u8], version: TableVersion) -> Option<Vec<(u32, Self)>> {
        let bytes = match version {
            TableVersion::V0 => 0x2C,
            TableVersion::V1 => 0x28,
        };
        let parse = |(offset, entry)| Some((offset, Self::parse(entry, version)?));
        entries(table, bytes)?.into_iter().map(parse).collect()
    }
}

/// A page of an attribute that was changed in memory and perhaps not on the volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DirtyPage {
    /// The attribute, by its place in the table of open attributes.
    pub(super) target: u32,
    pub(super) vcn: u64,
    /// The first record whose change may be missing on the volume.
    pub(super) oldest: Lsn,
    /// Where its clusters are; 0 for those that are not known or were freed.
    pub(super) lcns: Vec<u64>,
}

impl DirtyPage {
    pub(super) fn table(table: &[u8], version: TableVersion) -> Option<Vec<Self>> {
        let (vcn_at, oldest_at, lcns_at) = match version {
            TableVersion::V0 => (0x14, 0x1C, 0x24),
            TableVersion::V1 => (0x10, 0x18, 0x20),
        };
        let parse = |(_, entry): (u32, &[u8])| {
            let lcns_bytes = index(u32_at(entry, 0xC)?).checked_mul(8)?;
            let lcns = slice(entry, lcns_at, lcns_bytes)?;
            Some(Self {
                target: u32_at(entry, 4)?,
                vcn: u64_at(entry, vcn_at)?,
                oldest: Lsn(u64_at(entry, oldest_at)?),
                lcns: lcns.chunks_exact(8).filter_map(|lcn| u64_at(lcn, 0)).collect(),
            })
        };
        entries(table, lcns_at)?.into_iter().map(parse).collect()
    }
}

/// How far a transaction got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Active,
    /// Its fate is decided elsewhere (`TransactionPrepared`).
    Prepared,
    Committed,
}

/// A transaction that was not forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) progress: Progress,
    /// What is undone first, if it is.
    pub(super) undo_next: Lsn,
}

impl Transaction {
    /// All transactions of a table, by their offsets, which are their names.
    pub(super) fn table(table: &[u8]) -> Option<Vec<(u32, Self)>> {
        let parse = |(offset, entry): (u32, &[u8])| {
            let progress = match entry.get(4)? {
                // Uninitialized: it wrote nothing.
                0 | 3 => Progress::Committed,
                1 => Progress::Active,
                2 => Progress::Prepared,
                _ => return None,
            };
            Some((offset, Self { progress, undo_next: Lsn(u64_at(entry, 0x18)?) }))
        };
        entries(table, 0x28)?.into_iter().map(parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(size: u16, entries: &[Vec<u8>]) -> Vec<u8> {
        let mut table = vec![0; HEADER];
        table[..2].copy_from_slice(&size.to_le_bytes());
        table[2..4].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        for entry in entries {
            let mut whole = entry.clone();
            whole.resize(size.into(), 0);
            table.extend(whole);
        }
        table
    }

    fn entry(bytes: usize, numbers: &[(usize, u32)]) -> Vec<u8> {
        let mut entry = vec![0; bytes];
        entry[..4].fill(0xFF);
        for (at, number) in numbers {
            entry[*at..*at + 4].copy_from_slice(&number.to_le_bytes());
        }
        entry
    }

    #[test]
    fn open_attributes_of_both_layouts_are_told_apart_by_type_and_file() {
        let v1 = table(
            0x28,
            &[
                entry(0x28, &[(8, 0x80), (0x10, 0), (0x14, 0x1_0000)]),
                vec![0; 0x28],
                entry(0x28, &[(8, 0xA0), (4, 4096), (0x10, 5)]),
                entry(0x28, &[(8, 0xB0), (0x10, 0)]),
            ],
        );
        let found = OpenAttribute::table(&v1, TableVersion::V1).unwrap();
        assert_eq!(
            found,
            [(0x18, OpenAttribute::Mft), (0x68, OpenAttribute::Index(4096)), (0x90, OpenAttribute::Other)]
        );
        let v0 = table(
            0x2C,
            &[
                entry(0x2C, &[(0x1C, 0x80), (8, 0)]),
                entry(0x2C, &[(0x1C, 0xA0), (0x28, 2048)]),
                entry(0x2C, &[(0x1C, 0x80), (8, 4)]),
            ],
        );
        let found = OpenAttribute::table(&v0, TableVersion::V0).unwrap();
        assert_eq!(
            found,
            [(0x18, OpenAttribute::Mft), (0x44, OpenAttribute::Index(2048)), (0x70, OpenAttribute::Other)]
        );
        assert_eq!(OpenAttribute::table(&v1, TableVersion::V0), None);
    }

    #[test]
    fn dirty_pages_of_both_layouts_are_read_and_short_ones_refused() {
        let numbers = |at: usize| [(4, 0x18), (0xC, 2), (at, 7), (at + 8, 99), (at + 0x10, 50), (at + 0x18, 0)];
        let page = DirtyPage { target: 0x18, vcn: 7, oldest: Lsn(99), lcns: vec![50, 0] };
        let v1 = table(0x30, &[entry(0x30, &numbers(0x10))]);
        assert_eq!(DirtyPage::table(&v1, TableVersion::V1).unwrap(), std::slice::from_ref(&page));
        let v0 = table(0x34, &[entry(0x34, &numbers(0x14))]);
        assert_eq!(DirtyPage::table(&v0, TableVersion::V0).unwrap(), [page]);
        let short = table(0x28, &[entry(0x28, &[(0xC, 2)])]);
        assert_eq!(DirtyPage::table(&short, TableVersion::V1), None);
        assert_eq!(DirtyPage::table(&v1[..v1.len() - 1], TableVersion::V1), None);
    }

    #[test]
    fn states_of_transactions_that_nobody_knows_are_damage() {
        let of = |state| Transaction::table(&table(0x28, &[entry(0x28, &[(4, state), (0x18, 77)])]));
        assert_eq!(of(1), Some(vec![(0x18, Transaction { progress: Progress::Active, undo_next: Lsn(77) })]));
        assert_eq!(of(3).unwrap()[0].1.progress, Progress::Committed);
        assert_eq!(of(4), None);
    }
}
