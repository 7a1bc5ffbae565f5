//! Reading the log: which transactions are whole, and which blocks they replace (Linux `fs/jbd2/recovery.c`,
//! `do_one_pass`).
//!
//! The kernel goes through the log three times. Once is enough: a revoke holds for every copy of a block up to its own
//! transaction, and those are the ones that were seen before the transaction ends.

use super::layout::{self, BlockType, COMMIT_CHECKSUM_OFFSET, HEADER_BYTES, RawCommit, RawTag};
use super::replay::Logged;
use super::{Checksums, JournalSuperblock, Log};
use crate::bytes::{array, zero};
use crate::checksum::{crc32_be, crc32c};
use std::collections::HashMap;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result};
use zerocopy::FromBytes;

/// Blocks that one replay may replace: a log of 8 GiB with blocks of 4 KiB, where `mke2fs` makes 1 GiB at most. A bound on
/// memory (160 MB).
const BLOCKS_MAX: usize = 2 << 20;
/// Bytes of the checksum at the end of a descriptor or revoke block.
const TAIL_BYTES: usize = 4;

/// What the log holds.
pub(crate) struct Scan {
    /// The newest copy of each block, which is not revoked.
    pub(crate) blocks: HashMap<u64, Logged>,
    /// Whole transactions.
    pub(crate) transactions: u32,
    /// The number of the transaction that would come next: fast commits belong to it.
    pub(crate) next_sequence: u32,
}

/// Goes through the log from its start.
///
/// # Errors
/// When the log cannot be read, or is damaged so that nobody can say what belongs to it: the kernel does not mount such
/// a file system either.
pub(crate) fn scan(log: &Log, journal: &JournalSuperblock) -> Result<Scan> {
    let found = Scan { blocks: HashMap::new(), transactions: 0, next_sequence: journal.sequence };
    let mut scanner = Scanner {
        log,
        journal,
        found,
        at: journal.start,
        left: journal.end.saturating_sub(journal.first),
        pending: Transaction::default(),
        last_commit_time: 0,
        left_out: None,
    };
    if journal.start != 0 {
        while scanner.step()? {}
    }
    if let Some(left_out) = scanner.left_out {
        scanner.found.next_sequence = left_out;
    }
    Ok(scanner.found)
}

