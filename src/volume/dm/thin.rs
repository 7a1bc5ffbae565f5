//! Thin pools: volumes whose blocks lie anywhere in the pool, where they were ever written. Source: Linux,
//! `drivers/md/dm-thin-metadata.c` and `dm-thin.c`.
//!
//! What is read is what the kernel would see: the last superblock that was committed, and the blocks reached from it. What
//! was written after it is in blocks that nothing reaches yet.

use super::persistent::{Kind, Metadata, Reached, Tree};
use crate::Error;
use crate::map::{Layout, Piece, Place, Source};
use block::{ReadAt, ReadError, ReadErrorKind};
use std::num::NonZeroU64;
use std::sync::Arc;
use superblock::Superblock;

mod superblock;

/// Where a volume's blocks are: the pool's data.
const POOL: usize = 0;
/// Where what was never written shows through from, if anything does: the external origin.
const ORIGIN: usize = 1;
/// The low bits of a mapping are the time when it was made, the others are the data block (`unpack_block_time`).
const TIME_BITS: u32 = 24;
/// Bytes of `struct disk_device_details`.
const DETAILS_BYTES: usize = 24;
/// Device numbers have 24 bits (`MAX_DEV_ID` of `dm-thin.c`).
const DEVICE_ID_MAX: u64 = (1 << 24) - 1;

/// A thin pool, as its metadata say.
pub(crate) struct ThinPool {
    metadata: Arc<Metadata>,
    superblock: Superblock,
}

impl ThinPool {
    /// The pool whose metadata device this is.
    ///
    /// # Errors
    /// When its superblock cannot be read, is damaged, or has features that are not known.
    pub(crate) fn open(metadata: Arc<dyn ReadAt>) -> Result<Self, Error> {
        let metadata = Metadata::new(metadata);
        let superblock = Superblock::read(&metadata)?;
        Ok(Self { metadata: Arc::new(metadata), superblock })
    }

    /// The transaction that LVM2 counts as well: where its own number is another, the metadata of the group and of the pool
    /// are not of the same time.
    pub(crate) const fn transaction_id(&self) -> u64 {
        self.superblock.transaction_id
    }

    /// Bytes of a block of data: what LVM2 calls the chunk size of the pool.
    pub(crate) const fn block_bytes(&self) -> u64 {
        self.superblock.block_bytes.get()
    }

    /// Blocks that the pool's data had when this was committed.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold it against what the tools say"))]
    pub(crate) const fn data_blocks(&self) -> u64 {
        self.superblock.data_blocks
    }

    /// Whether the kernel found the metadata wanting and asks for `thin_check`.
    pub(crate) const fn needs_check(&self) -> bool {
        self.superblock.needs_check
    }

    /// Block of the metadata with the superblock of a snapshot that somebody holds of all metadata; `None` when nobody does.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold it against what the tools say"))]
    pub(crate) const fn held_root(&self) -> Option<u64> {
        self.superblock.held_root
    }

    /// The numbers of the pool's volumes, each with how many of its blocks are mapped.
    ///
    /// # Errors
    /// When the tree of them cannot be read, or is damaged.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests hold it against what the tools say"))]
    pub(crate) fn devices(&self) -> Result<Vec<(u64, u64)>, Error> {
        let mut devices = Vec::new();
        self.superblock.details().walk(&self.metadata, &mut |id, details| {
            let mapped = details.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            devices.push((id, mapped));
            if id > DEVICE_ID_MAX {
                return Err(Error::Damaged(format!(
                    "the thin pool has a volume {id}, but numbers end at {DEVICE_ID_MAX}"
                )));
            }
            Ok(())
        })?;
        Ok(devices)
    }

