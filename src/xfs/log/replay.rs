//! The two passes over the log: what was freed, then what was changed (Linux `xlog_do_log_recovery`).

use super::buffer::BufferFormat;
use super::cancel::{Cancelled, ENTRY_MEMORY};
use super::fields::{Item, Order};
use super::inode::InodeFormat;
use super::intent::{Intent, Intents};
use super::layout::BASIC_BLOCK_SHIFT;
use super::quota::Quotas;
use super::stamp::Finish;
use super::transaction::Transaction;
use crate::superblock::Superblock;
use block::ReadAt;
use std::collections::BTreeMap;
use std::sync::Arc;
use vfs::Result;
use vfs::replay::{Memory, Sectors, Volume};

/// `XFS_LI_*`: what a log item is.
pub(crate) mod kind {
    pub(crate) const EFI: u16 = 0x1236;
    pub(crate) const EFD: u16 = 0x1237;
    pub(crate) const INODE: u16 = 0x123B;
    pub(crate) const BUFFER: u16 = 0x123C;
    pub(crate) const DQUOT: u16 = 0x123D;
    pub(crate) const QUOTA_OFF: u16 = 0x123E;
    pub(crate) const INODE_CREATE: u16 = 0x123F;
    pub(crate) const RUI: u16 = 0x1240;
    pub(crate) const RUD: u16 = 0x1241;
    pub(crate) const CUI: u16 = 0x1242;
    pub(crate) const CUD: u16 = 0x1243;
    pub(crate) const BUI: u16 = 0x1244;
    pub(crate) const BUD: u16 = 0x1245;
    pub(crate) const ATTRI: u16 = 0x1246;
    pub(crate) const ATTRD: u16 = 0x1247;
    pub(crate) const XMI: u16 = 0x1248;
    pub(crate) const XMD: u16 = 0x1249;
    pub(crate) const EFI_RT: u16 = 0x124A;
    pub(crate) const EFD_RT: u16 = 0x124B;
    pub(crate) const RUI_RT: u16 = 0x124C;
    pub(crate) const RUD_RT: u16 = 0x124D;
    pub(crate) const CUI_RT: u16 = 0x124E;
    pub(crate) const CUD_RT: u16 = 0x124F;
}

/// A log item that nobody knows.
fn unknown(kind: u16) -> vfs::Error {
    vfs::Error::new(
        vfs::ErrorKind::Unsupported,
        format!("its log holds a log item of the unknown type {kind:#06x}, so what it changes is not known"),
    )
}

/// What the first pass found.
#[derive(Default)]
pub(crate) struct FirstPass {
    pub(crate) cancelled: Cancelled,
    /// Types of quotas that were switched off, in the bits of `d_type`.
    pub(crate) quotas_off: u8,
}

impl FirstPass {
    /// Takes a transaction (the commit functions of Linux for pass 1).
    pub(crate) fn take(&mut self, transaction: &Transaction, memory: &mut Memory) -> Result<()> {
        for item in transaction.items()? {
            match item.kind()? {
                kind::BUFFER => {
                    let format = BufferFormat::parse(&item)?;
                    if format.is_cancel() && self.cancelled.add(format.sector, format.sectors) {
                        memory.take(ENTRY_MEMORY)?;
                    }
                }
                kind::QUOTA_OFF => self.quotas_off |= super::quota::switched_off(&item)?,
                kind::EFI..=kind::EFD | kind::INODE..=kind::CUD_RT => {}
                other => return Err(unknown(other)),
            }
        }
        Ok(())
    }
}

/// A buffer that was changed and gets its number and checksum once no other change has the same number.
struct Unfinished {
    sectors: u64,
    finish: Finish,
    lsn: Option<u64>,
}

/// The second pass.
pub(crate) struct Replay {
    /// As the log has it so far: a file system may have grown.
    pub(crate) superblock: Superblock,
    pub(crate) cancelled: Cancelled,
    pub(crate) quotas: Quotas,
    pub(crate) volume: Volume,
    pub(crate) memory: Memory,
    /// Blocks of a buffer of inodes.
    pub(crate) cluster_blocks: u64,
    /// Blocks of trees that were given to another inode.
    pub(crate) owned_blocks: usize,
    intents: Intents,
    unfinished: BTreeMap<u64, Unfinished>,
    /// The number of the last transaction.
    lsn: u64,
    transactions: u64,
}

/// What a replay leaves behind.
pub(crate) struct Replayed {
    pub(crate) changed: Sectors,
    pub(crate) intents: Vec<Intent>,
    pub(crate) transactions: u64,
    /// Problems with quotas, which nobody is shown.
    pub(crate) notices: Vec<String>,
}