/// Refuses to keep more blocks than there is memory for.
fn bounded(blocks: usize) -> Result<()> {
    if blocks > BLOCKS_MAX {
        let message = format!("its journal replaces more than {BLOCKS_MAX} blocks, which is more than is kept");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// What was seen of the transaction that is not committed yet.
struct Transaction {
    blocks: Vec<(u64, Logged)>,
    /// Blocks of the log with revokes.
    revokes: Vec<u32>,
    /// Version 1 checksum.
    sum: u32,
    /// Whether a checksum failed: this may be left from an earlier use of the log, which its commit block will tell.
    is_suspect: bool,
}

impl Default for Transaction {
    fn default() -> Self {
        Self { blocks: Vec::new(), revokes: Vec::new(), sum: !0, is_suspect: false }
    }
}

struct Scanner<'a> {
    log: &'a Log,
    journal: &'a JournalSuperblock,
    found: Scan,
    /// The block to be read next.
    at: u32,
    /// Blocks until the log has been gone round once.
    left: u32,
    pending: Transaction,
    /// Seconds.
    last_commit_time: u64,
    /// A transaction that failed its checksum, in a log where that is no damage if nothing comes after it.
    left_out: Option<u32>,
}

impl Scanner<'_> {
    /// Reads the next block; false at the end of the log.
    fn step(&mut self) -> Result<bool> {
        let at = self.at;
        let block = self.log.read(at)?;
        let Some((block_type, sequence)) = layout::header(&block) else { return Ok(false) };
        if sequence != self.found.next_sequence {
            return Ok(false);
        }
        self.go_on(1)?;
        match block_type {
            BlockType::Descriptor => self.descriptor(&block).map(|()| true),
            BlockType::Revoke => {
                self.pending.is_suspect |= !self.has_tail_checksum(&block);
                self.pending.revokes.push(at);
                Ok(true)
            }
            BlockType::Commit => self.commit(&block),
        }
    }

    fn go_on(&mut self, blocks: u32) -> Result<()> {
        let damaged = || corrupt("the journal is damaged: its log has no end");
        self.left = self.left.checked_sub(blocks).ok_or_else(damaged)?;
        self.at = self.journal.after(self.at, blocks).ok_or_else(damaged)?;
        Ok(())
    }

    fn descriptor(&mut self, block: &[u8]) -> Result<()> {
        self.pending.is_suspect |= !self.has_tail_checksum(block);
        let verify_v1 = self.journal.checksums == Checksums::V1 && self.left_out.is_none();
        if verify_v1 {
            self.pending.sum = crc32_be(self.pending.sum, block);
        }
        for (number, mut logged) in self.tags(block) {
            logged.at = self.at;
            if verify_v1 {
                self.pending.sum = crc32_be(self.pending.sum, &self.log.read(self.at)?);
            }
            self.pending.blocks.push((number, logged));
            self.go_on(1)?;
        }
        bounded(self.pending.blocks.len())
    }

    /// The tags of a descriptor block: block of the volume, and what is known of its copy.
    fn tags(&self, block: &[u8]) -> Vec<(u64, Logged)> {
        const ESCAPED: u16 = 1;
        const SAME_UUID: u16 = 2;
        const LAST: u16 = 8;
        const UUID_BYTES: usize = 16;
        let tag_bytes = self.journal.tag_bytes();
        let end = block.len().saturating_sub(if self.journal.checksums.per_block() { TAIL_BYTES } else { 0 });
        let area = block.get(..end).unwrap_or_default();
        let (mut tags, mut at) = (Vec::new(), HEADER_BYTES);
        while let Some(bytes) = at.checked_add(tag_bytes).and_then(|end| area.get(at..end)) {
            let Ok((raw, rest)) = RawTag::ref_from_prefix(bytes) else { break };
            let word = |at| array(rest, at).map_or(0, u32::from_be_bytes);
            let (high, checksum) = match self.journal.checksums {
                Checksums::V3 => (word(0), word(4)),
                _ => (word(0), u32::from(raw.t_checksum.get())),
            };
            let high = if self.journal.is_64bit { u64::from(high) << 32 } else { 0 };
            let number = high | u64::from(raw.t_blocknr.get());
            let flags = raw.t_flags.get();
            let escaped = flags & ESCAPED != 0;
            tags.push((number, Logged { at: 0, sequence: self.found.next_sequence, checksum, escaped }));
            at = at.saturating_add(tag_bytes).saturating_add(if flags & SAME_UUID == 0 { UUID_BYTES } else { 0 });
            if flags & LAST != 0 {
                break;
            }
        }
        tags
    }

    /// Whether the checksum at the end of a descriptor or revoke block is right, or there is none.
    fn has_tail_checksum(&self, block: &[u8]) -> bool {
        if !self.journal.checksums.per_block() {
            return true;
        }
        let at = block.len().saturating_sub(TAIL_BYTES);
        let mut blank = block.to_vec();
        zero(&mut blank, at, TAIL_BYTES);
        array(block, at).map(u32::from_be_bytes) == Some(crc32c(self.journal.checksum_seed, &blank))
    }

    /// Ends the transaction; false when the log ends here.
    fn commit(&mut self, block: &[u8]) -> Result<bool> {
        let cut = || corrupt("a commit block of the journal is cut short");
        let (raw, _) = RawCommit::ref_from_prefix(block).map_err(|_| cut())?;
        let time = raw.h_commit_sec.get();
        let transaction = std::mem::take(&mut self.pending);
        let sequence = self.found.next_sequence;
        let damaged = || {
            let message = format!("transaction {sequence} of the journal is damaged, and the log goes on behind it");
            Err(Error::new(ErrorKind::Corrupt, message))
        };
        // What an earlier use of the log left behind has an earlier time.
        let is_stale = time < self.last_commit_time;
        if transaction.is_suspect {
            return if is_stale { Ok(false) } else { damaged() };
        }
        if self.left_out.is_some() && self.journal.checksums == Checksums::V1 {
            return damaged();
        }
        if !self.is_committed(block, raw, transaction.sum) {
            if is_stale {
                return Ok(false);
            }
            if !self.journal.async_commit {
                return damaged();
            }
            // It may have reached the disk before its transaction did: then nothing comes after it.
            self.left_out = Some(self.left_out.unwrap_or(sequence));
            self.found.next_sequence = sequence.wrapping_add(1);
            return Ok(true);
        }
        self.last_commit_time = time;
        self.found.next_sequence = sequence.wrapping_add(1);
        if self.left_out.is_none() {
            self.apply(transaction)?;
        }
        Ok(true)
    }

    /// Whether the checksum of a commit block is right, or there is none.
    fn is_committed(&self, block: &[u8], raw: &RawCommit, sum: u32) -> bool {
        const CRC32: (u8, u8) = (1, 4);
        let found = raw.h_chksum.first().map_or(0, |sum| sum.get());
        match self.journal.checksums {
            Checksums::None => true,
            Checksums::V1 => {
                let form = (raw.h_chksum_type, raw.h_chksum_size);
                (form == CRC32 && found == sum) || (form == (0, 0) && found == 0)
            }
            Checksums::V2 | Checksums::V3 => {
                let sum = |mut block: Vec<u8>| {
                    zero(&mut block, COMMIT_CHECKSUM_OFFSET, 4);
                    crc32c(self.journal.checksum_seed, &block)
                };
                // Some kernels left old bytes behind the header, which the checksum does not count.
                let mut header_only = block.to_vec();
                let header = size_of::<RawCommit>();
                zero(&mut header_only, header, block.len().saturating_sub(header));
                sum(block.to_vec()) == found || sum(header_only) == found
            }
        }
    }

    /// Takes the blocks of a whole transaction, then forgets those that it revokes.
    fn apply(&mut self, transaction: Transaction) -> Result<()> {
        self.found.blocks.extend(transaction.blocks);
        bounded(self.found.blocks.len())?;
        for at in transaction.revokes {
            let block = self.log.read(at)?;
            for number in self.revoked(&block)? {
                self.found.blocks.remove(&number);
            }
        }
        self.found.transactions = self.found.transactions.saturating_add(1);
        Ok(())
    }

    /// The blocks that a revoke block names (`jbd2_journal_revoke_header_t`).
    fn revoked(&self, block: &[u8]) -> Result<Vec<u64>> {
        const COUNT_OFFSET: usize = 12;
        const RECORDS_OFFSET: usize = 16;
        let bad = || corrupt("the journal is damaged: a revoke block without a size");
        let bytes = array(block, COUNT_OFFSET).map(u32::from_be_bytes).and_then(|bytes| usize::try_from(bytes).ok());
        let tail = if self.journal.checksums.per_block() { TAIL_BYTES } else { 0 };
        let bytes = bytes.filter(|bytes| *bytes <= block.len().saturating_sub(tail)).ok_or_else(bad)?;
        let records = block.get(RECORDS_OFFSET..bytes).unwrap_or_default();
        let narrow = || records.chunks_exact(4).filter_map(|record| array(record, 0)).map(u32::from_be_bytes);
        let wide = || records.chunks_exact(8).filter_map(|record| array(record, 0)).map(u64::from_be_bytes);
        Ok(if self.journal.is_64bit { wide().collect() } else { narrow().map(u64::from).collect() })
    }
}
