//! Blocks that lie over a volume: what the replay of a journal would have written to it.

use crate::{ReadAt, ReadError, ReadErrorKind};
use std::ops::Range;
use std::sync::Arc;

/// The blocks of an [`Overlay`], held in memory or found again where a log keeps them.
pub trait Patches: Send + Sync {
    /// The first block at or after `block` that is patched.
    fn next(&self, block: u64) -> Option<u64>;

    /// Fills `buf`, one block long, with what lies over `block`.
    ///
    /// # Errors
    /// When it cannot be read or is known to be wrong ([`ReadErrorKind::Damaged`]).
    fn read(&self, block: u64, buf: &mut [u8]) -> Result<(), ReadError>;

    /// Says that the patches of these blocks will be wanted soon; a hint as [`ReadAt::will_need`].
    fn will_need(&self, blocks: Range<u64>) {
        let _ = blocks;
    }
}

/// A volume as it would be after its journal was replayed. The volume itself is only read.
pub struct Overlay {
    base: Arc<dyn ReadAt>,
    patches: Arc<dyn Patches>,
    block_shift: u32,
}

/// A part of a read: it comes from the patch of this block, or from the base.
enum Part {
    Patch(u64),
    Base,
}

impl Overlay {
    /// `base` below `patches`, which are counted in blocks of `1 << block_shift` bytes, at most 2 GiB.
    #[must_use]
    pub fn new(base: Arc<dyn ReadAt>, patches: Arc<dyn Patches>, block_shift: u32) -> Self {
        Self { base, patches, block_shift: block_shift.min(31) }
    }

    /// Where the bytes from `offset` on come from, and where that ends.
    fn part(&self, offset: u64) -> (Part, u64) {
        let block = offset >> self.block_shift;
        let start_of = |block: u64| block.saturating_mul(1 << self.block_shift);
        match self.patches.next(block) {
            Some(next) if next == block => (Part::Patch(block), start_of(block.saturating_add(1))),
            Some(next) => (Part::Base, start_of(next)),
            None => (Part::Base, u64::MAX),
        }
    }

    /// Fills `buf` with bytes of one patch, from byte `offset` of the volume on.
    fn read_patch(&self, block: u64, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let block_bytes = 1_usize << self.block_shift;
        if buf.len() == block_bytes {
            return self.patches.read(block, buf);
        }
        let mut whole = vec![0; block_bytes];
        self.patches.read(block, &mut whole)?;
        let in_block = offset.wrapping_sub(block << self.block_shift);
        let part = usize::try_from(in_block).ok().and_then(|from| whole.get(from..from.checked_add(buf.len())?));
        let part = part.ok_or_else(|| ReadError::new(ReadErrorKind::OutOfRange, offset, 0))?;
        buf.copy_from_slice(part);
        Ok(())
    }
}

impl ReadAt for Overlay {
    fn size(&self) -> u64 {
        self.base.size()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        if offset.checked_add(length).is_none_or(|end| end > self.size()) {
            return Err(ReadError::new(ReadErrorKind::OutOfRange, offset, length));
        }
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let (part, end) = self.part(at);
            let bytes = usize::try_from(end.saturating_sub(at)).map_or(rest.len(), |bytes| bytes.min(rest.len()));
            let (now, after) = rest.split_at_mut(bytes);
            match part {
                Part::Patch(block) => self.read_patch(block, at, now).map_err(|error| error.at(offset, length))?,
                Part::Base => self.base.read_exact_at(at, now)?,
            }
            rest = after;
            at = at.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
        Ok(())
    }

    fn will_need(&self, ranges: &[Range<u64>]) {
        /// Patched and unpatched parts that one hint tells apart; what is behind them is not fetched ahead.
        const PARTS_MAX: usize = 256;
        let (mut wanted, mut parts) = (Vec::new(), 0..PARTS_MAX);
        for range in ranges {
            let mut at = range.start;
            while at < range.end.min(self.size()) && parts.next().is_some() {
                let (part, end) = self.part(at);
                let end = end.min(range.end);
                match part {
                    Part::Patch(block) => self.patches.will_need(block..block.saturating_add(1)),
                    Part::Base => wanted.push(at..end),
                }
                at = end;
            }
        }
        self.base.will_need(&wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BlockSize, MemoryDisk};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    struct Held(BTreeMap<u64, Vec<u8>>);

    impl Patches for Held {
        fn next(&self, block: u64) -> Option<u64> {
            self.0.range(block..).next().map(|(block, _)| *block)
        }

        fn read(&self, block: u64, buf: &mut [u8]) -> Result<(), ReadError> {
            buf.copy_from_slice(&self.0[&block]);
            Ok(())
        }
    }

    const BLOCKS: u64 = 16;

    proptest! {
        #[test]
        fn it_reads_as_if_the_patches_had_been_written(
            patched in proptest::collection::btree_map(0..BLOCKS, any::<u8>(), 0..8),
            offset in 0..BLOCKS << 10,
            length in 0..5000_usize,
        ) {
            let base: Vec<u8> = (0..BLOCKS << 10).map(|at| (at % 251) as u8).collect();
            let mut written = base.clone();
            let patches: BTreeMap<_, _> = patched.iter().map(|(block, byte)| (*block, vec![*byte; 1024])).collect();
            for (block, bytes) in &patches {
                written[*block as usize * 1024..][..1024].copy_from_slice(bytes);
            }
            let base = Arc::new(MemoryDisk::new(base, BlockSize::B512));
            let overlay = Overlay::new(base, Arc::new(Held(patches)), 10);
            let mut buf = vec![0; length];
            let result = overlay.read_exact_at(offset, &mut buf);
            let end = offset as usize + length;
            overlay.will_need(&[0..1, offset..offset + length as u64]);
            if end > written.len() {
                prop_assert_eq!(result.unwrap_err().kind, ReadErrorKind::OutOfRange);
            } else {
                prop_assert!(result.is_ok() && buf == written[offset as usize..end]);
            }
        }
    }
}
