//! A VHDX as it would be after the replay of its log. The file itself is only read.

use block::{ReadAt, ReadError, ReadErrorKind};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a log puts in the place of what is in the file.
#[derive(Clone)]
pub(super) enum Edit {
    Zeros,
    /// These bytes; fewer of them where a newer edit lies over their end.
    Data(Bytes),
}

/// All edits, none of which lies over another.
pub(super) struct Edits {
    /// By first byte; with the byte after the last one.
    by_start: BTreeMap<u64, (u64, Edit)>,
    file_bytes: u64,
}

impl Edits {
    /// No edits of a file that is, or becomes, `file_bytes` long.
    pub(super) const fn new(file_bytes: u64) -> Self {
        Self { by_start: BTreeMap::new(), file_bytes }
    }

    /// Puts `edit` over `bytes` from `start` on, and over what is there already. `None`, and nothing done, when that
    /// is no place.
    pub(super) fn put(&mut self, start: u64, bytes: u64, edit: Edit) -> Option<()> {
        let end = start.checked_add(bytes)?;
        if bytes == 0 || !start.is_multiple_of(4096) || !bytes.is_multiple_of(4096) {
            return None;
        }
        let before = self.by_start.range(..start).next_back().map(|(at, (end, edit))| (*at, *end, edit.clone()));
        if let Some((at, before_end, before)) = before.filter(|(_, before_end, _)| *before_end > start) {
            if before_end > end {
                self.by_start.insert(end, (before_end, before.after(end.checked_sub(at)?)));
            }
            self.by_start.insert(at, (start, before));
        }
        while let Some((at, covered_end)) = self.by_start.range(start..end).next().map(|(at, (end, _))| (*at, *end)) {
            let (_, covered) = self.by_start.remove(&at)?;
            if covered_end > end {
                self.by_start.insert(end, (covered_end, covered.after(end.checked_sub(at)?)));
            }
        }
        self.by_start.insert(start, (end, edit));
        self.file_bytes = self.file_bytes.max(end);
        Some(())
    }
}

impl Edit {
    /// What of it comes after its first `bytes`.
    fn after(&self, bytes: u64) -> Self {
        match self {
            Self::Zeros => Self::Zeros,
            Self::Data(data) => {
                let from = usize::try_from(bytes).unwrap_or(usize::MAX).min(data.len());
                Self::Data(data.slice(from..))
            }
        }
    }
}

/// A file with edits over it.
pub(super) struct Replayed {
    pub(super) file: Arc<dyn ReadAt>,
    pub(super) edits: Edits,
}

impl Replayed {
    /// Reads from the file; what is behind its end is what the log made it longer by, zeros.
    fn read_file(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let there = usize::try_from(self.file.size().saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let (there, beyond) = buf.split_at_mut(there);
        beyond.fill(0);
        if there.is_empty() { Ok(()) } else { self.file.read_exact_at(offset, there) }
    }
}

impl ReadAt for Replayed {
    fn size(&self) -> u64 {
        self.edits.file_bytes
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let outside = || ReadError::new(ReadErrorKind::OutOfRange, offset, length);
        let end = offset.checked_add(length).filter(|end| *end <= self.size()).ok_or_else(outside)?;
        let (mut at, mut rest) = (offset, buf);
        while !rest.is_empty() {
            let over = self.edits.by_start.range(..=at).next_back().filter(|(_, (over_end, _))| *over_end > at);
            let next = self.edits.by_start.range(at..).next().map_or(end, |(start, _)| *start);
            let part_end = over.map_or(next, |(_, (over_end, _))| *over_end).min(end);
            let count = usize::try_from(part_end.saturating_sub(at)).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            match over {
                None => self.read_file(at, now)?,
                Some((_, (_, Edit::Zeros))) => now.fill(0),
                Some((start, (_, Edit::Data(data)))) => {
                    let from = usize::try_from(at.saturating_sub(*start)).map_err(|_| outside())?;
                    let found = from.checked_add(count).and_then(|to| data.get(from..to));
                    now.copy_from_slice(found.ok_or_else(outside)?);
                }
            }
            rest = later;
            at = part_end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn edits_read_as_if_they_had_been_written_in_their_order(
            edits in proptest::collection::vec((0..20_u64, 1..6_u64, any::<bool>()), 0..12),
            offset in 0..70_000_usize,
            length in 0..30_000_usize,
        ) {
            let mut written: Vec<u8> = (0..16 << 12).map(|at| (at % 249 + 1) as u8).collect();
            let file: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(written.clone(), BlockSize::B512));
            let mut noted = Edits::new(file.size());
            for (number, (sector, sectors, is_data)) in edits.into_iter().enumerate() {
                let sectors = if is_data { 1 } else { sectors };
                let byte = if is_data { 250 + (number % 6) as u8 } else { 0 };
                let (start, bytes) = (sector as usize * 4096, sectors as usize * 4096);
                written.resize(written.len().max(start + bytes), 0);
                written[start..start + bytes].fill(byte);
                let edit = if is_data { Edit::Data(vec![byte; bytes].into()) } else { Edit::Zeros };
                prop_assert!(noted.put(start as u64, bytes as u64, edit).is_some());
            }
            let replayed = Replayed { file, edits: noted };
            prop_assert_eq!(replayed.size(), written.len() as u64);
            let mut buf = vec![7; length];
            let result = replayed.read_exact_at(offset as u64, &mut buf);
            if offset + length > written.len() {
                prop_assert_eq!(result.unwrap_err().kind, ReadErrorKind::OutOfRange);
            } else {
                prop_assert!(result.is_ok() && buf == written[offset..offset + length]);
            }
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let mut edits = Edits::new(1 << 20);
        assert!(edits.put(100, 4096, Edit::Zeros).is_none());
        assert!(edits.put(4096, 0, Edit::Zeros).is_none());
        assert!(edits.put(4096, 100, Edit::Zeros).is_none());
        assert!(edits.put(u64::MAX - 4095, 8192, Edit::Zeros).is_none());
    }
}
