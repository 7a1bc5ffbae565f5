//! How much of a zoned realtime part is in use: its groups are counted in the inodes of their reverse mappings, in the
//! metadata directory (Linux `fs/xfs/xfs_zone_alloc.c`).

use crate::directory;
use crate::filesystem::Xfs;
use crate::superblock::RealtimeGeometry;
use vfs::reader::corrupt;
use vfs::{NodeId, Result};

/// Groups that are looked at; with more of them it is not known how much is in use.
const GROUPS_MAX: u32 = 1 << 14;

/// Blocks in use of the realtime part.
pub(crate) fn used_blocks(fs: &Xfs, realtime: &RealtimeGeometry) -> Result<u64> {
    let groups = realtime.groups.map_or(0, |groups| groups.count);
    let root = fs.device.superblock.metadir.filter(|_| groups <= GROUPS_MAX);
    let root = root.ok_or_else(|| corrupt("there is nothing that counts the zones"))?;
    let below = |dir: NodeId, name: &str| directory::lookup(fs, fs.inode(dir)?.as_ref(), name.as_bytes());
    let directory = below(NodeId(root), "rtgroups")?;
    let mut used = 0_u64;
    for group in 0..groups {
        let map = fs.inode(below(directory, &format!("{group}.rmap"))?)?;
        used = used.saturating_add(map.used_blocks().into());
    }
    Ok(used)
}
