//! Directories: the entries of the index `$I30`, whose keys are names.

use crate::file_name::{self, FileName, Space};
use crate::index::{self, Index};
use crate::name;
use crate::record::Reference;
use crate::shape::SYSTEM;
use crate::store::{Inode, Store};
use crate::upcase::Upcase;
use std::cmp::Ordering;
use std::ops::ControlFlow;
use vfs::reader::corrupt;
use vfs::{Cursor, DirEntry, FileType, NodeId, Result};

/// Records below this one are the file system's own (`MFT_REC_FREE`), the root but for.
const FIRST_OF_USERS: u64 = 16;
/// The record of the root directory.
pub(crate) const ROOT: u64 = 5;
/// `FILE_ATTRIBUTE_REPARSE_POINT`.
pub(crate) const REPARSE_POINT: u32 = 0x400;
/// Bits of a cursor that count entries of a node.
const ENTRY_BITS: u32 = 16;
/// Nodes of an index whose files' records are hinted at together.
const HINTED_NODES: u64 = 64;

/// Whether users see the file with this record.
pub(crate) const fn is_visible(record: u64) -> bool {
    record >= FIRST_OF_USERS || record == ROOT
}

fn open<'a>(store: &'a Store, dir: &'a Inode) -> Result<Index<'a>> {
    let missing = || corrupt(format!("{}: it is a directory without an index", dir.name()));
    Index::open(store, dir, index::DIRECTORY)?.ok_or_else(missing)
}

/// What a name that is looked for leads to.
struct Found {
    reference: Reference,
    rank: u8,
}

/// The file of this name in a directory: of that very name if there is one, else, where the directory does not tell case
/// apart, of one that differs in case alone. Short names are found as well.
pub(crate) fn lookup(
    store: &Store,
    upcase: &Upcase,
    dir: &Inode,
    sought: &[u16],
    tells_case: bool,
) -> Result<Option<Reference>> {
    let index = open(store, dir)?;
    let mut best: Option<Found> = None;
    let take = |best: &mut Option<Found>, name: &FileName, raw: u64| {
        let reference = Reference::new(raw);
        let rank = match (name.name == sought, name.space) {
            (true, _) => 0,
            (false, Space::Dos) => 2,
            (false, _) => 1,
        };
        let is_it = is_visible(reference.record) && !(tells_case && rank > 0);
        if is_it && best.as_ref().is_none_or(|best| rank < best.rank) {
            *best = Some(Found { reference, rank });
        }
        if rank == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let compare = |key: &[u8]| FileName::parse(key).map(|name| upcase.compare(&name.name, sought));
    index.find(&compare, &mut |node, entry| {
        let name = FileName::parse(node.key(entry));
        name.map_or(ControlFlow::Continue(()), |name| take(&mut best, &name, node.reference(entry)))
    })?;
    if best.is_none() && !upcase.is_own {
        // In the order of another table a name may be elsewhere in the tree.
        index.nodes(0, &mut |_, node| {
            node.keys().try_for_each(|(entry, key)| match FileName::parse(key) {
                Some(name) if upcase.compare(&name.name, sought) == Ordering::Equal => {
                    take(&mut best, &name, node.reference(entry))
                }
                _ => ControlFlow::Continue(()),
            })
        })?;
    }
    Ok(best.map(|found| found.reference))
}

/// The type that an entry tells; `None` where only the file itself does.
fn file_type(name: &FileName) -> Option<FileType> {
    let may_be_special = name.attributes & (SYSTEM | REPARSE_POINT) != 0 || name.tag_or_ea != 0;
    match name.attributes & file_name::DIRECTORY {
        _ if may_be_special => None,
        0 => Some(FileType::Regular),
        _ => Some(FileType::Directory),
    }
}

/// Gives the entries after `from` to `each`, until that breaks. Short names that stand beside long ones are left out unless
/// they are asked for.
pub(crate) fn list(
    store: &Store,
    dir: &Inode,
    from: Cursor,
    short_names: bool,
    each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let index = open(store, dir)?;
    let (first, skipped) = (from.0 >> ENTRY_BITS, from.0 & (1_u64 << ENTRY_BITS).wrapping_sub(1));
    index.will_list(first);
    let mut damage = None;
    index.nodes(first, &mut |number, node| {
        let skipped = if number == first { usize::try_from(skipped).unwrap_or(usize::MAX) } else { 0 };
        if skipped == 0 && number % HINTED_NODES == 0 {
            hint_records(store, &index, number);
        }
        for (ordinal, (entry, key)) in node.keys().enumerate().skip(skipped) {
            let next =
                u64::try_from(ordinal).unwrap_or(u64::MAX).saturating_add(1).saturating_add(number << ENTRY_BITS);
            let Some(name) = FileName::parse(key).filter(|_| next < Cursor::END.0) else {
                damage = Some(corrupt(format!("{}: an entry of it is no name", dir.name())));
                return ControlFlow::Break(());
            };
            let reference = Reference::new(node.reference(entry));
            let is_shown = is_visible(reference.record) && (short_names || name.space != Space::Dos);
            // The root has an entry for itself.
            if !is_shown || (reference.record == dir.number() && name.name == [0x2E]) {
                continue;
            }
            let entry = DirEntry {
                name: &name::encode(&name.name),
                node: NodeId(reference.record),
                generation: Some(reference.sequence.into()),
                file_type: file_type(&name),
                next: Cursor(next),
            };
            if each(entry).is_break() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    damage.map_or(Ok(()), Err)
}

/// Whoever lists a directory mostly asks for its files next: the records of those in the next nodes are hinted at together.
fn hint_records(store: &Store, index: &Index<'_>, first: u64) {
    let mut records = Vec::new();
    let end = first.saturating_add(HINTED_NODES);
    // A hint never fails: what is damaged is told when the listing comes to it.
    let _ = index.nodes(first, &mut |number, node| {
        if number >= end {
            return ControlFlow::Break(());
        }
        records.extend(node.keys().map(|(entry, _)| Reference::new(node.reference(entry)).record));
        ControlFlow::Continue(())
    });
    store.will_read_records(&mut records);
}
