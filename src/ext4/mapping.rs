//! From blocks of a file to blocks of the volume, whichever way the inode describes them.

use crate::filesystem::Ext4;
use crate::inode::Inode;
use crate::{block_map, extent};
use vfs::Result;
use vfs::reader::corrupt;

/// Where a run of a file's blocks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the volume, from this block on.
    Stored(u64),
    /// Allocated and never written: reads as zeros.
    Unwritten,
    /// Nowhere: reads as zeros.
    Hole,
}

/// Blocks of a file that lie together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// How many blocks; 1 at least.
    pub(crate) count: u64,
    pub(crate) place: Place,
}

/// The run that begins at block `logical` of the file. It ends where the next one begins, not at the file's size.
pub(crate) fn run(fs: &Ext4, inode: &Inode, logical: u64) -> Result<Run> {
    let changed_from = match fs.fast_commits.run(inode.number, logical) {
        Ok(run) => {
            if let Place::Stored(start) = run.place {
                fs.device.offset(start, run.count, &inode.name())?;
            }
            return Ok(run);
        }
        Err(changed_from) => changed_from,
    };
    let too_far = |_| corrupt(format!("{}: block {logical} is more than a file can have", inode.name()));
    let number = u32::try_from(logical).map_err(too_far)?;
    let run = if inode.has_extents() { extent::run(fs, inode, number)? } else { block_map::run(fs, inode, number)? };
    let count = changed_from.map_or(run.count, |changed| run.count.min(changed.saturating_sub(logical)));
    Ok(Run { count, ..run })
}

/// Blocks of the volume that a file takes, those of its extent tree included, as the kernel counts them after the replay of
/// fast commits (Linux `ext4_ext_replay_set_iblocks`).
pub(crate) fn allocated_blocks(fs: &Ext4, inode: &Inode) -> Result<u64> {
    /// One more than the last block that a file can have.
    const END: u64 = (1 << 32) - 1;
    const RUNS_MAX: usize = 1 << 20;
    let (mut data, mut extents, mut at) = (0_u64, 0_u64, 0_u64);
    // Where the last extent would go on; nobody knows where one that was never written lies.
    let mut goes_on_at = Place::Hole;
    for _ in 0..RUNS_MAX {
        if at >= END {
            break;
        }
        let run = run(fs, inode, at)?;
        let count = run.count.min(END.saturating_sub(at));
        at = at.saturating_add(count);
        if run.place != Place::Hole {
            data = data.saturating_add(count);
            extents = extents.saturating_add(u64::from(run.place != goes_on_at));
        }
        goes_on_at = match run.place {
            Place::Stored(start) => Place::Stored(start.saturating_add(count)),
            place => place,
        };
    }
    // A tree that was changed is drawn together into the inode where it fits.
    let needed = extent::nodes_for(fs, extents);
    let is_inside = needed == 0 && fs.fast_commits.has_ranges(inode.number);
    let nodes = if is_inside { 0 } else { extent::node_count(fs, inode)?.max(needed) };
    Ok(data.saturating_add(nodes))
}
