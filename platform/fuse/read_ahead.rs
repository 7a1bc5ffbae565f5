//! What will be read next, guessed from what was read.

use std::ops::Range;

/// The first guess in bytes.
const WINDOW_MIN: u64 = 256 << 10;
/// The boldest guess in bytes.
const WINDOW_MAX: u64 = 8 << 20;
/// The kernel asks for the parts of a sequential read side by side; they come out of order by as much as this.
const SLACK: u64 = 4 << 20;

/// The reads of one open file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadAhead {
    /// Where a sequential reader goes on.
    next: u64,
    /// Up to where was told already.
    told: u64,
    window: u64,
}

impl ReadAhead {
    /// Notes a read; gives what should be fetched, if anything new.
    pub(crate) fn read(&mut self, offset: u64, length: u64, size: u64) -> Option<Range<u64>> {
        let end = offset.saturating_add(length);
        let sequential = offset <= self.next.saturating_add(SLACK) && end.saturating_add(SLACK) >= self.next;
        if !sequential {
            *self = Self { next: end, told: end, window: 0 };
            return None;
        }
        self.next = self.next.max(end);
        self.told = self.told.max(end);
        // Fetched half of what was told: time to tell more.
        if self.told >= self.next.saturating_add(self.window >> 1) && self.window > 0 {
            return None;
        }
        self.window = self.window.saturating_mul(2).clamp(WINDOW_MIN, WINDOW_MAX);
        let until = self.next.saturating_add(self.window).min(size);
        let range = self.told..until;
        if range.is_empty() {
            return None;
        }
        self.told = until;
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 30;
    const STEP: u64 = 128 << 10;

    #[test]
    fn a_sequential_reader_is_kept_ahead_of_without_telling_twice() {
        let mut state = ReadAhead::default();
        let (mut told, mut largest) = (0, 0);
        for offset in (0..256 << 20).step_by(STEP as usize) {
            if let Some(range) = state.read(offset, STEP, SIZE) {
                assert!(range.start >= told, "told twice");
                told = range.end;
                largest = largest.max(range.end - offset - STEP);
            }
            assert!(told >= (offset + STEP), "behind the reader");
        }
        assert_eq!(largest, WINDOW_MAX);
    }

    #[test]
    fn a_random_reader_has_nothing_fetched() {
        let mut state = ReadAhead::default();
        state.read(0, 4096, SIZE);
        for offset in [500 << 20, 20 << 20, 800 << 20, 100 << 20] {
            assert_eq!(state.read(offset, 4096, SIZE), None, "{offset}");
        }
    }

    #[test]
    fn parts_of_one_read_may_come_out_of_order() {
        let mut state = ReadAhead::default();
        let mut told = 0;
        for pair in (0..64_u64).map(|index| index ^ 1) {
            if let Some(range) = state.read(pair * STEP, STEP, SIZE) {
                told = range.end;
            }
        }
        assert!(told >= 64 * STEP);
    }

    #[test]
    fn nothing_is_fetched_beyond_the_end() {
        let mut state = ReadAhead::default();
        assert_eq!(state.read(0, 4096, 10_000), Some(4096..10_000));
        assert_eq!(state.read(4096, 4096, 10_000), None);
        assert_eq!(ReadAhead::default().read(0, 4096, 4096), None);
        assert_eq!(ReadAhead::default().read(u64::MAX, u64::MAX, 10), None);
    }
}
