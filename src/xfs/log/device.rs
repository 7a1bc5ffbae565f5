//! Where the log is, read in blocks of 512 bytes.

use super::layout::{BASIC_BLOCK, BASIC_BLOCK_SHIFT};
use block::ReadAt;
use std::sync::Arc;
use vfs::Result;
use vfs::reader::{corrupt, io};

/// The log: a part of the data volume, or a device of its own.
#[derive(Clone)]
pub(crate) struct LogDevice {
    volume: Arc<dyn ReadAt>,
    /// First byte of the log on its volume.
    start: u64,
    /// Its length in blocks of 512 bytes.
    blocks: u64,
}

impl LogDevice {
    /// The `length` bytes of `volume` from byte `start` on.
    pub(crate) fn new(volume: Arc<dyn ReadAt>, start: u64, length: u64) -> Result<Self> {
        /// Far below what `mkfs.xfs` makes; above it no distance in the log is cut off.
        const BLOCKS_MIN: u64 = 64;
        let blocks = length >> BASIC_BLOCK_SHIFT;
        if blocks < BLOCKS_MIN {
            return Err(corrupt(format!("a log of {length} bytes is too small to be one")));
        }
        if start.checked_add(length).is_none_or(|end| end > volume.size()) {
            return Err(corrupt(format!(
                "the log has {length} bytes from byte {start} on, and its volume ends at {}",
                volume.size()
            )));
        }
        Ok(Self { volume, start, blocks })
    }

    /// Length in blocks of 512 bytes.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The block after `distance` others from `block` on, as the log is a ring.
    pub(crate) fn wrap(&self, block: u64, distance: u64) -> u64 {
        // Never zero: a log has a least size.
        block.saturating_add(distance).checked_rem(self.blocks).unwrap_or(0)
    }

    /// How many blocks lie from `from` on before `to`; none when they are the same.
    pub(crate) fn distance(&self, from: u64, to: u64) -> u64 {
        if to >= from { to.saturating_sub(from) } else { self.blocks.saturating_sub(from).saturating_add(to) }
    }

    /// `count` blocks from `block` on, which may go on at the start of the log.
    pub(crate) fn read(&self, block: u64, count: u64) -> Result<Vec<u8>> {
        if count > self.blocks {
            return Err(corrupt(format!("the log has {} blocks, and {count} of it are wanted", self.blocks)));
        }
        let bytes = |count: u64| usize::try_from(count << BASIC_BLOCK_SHIFT).unwrap_or(usize::MAX);
        let at = self.wrap(block, 0);
        let before_end = count.min(self.blocks.saturating_sub(at));
        let mut buf = vec![0; bytes(count)];
        let (first, second) = buf.split_at_mut(bytes(before_end));
        self.volume.read_exact_at(self.address(at), first).map_err(io)?;
        self.volume.read_exact_at(self.start, second).map_err(io)?;
        Ok(buf)
    }

    /// Says that these blocks will be wanted soon; they may go on at the start of the log.
    pub(crate) fn will_need(&self, block: u64, count: u64) {
        let (at, count) = (self.wrap(block, 0), count.min(self.blocks));
        let end = at.saturating_add(count);
        let after = end.saturating_sub(self.blocks);
        let first = self.address(at)..self.address(end.min(self.blocks));
        self.volume.will_need(&[first, self.start..self.address(after)]);
    }

    fn address(&self, block: u64) -> u64 {
        self.start.saturating_add(block << BASIC_BLOCK_SHIFT)
    }
}

/// Single blocks of a log, read in larger pieces, one of which is kept.
pub(crate) struct Window<'a> {
    log: &'a LogDevice,
    /// Number of the piece that `bytes` is.
    piece: Option<u64>,
    bytes: Vec<u8>,
}

/// Blocks of a piece.
const PIECE_BLOCKS: u64 = 128;

impl<'a> Window<'a> {
    pub(crate) fn new(log: &'a LogDevice) -> Self {
        Self { log, piece: None, bytes: Vec::new() }
    }

    /// Block `number` of the log.
    pub(crate) fn block(&mut self, number: u64) -> Result<&[u8]> {
        let outside = || corrupt(format!("block {number} of the log does not exist"));
        if number >= self.log.blocks {
            return Err(outside());
        }
        let (piece, in_piece) = (number / PIECE_BLOCKS, number % PIECE_BLOCKS);
        if self.piece != Some(piece) {
            let first = piece.saturating_mul(PIECE_BLOCKS);
            self.piece = None;
            self.bytes = self.log.read(first, PIECE_BLOCKS.min(self.log.blocks.saturating_sub(first)))?;
            self.piece = Some(piece);
        }
        let at = usize::try_from(in_piece << BASIC_BLOCK_SHIFT).unwrap_or(usize::MAX);
        self.bytes.get(at..).and_then(|bytes| bytes.get(..BASIC_BLOCK)).ok_or_else(outside)
    }
}