impl Replay {
    pub(crate) fn new(
        superblock: &Superblock,
        data: &Arc<dyn ReadAt>,
        first: FirstPass,
        quotas: Quotas,
        cluster_blocks: u64,
        memory: Memory,
    ) -> Self {
        Self {
            superblock: superblock.clone(),
            cancelled: first.cancelled,
            quotas,
            volume: Volume::new(Arc::clone(data)),
            memory,
            cluster_blocks,
            owned_blocks: 0,
            intents: Intents::default(),
            unfinished: BTreeMap::new(),
            lsn: 0,
            transactions: 0,
        }
    }

    /// Carries out a transaction (the commit functions of Linux for pass 2).
    pub(crate) fn take(&mut self, transaction: &Transaction) -> Result<()> {
        // Buffers get their number when they are written, which is when all changes of one number were made: else the
        // later ones would look as if they had been made already.
        if transaction.lsn != self.lsn {
            self.finish()?;
            self.lsn = transaction.lsn;
        }
        self.transactions = self.transactions.saturating_add(1);
        let items = reordered(transaction.items()?)?;
        self.read_ahead(&items);
        for item in &items {
            self.item(item, transaction.lsn)?;
        }
        Ok(())
    }

    fn item(&mut self, item: &Item<'_>, lsn: u64) -> Result<()> {
        match item.kind()? {
            kind::BUFFER => self.buffer(item, lsn),
            kind::INODE => self.inode(item, lsn),
            kind::DQUOT => self.dquot(item, lsn),
            kind::INODE_CREATE => self.inode_create(item),
            kind::QUOTA_OFF => Ok(()),
            _ => self.intents.take(item, &mut self.memory),
        }
    }

    /// Asks for what a transaction changes, before it is wanted piece by piece.
    fn read_ahead(&self, items: &[Item<'_>]) {
        let mut wanted = Vec::new();
        for item in items {
            let place = match item.kind() {
                Ok(kind::BUFFER) => BufferFormat::parse(item)
                    .ok()
                    .filter(|format| !format.is_cancel())
                    .map(|format| (format.sector, format.sectors)),
                Ok(kind::INODE) => InodeFormat::parse(item).ok().map(|format| (format.sector, format.sectors)),
                _ => None,
            };
            let place = place.filter(|(sector, count)| !self.cancelled.contains(*sector, *count));
            wanted.extend(place.map(|(sector, count)| sector..sector.saturating_add(count.into())));
        }
        self.volume.will_need(&wanted);
    }

    /// Notes what a buffer needs before it goes to the disk. What a later change makes of it counts; a number that it
    /// got from one stays.
    pub(crate) fn finish_later(&mut self, sector: u64, sectors: u64, finish: Option<Finish>, lsn: Option<u64>) {
        let before = self.unfinished.remove(&sector).and_then(|before| before.lsn);
        if let Some(finish) = finish {
            self.unfinished.insert(sector, Unfinished { sectors, finish, lsn: lsn.or(before) });
        }
    }

    /// Writes numbers and checksums into what was changed (Linux `xfs_buf_delwri_submit` with the write verifiers).
    pub(crate) fn finish(&mut self) -> Result<()> {
        for (sector, unfinished) in std::mem::take(&mut self.unfinished) {
            self.volume.update(sector, unfinished.sectors, &mut self.memory, |block| {
                unfinished.finish.put(block, unfinished.lsn);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Ends the pass.
    pub(crate) fn end(mut self) -> Result<Replayed> {
        self.finish()?;
        Ok(Replayed {
            changed: self.volume.into_changed(),
            intents: self.intents.unfinished(),
            transactions: self.transactions,
            notices: self.quotas.notices,
        })
    }

    /// The first sector of block `block` of allocation group `group`.
    pub(crate) fn group_sector(&self, group: u64, block: u64) -> Option<u64> {
        let first = group.checked_mul(self.superblock.ag_blocks)?.checked_add(block)?;
        let is_inside = group < self.superblock.ag_count && first < self.superblock.blocks;
        is_inside.then(|| first << self.superblock.block_shift >> BASIC_BLOCK_SHIFT)
    }
}

/// The items of a transaction in the order in which they are carried out: what makes inodes before what changes them,
/// lists of unlinked inodes after that, freed buffers last (Linux `xlog_recover_reorder_trans`).
fn reordered(items: Vec<Item<'_>>) -> Result<Vec<Item<'_>>> {
    let (mut buffers, mut others, mut inode_buffers, mut cancelled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for item in items {
        match item.kind()? {
            kind::BUFFER => {
                let format = BufferFormat::parse(&item)?;
                if format.is_cancel() {
                    cancelled.push(item);
                } else if format.is_inodes() {
                    inode_buffers.push(item);
                } else {
                    buffers.push(item);
                }
            }
            kind::INODE_CREATE => buffers.push(item),
            _ => others.push(item),
        }
    }
    // The kernel puts these in front of each other.
    inode_buffers.reverse();
    cancelled.reverse();
    buffers.extend(others);
    buffers.extend(inode_buffers);
    buffers.extend(cancelled);
    Ok(buffers)
}

/// The order of bytes that is not of interest for a log item that is big-endian everywhere.
pub(crate) const DISK_ORDER: Order = Order::Big;
