//! What the journal puts over the volume: for each block that it replaces, where in the log the newest copy lies.

use super::layout::MAGIC;
use super::{Checksums, Log};
use crate::checksum::crc32c;
use block::{Patches, ReadError, ReadErrorKind};
use std::ops::Range;
use std::sync::Arc;

/// A block of the volume in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Logged {
    /// The block of the log.
    pub(crate) at: u32,
    /// The transaction that it belongs to.
    pub(crate) sequence: u32,
    /// What its tag says of its checksum.
    pub(crate) checksum: u32,
    /// Whether the magic number that it begins with was taken out of it.
    pub(crate) escaped: bool,
}

/// The blocks that a journal replaces.
pub(crate) struct Replay {
    log: Arc<Log>,
    checksums: Checksums,
    checksum_seed: u32,
    /// Block of the volume and its place in the log, in ascending order.
    blocks: Vec<(u64, Logged)>,
}

impl Replay {
    pub(crate) fn new(
        log: Arc<Log>,
        checksums: Checksums,
        checksum_seed: u32,
        blocks: impl IntoIterator<Item = (u64, Logged)>,
    ) -> Self {
        let mut blocks: Vec<_> = blocks.into_iter().collect();
        blocks.sort_unstable_by_key(|(block, _)| *block);
        Self { log, checksums, checksum_seed, blocks }
    }

    /// How many blocks are replaced.
    pub(crate) const fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The memory that they take, in bytes.
    pub(crate) const fn memory_bytes(&self) -> usize {
        self.blocks.len().saturating_mul(size_of::<(u64, Logged)>())
    }

    fn from(&self, block: u64) -> &[(u64, Logged)] {
        let from = self.blocks.partition_point(|(patched, _)| *patched < block);
        self.blocks.get(from..).unwrap_or_default()
    }

    fn find(&self, block: u64) -> Option<Logged> {
        self.from(block).first().filter(|(patched, _)| *patched == block).map(|(_, logged)| *logged)
    }

    /// Whether the tag's checksum is that of the block as it lies in the log (Linux `jbd2_block_tag_csum_verify`).
    fn is_intact(&self, logged: Logged, block: &[u8]) -> bool {
        let sum = || crc32c(crc32c(self.checksum_seed, &logged.sequence.to_be_bytes()), block);
        match self.checksums {
            Checksums::None | Checksums::V1 => true,
            Checksums::V2 => sum() & 0xFFFF == logged.checksum,
            Checksums::V3 => sum() == logged.checksum,
        }
    }
}

impl Patches for Replay {
    fn next(&self, block: u64) -> Option<u64> {
        self.from(block).first().map(|(patched, _)| *patched)
    }

    fn read(&self, block: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let missing = || ReadError::new(ReadErrorKind::OutOfRange, 0, 0);
        let logged = self.find(block).ok_or_else(missing)?;
        self.log.read_into(logged.at, buf)?;
        if !self.is_intact(logged, buf) {
            let detail = format!("block {block} in block {} of the journal fails its checksum", logged.at);
            return Err(ReadError::new(ReadErrorKind::Damaged, 0, 0).with_detail(&detail));
        }
        if logged.escaped
            && let Some(magic) = buf.get_mut(..4)
        {
            magic.copy_from_slice(&MAGIC.to_be_bytes());
        }
        Ok(())
    }

    fn will_need(&self, blocks: Range<u64>) {
        for (_, logged) in self.from(blocks.start).iter().take_while(|(block, _)| *block < blocks.end) {
            self.log.will_need(logged.at);
        }
    }
}
