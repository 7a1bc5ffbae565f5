//! New inodes, of which only is logged that there are some (Linux `fs/xfs/xfs_icreate_item.c`,
//! `xfs_ialloc_inode_init`).

use super::buffer::{INODE_MAGIC, put_inode_checksum};
use super::fields::{Item, Region};
use super::layout::BASIC_BLOCK_SHIFT;
use super::replay::{DISK_ORDER, Replay};
use vfs::Result;
use vfs::reader::corrupt;

/// `struct xfs_icreate_log`, big-endian behind its first two fields.
struct Create {
    group: u64,
    block: u64,
    inodes: u64,
    inode_bytes: u32,
    blocks: u64,
    generation: u32,
}

impl Create {
    fn parse(item: &Item<'_>) -> Result<Self> {
        let region = Region { order: DISK_ORDER, ..item.format(28)? };
        Ok(Self {
            group: region.u32(4)?.into(),
            block: region.u32(8)?.into(),
            inodes: region.u32(12)?.into(),
            inode_bytes: region.u32(16)?,
            blocks: region.u32(20)?.into(),
            generation: region.u32(24)?,
        })
    }
}

/// Inodes that are made at once (`XFS_INODES_PER_CHUNK`).
const CHUNK_INODES: u64 = 64;

impl Replay {
    /// Linux `xlog_recover_icreate_commit_pass2`.
    pub(crate) fn inode_create(&mut self, item: &Item<'_>) -> Result<()> {
        let create = Create::parse(item)?;
        let superblock = &self.superblock;
        let per_block_log = superblock.inodes_per_block_log();
        let whole = CHUNK_INODES.max(1 << per_block_log) >> per_block_log;
        let sparse = u64::from(superblock.sparse_inode_blocks);
        let is_valid = create.block != 0
            && 1_u32.checked_shl(superblock.inode_shift) == Some(create.inode_bytes)
            && (create.blocks == whole || (create.blocks == sparse && sparse != 0))
            && create.inodes == create.blocks << per_block_log
            && create.block.saturating_add(create.blocks) <= superblock.ag_length(create.group);
        let first = self.group_sector(create.group, create.block).filter(|_| is_valid).ok_or_else(|| {
            corrupt(format!(
                "the log is damaged: it makes {} inodes in {} blocks of group {} at {}",
                create.inodes, create.blocks, create.group, create.block
            ))
        })?;
        let sectors_of = |blocks: u64| blocks << superblock.block_shift >> BASIC_BLOCK_SHIFT;
        let cluster = sectors_of(self.cluster_blocks);
        let clusters = create.blocks.checked_div(self.cluster_blocks).unwrap_or(0);
        // Where one of their buffers was freed, something else may be by now.
        let is_freed = (0..clusters).any(|number| {
            let sector = first.saturating_add(number.saturating_mul(cluster));
            u32::try_from(cluster).is_ok_and(|cluster| self.cancelled.contains(sector, cluster))
        });
        if is_freed {
            return Ok(());
        }
        let number = (create.group << superblock.ag_block_log | create.block) << per_block_log;
        self.volume.update(first, sectors_of(create.blocks), &mut self.memory, |bytes| {
            bytes.fill(0);
            for (number, inode) in (number..).zip(bytes.chunks_exact_mut(1 << superblock.inode_shift)) {
                new_inode(inode, number, create.generation, superblock.features.is_v5(), &superblock.meta_uuid)?;
            }
            Ok(())
        })
    }
}

/// Makes an inode that is not in use.
fn new_inode(inode: &mut [u8], number: u64, generation: u32, is_v5: bool, uuid: &[u8; 16]) -> Result<()> {
    let version = if is_v5 { 3 } else { 2 };
    let mut put = |at: usize, bytes: &[u8]| {
        let place = inode.get_mut(at..at.saturating_add(bytes.len()));
        // An inode has 256 bytes at least, and 512 in version 5.
        let place = place.ok_or_else(|| corrupt("an inode is too small to be one"))?;
        place.copy_from_slice(bytes);
        Ok(())
    };
    put(0, &INODE_MAGIC)?;
    put(4, &[version])?;
    put(92, &generation.to_be_bytes())?;
    put(96, &u32::MAX.to_be_bytes())?;
    if is_v5 {
        put(152, &number.to_be_bytes())?;
        put(160, uuid)?;
    }
    put_inode_checksum(inode);
    Ok(())
}
