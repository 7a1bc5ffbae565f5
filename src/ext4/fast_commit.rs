//! Fast commits: small changes to inodes, ranges of blocks and names that were written behind the log instead of whole
//! transactions (Linux `fs/ext4/fast_commit.c`, `Documentation/filesystems/ext4/journal.rst`).
//!
//! The kernel carries them out on the disk and so allocates blocks. Here they are kept as what they are, differences
//! that each question is answered with: [`FastCommits`] lies over inodes, block mappings and directories as the overlay
//! lies over blocks. Where the kernel makes a block for new entries of a directory, that directory keeps its size here.

mod ranges;
mod replay;
mod tags;

use crate::mapping::Run;
use ranges::Ranges;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use vfs::{Cursor, FileType, NodeId};

pub(crate) use replay::replay;
pub(crate) use tags::{Scanned, scan};

/// Listings show added entries behind all others: from this cursor on.
const ADDED_FROM: u64 = 1 << 61;

/// What fast commits change.
#[derive(Default)]
pub(crate) struct FastCommits {
    /// Whole inode records.
    records: HashMap<NodeId, Vec<u8>>,
    ranges: HashMap<NodeId, Ranges>,
    directories: HashMap<NodeId, Names>,
}

/// Changes to the names of a directory.
#[derive(Default)]
struct Names {
    /// The directory that this one was made in; what its own inode maps is not read then.
    made_in: Option<NodeId>,
    hidden: BTreeSet<Vec<u8>>,
    added: BTreeMap<Vec<u8>, Added>,
    /// Added names that are listed, each at the place that it will keep.
    order: Vec<Vec<u8>>,
}

/// What an added name names.
#[derive(Clone, Copy)]
struct Added {
    node: NodeId,
    file_type: Option<FileType>,
}

/// What fast commits say of a name.
pub(crate) enum Name {
    /// It names this node.
    Added(NodeId),
    /// It is gone.
    Removed,
    /// Nothing: it is as the directory has it.
    Unchanged,
}

impl FastCommits {
    /// Whether there are any.
    #[cfg(test)]
    pub(crate) fn changes_anything(&self) -> bool {
        !(self.records.is_empty() && self.ranges.is_empty() && self.directories.is_empty())
    }

    /// The record of an inode that was replaced.
    pub(crate) fn record(&self, node: NodeId) -> Option<&Vec<u8>> {
        self.records.get(&node)
    }

    /// Whether blocks of this inode are mapped otherwise than it says.
    pub(crate) fn has_ranges(&self, node: NodeId) -> bool {
        self.ranges.contains_key(&node)
    }

    /// The run at block `logical`, if its mapping was changed; else the first block behind it that was.
    pub(crate) fn run(&self, node: NodeId, logical: u64) -> Result<Run, Option<u64>> {
        self.ranges.get(&node).map_or(Err(None), |ranges| ranges.run(logical))
    }

    /// What became of `name` in directory `dir`.
    pub(crate) fn name(&self, dir: NodeId, name: &[u8]) -> Name {
        let Some(names) = self.directories.get(&dir) else { return Name::Unchanged };
        match (names.added.get(name), names.made_in) {
            (Some(added), _) => Name::Added(added.node),
            (None, Some(_)) if name == b"." => Name::Added(dir),
            (None, Some(parent)) if name == b".." => Name::Added(parent),
            (None, made_in) if made_in.is_some() || names.hidden.contains(name) => Name::Removed,
            _ => Name::Unchanged,
        }
    }

    /// Whether the directory was made by a fast commit, so that there are no entries of its own on the disk.
    pub(crate) fn is_made(&self, dir: NodeId) -> bool {
        self.directories.get(&dir).is_some_and(|names| names.made_in.is_some())
    }

    /// Whether they change names of this directory.
    pub(crate) fn changes_names(&self, dir: NodeId) -> bool {
        self.directories.contains_key(&dir)
    }

    /// Whether an entry on the disk is not to be shown.
    pub(crate) fn hides(&self, dir: NodeId, name: &[u8]) -> bool {
        self.directories.get(&dir).is_some_and(|names| names.hidden.contains(name))
    }

    /// The added entries of a directory after `from`: name, node, type, and the cursor behind.
    pub(crate) fn added(
        &self,
        dir: NodeId,
        from: Cursor,
    ) -> impl Iterator<Item = (&[u8], NodeId, Option<FileType>, Cursor)> {
        let names = self.directories.get(&dir);
        let cursors = ADDED_FROM.saturating_add(1)..;
        let order = names.map_or(&[][..], |names| &names.order).iter().zip(cursors);
        order.filter(move |(_, next)| *next > from.0).filter_map(move |(name, next)| {
            let added = names?.added.get(name)?;
            Some((&name[..], added.node, added.file_type, Cursor(next)))
        })
    }
}

impl Names {
    fn add(&mut self, name: &[u8], added: Added) {
        self.hidden.insert(name.to_vec());
        self.added.insert(name.to_vec(), added);
    }

    fn remove(&mut self, name: &[u8]) {
        self.hidden.insert(name.to_vec());
        self.added.remove(name);
    }

    /// Gives each added name its place in listings; called once, at the end.
    fn settle(&mut self) {
        self.order = self
            .added
            .range::<[u8], _>((Bound::Unbounded::<&[u8]>, Bound::Unbounded))
            .map(|(name, _)| name.clone())
            .collect();
    }
}
