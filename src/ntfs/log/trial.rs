//! The way in for the fuzz target `ntfs_log`: a volume and a log that need not belong to a whole file system.

use super::{Outcome, PATCH_SHIFT, replay};
use crate::boot::Geometry;
use crate::bytes::{index, length, slice, u32_at};
use block::{Overlay, Patches, ReadAt};
use std::sync::Arc;
use vfs::replay::Sectors;

/// Replays `log` over `volume`, with the sizes of the units that the first bytes of the volume say, and reads what was
/// changed. Meant for fuzzing alone: nothing is returned.
pub fn try_all(volume: &Arc<dyn ReadAt>, log: &[u8]) {
    let mut head = [0; 16];
    if volume.read_exact_at(0, &mut head).is_err() {
        return;
    }
    let number = |at| u32_at(&head, at).unwrap_or(0);
    let cluster_shift = number(0).clamp(9, 21);
    let geometry = Geometry {
        cluster_shift,
        record_bytes: if number(4) & 1 == 0 { 1024 } else { 4096 },
        clusters: volume.size() >> cluster_shift,
        mft_lcn: number(8).into(),
        mft_mirror_lcn: number(12).into(),
        serial: 0,
    };
    let read = |offset: u64, buf: &mut [u8]| {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = slice(log, at, buf.len()).ok_or_else(|| vfs::reader::corrupt("beyond the log"))?;
        buf.copy_from_slice(bytes);
        Ok(())
    };
    if let Ok(Outcome::Replayed(done)) = replay(volume, &geometry, &read, length(log), true) {
        let patches: Arc<dyn Patches> = Arc::<Sectors>::clone(&done.patches);
        let overlay = Overlay::new(Arc::clone(volume), patches, PATCH_SHIFT);
        let mut sector = vec![0; index(1 << PATCH_SHIFT)];
        let mut next = done.patches.next(0);
        while let Some(number) = next {
            let read = overlay.read_exact_at(number << PATCH_SHIFT, &mut sector);
            debug_assert!(read.is_ok(), "a sector that was changed lies on the volume");
            next = done.patches.next(number.saturating_add(1));
        }
    }
}
