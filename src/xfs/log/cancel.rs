//! Buffers that were freed: what was logged of them before must not be replayed, as their blocks may hold a file's data
//! by now (Linux `xlog_add_buffer_cancelled` and the like).

use std::collections::HashMap;

/// How often each buffer (its first sector and its number of sectors) is freed by what was not replayed yet.
#[derive(Default)]
pub(crate) struct Cancelled(HashMap<(u64, u32), u32>);

/// What a buffer takes in it, in bytes.
pub(crate) const ENTRY_MEMORY: usize = 48;

impl Cancelled {
    /// Notes that a buffer is freed; whether that is new.
    pub(crate) fn add(&mut self, sector: u64, count: u32) -> bool {
        let times = self.0.entry((sector, count)).or_default();
        *times = times.saturating_add(1);
        *times == 1
    }

    pub(crate) fn contains(&self, sector: u64, count: u32) -> bool {
        self.0.contains_key(&(sector, count))
    }

    /// Passes one of the places where a buffer is freed; false when it is none.
    pub(crate) fn pass(&mut self, sector: u64, count: u32) -> bool {
        let Some(times) = self.0.get_mut(&(sector, count)) else { return false };
        *times = times.saturating_sub(1);
        if *times == 0 {
            self.0.remove(&(sector, count));
        }
        true
    }
}