    /// The volume of this number: member 0 is the pool's data, member 1 the external origin, when there is one, of which
    /// this many bytes are there. What was never written shows the origin as far as it reaches, and zeros behind it.
    ///
    /// # Errors
    /// When the pool has no such volume, or its metadata cannot be read, or are damaged.
    pub(crate) fn volume(
        &self,
        device_id: u64,
        size_bytes: u64,
        external_origin_size: Option<u64>,
    ) -> Result<ThinVolume, Error> {
        let details = self.superblock.details().find(&self.metadata, device_id)?;
        let root = self.superblock.devices().find(&self.metadata, device_id)?;
        let root = root.and_then(|root| root.try_into().ok()).map(u64::from_le_bytes);
        let Some(root) = root.filter(|_| details.is_some()) else {
            return Err(Error::Damaged(format!(
                "the thin pool has no volume {device_id} (its transaction is {}): it was removed or never made, or the \
                 metadata are older than the volume; thin_dump shows which there are",
                self.transaction_id()
            )));
        };
        Ok(ThinVolume {
            metadata: Arc::clone(&self.metadata),
            mappings: Tree { root, value_bytes: 8 },
            block_bytes: self.superblock.block_bytes,
            data_blocks: self.superblock.data_blocks,
            origin_bytes: external_origin_size.unwrap_or(0),
            size: size_bytes,
        })
    }
}

/// A volume of a thin pool.
pub(crate) struct ThinVolume {
    metadata: Arc<Metadata>,
    mappings: Tree,
    block_bytes: NonZeroU64,
    data_blocks: u64,
    /// How much of an external origin there is.
    origin_bytes: u64,
    size: u64,
}

impl Layout for ThinVolume {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        match self.mappings.reach(&self.metadata, offset / self.block_bytes) {
            // The disk errs, perhaps not again: the volume is as it is.
            Reached { leaf: Err(Error::Read(error)), .. } => {
                let why = format!("the metadata of the thin pool: {error}");
                Err(ReadError::new(error.kind, offset, 0).with_detail(&why))
            }
            reached => self.piece_of(offset, &reached).ok_or_else(|| {
                let outside = ReadError::new(ReadErrorKind::OutOfRange, offset, 0);
                outside.with_detail("the block number is too large for any device")
            }),
        }
    }

    fn known_piece(&self, offset: u64) -> Option<Piece> {
        let reached = self.mappings.reach_known(&self.metadata, offset / self.block_bytes)?;
        self.piece_of(offset, &reached)
    }
}

impl ThinVolume {
    /// The piece from `offset` on, by what was found of its block.
    fn piece_of(&self, offset: u64, reached: &Reached) -> Option<Piece> {
        let block = offset / self.block_bytes;
        let leaf = match &reached.leaf {
            Ok(leaf) => leaf,
            // Nothing is known of any block that should be there.
            Err(error) => return Some(self.until(reached.keys.end, offset, Source::Lost(error.to_string().into()))),
        };
        let index = leaf.below(block);
        match leaf.key(index) {
            Some(key) if key == block => {}
            next => return Some(self.unmapped(next.unwrap_or(reached.keys.end), offset)),
        }
        let data = leaf.number(index)? >> TIME_BITS;
        if data >= self.data_blocks {
            let why = format!(
                "block {block} of the thin volume should be in block {data} of the pool, which has {} blocks",
                self.data_blocks
            );
            return Some(self.until(block.checked_add(1)?, offset, Source::Lost(why.into())));
        }
        let mut length = 1_u64;
        // Ends with the leaf.
        while data.checked_add(length).is_some_and(|next| next < self.data_blocks) {
            let next = index.checked_add(usize::try_from(length).ok()?)?;
            let is_next = leaf.key(next) == block.checked_add(length)
                && leaf.number(next).map(|value| value >> TIME_BITS) == data.checked_add(length);
            if !is_next {
                break;
            }
            length = length.checked_add(1)?;
        }
        let at = data.checked_mul(self.block_bytes.get())?.checked_add(offset % self.block_bytes)?;
        let source = Source::Copies(vec![Place { member: POOL, offset: at }]);
        Some(self.until(block.checked_add(length)?, offset, source))
    }

    /// What was never written, up to a block.
    fn unmapped(&self, end: u64, offset: u64) -> Piece {
        match self.origin_bytes.checked_sub(offset).filter(|left| *left > 0) {
            Some(left) => {
                let source = Source::Copies(vec![Place { member: ORIGIN, offset }]);
                let piece = self.until(end, offset, source);
                Piece { length: piece.length.min(left), ..piece }
            }
            None => self.until(end, offset, Source::Zeros),
        }
    }

    /// A piece from `offset` up to a block of the volume, or its end.
    fn until(&self, end: u64, offset: u64, source: Source) -> Piece {
        let end = end.saturating_mul(self.block_bytes.get()).min(self.size);
        Piece { length: end.saturating_sub(offset), source }
    }
}

#[cfg(test)]
mod tests;
