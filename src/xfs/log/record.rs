//! Records: what the kernel writes to the log at once, from the log's tail to its head.

use super::device::LogDevice;
use super::fields::Order;
use super::layout::{
    BASIC_BLOCK, CYCLES_PER_HEADER, EXTENSION_CYCLES_OFFSET, EXTENSION_SUMMED_BYTES, HEADER_CYCLE_BYTES,
    RECORD_BYTES_MAX, RECORD_CRC_OFFSET, RECORD_MAGIC, RECORD_SUMMED_BYTES, RawRecordHeader,
};
use crate::bytes::{array, length};
use vfs::reader::corrupt;
use vfs::{Error, Result};
use zerocopy::FromBytes;

/// What is needed of a record's header.
#[derive(Clone, Debug)]
pub(crate) struct RecordHeader {
    pub(crate) cycle: u32,
    /// Length of the data in bytes.
    pub(crate) length: u64,
    /// Where the record begins: cycle and block.
    pub(crate) lsn: u64,
    /// Where the log began when the record was written.
    pub(crate) tail_lsn: u64,
    pub(crate) operations: u32,
    pub(crate) uuid: [u8; 16],
    /// Bytes that a record could have when it was written.
    pub(crate) buffer_bytes: u64,
    /// Blocks of the header.
    pub(crate) header_blocks: u64,
    version: u32,
    format: u32,
    crc: u32,
}

/// Whether a block of the log begins a record.
pub(crate) fn is_header(block: &[u8]) -> bool {
    array(block, 0) == Some(RECORD_MAGIC.to_be_bytes())
}

/// The block of a log sequence number.
pub(crate) fn lsn_block(lsn: u64) -> u64 {
    lsn & u64::from(u32::MAX)
}

/// The cycle of a log sequence number.
pub(crate) fn lsn_cycle(lsn: u64) -> u64 {
    lsn >> u32::BITS
}

impl RecordHeader {
    /// The header that `block` is; `None` when it is none. Nothing else is checked.
    pub(crate) fn parse(block: &[u8], is_v2_log: bool) -> Option<Self> {
        let (raw, _) = RawRecordHeader::ref_from_prefix(block).ok()?;
        let (version, size) = (raw.h_version.get(), u64::from(raw.h_size.get()));
        let has_extensions = is_v2_log && version & 2 != 0 && size > HEADER_CYCLE_BYTES;
        (raw.h_magicno.get() == RECORD_MAGIC).then(|| Self {
            cycle: raw.h_cycle.get(),
            length: raw.h_len.get().into(),
            lsn: raw.h_lsn.get(),
            tail_lsn: raw.h_tail_lsn.get(),
            operations: raw.h_num_logops.get(),
            uuid: raw.h_fs_uuid,
            buffer_bytes: if is_v2_log { size } else { HEADER_CYCLE_BYTES },
            header_blocks: if has_extensions { size.div_ceil(HEADER_CYCLE_BYTES) } else { 1 },
            version,
            format: raw.h_fmt.get(),
            crc: u32::from_le_bytes(raw.h_crc),
        })
    }

    /// Blocks of the data.
    pub(crate) fn data_blocks(&self) -> u64 {
        self.length.div_ceil(length(&[0; BASIC_BLOCK]))
    }

    /// All its blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.header_blocks.saturating_add(self.data_blocks())
    }

    /// What is wrong with it, if anything is (Linux `xlog_valid_rec_header`).
    fn defect(&self) -> Option<String> {
        if self.version == 0 || self.version & !3 != 0 {
            return Some(format!("its version is {}", self.version));
        }
        // mkfs.xfs gives the one record of a new log the size of a stripe unit, which may be more than it says.
        let is_first = self.operations == 1;
        let most = if is_first { RECORD_BYTES_MAX } else { self.buffer_bytes.min(RECORD_BYTES_MAX) };
        if self.length == 0 || self.length > most || self.header_blocks > RECORD_BYTES_MAX / HEADER_CYCLE_BYTES {
            return Some(format!("it has {} bytes, in buffers of {}", self.length, self.buffer_bytes));
        }
        None
    }

    /// The order of bytes in its log items; an error when they cannot be read (Linux `xlog_header_check_recover`).
    pub(crate) fn order(&self) -> Result<Order> {
        match self.format {
            1 => Ok(Order::Little),
            2 => Ok(Order::Big),
            0 | 3 => Err(Error::new(
                vfs::ErrorKind::Unsupported,
                "the log was written by IRIX, whose log items are not read: mounting it there would empty the log",
            )),
            format => Err(corrupt(format!("the log is damaged: a record of the unknown format {format}"))),
        }
    }
}

/// A record whose checksum is not known yet.
pub(crate) struct Record {
    pub(crate) header: RecordHeader,
    header_bytes: Vec<u8>,
    data: Vec<u8>,
}

/// Why a record cannot be had.
pub(crate) enum Fault {
    /// What is there is no whole record.
    Damaged(String),
    /// It could not be read, or something else failed.
    Other(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Record {
    /// The record that begins at `block`.
    pub(crate) fn read(log: &LogDevice, block: u64, is_v2_log: bool) -> std::result::Result<Self, Fault> {
        let first = log.read(block, 1)?;
        let damaged = |what: &str| Fault::Damaged(format!("the record at block {block} of the log: {what}"));
        let header = RecordHeader::parse(&first, is_v2_log).ok_or_else(|| damaged("there is none"))?;
        if let Some(defect) = header.defect() {
            return Err(damaged(&defect));
        }
        if header.blocks() > log.blocks() {
            return Err(damaged("it is longer than the log"));
        }
        let mut bytes = log.read(block, header.blocks())?;
        let header_bytes = usize::try_from(header.header_blocks).unwrap_or(usize::MAX).saturating_mul(BASIC_BLOCK);
        let mut data = bytes.split_off(header_bytes.min(bytes.len()));
        data.truncate(usize::try_from(header.length).unwrap_or(usize::MAX));
        Ok(Self { header, header_bytes: bytes, data })
    }

    /// Whether its checksum is right (Linux `xlog_cksum`).
    fn sum_is_right(&self) -> bool {
        RECORD_SUMMED_BYTES.into_iter().any(|summed| self.sum(summed) == self.header.crc)
    }

    fn sum(&self, summed: usize) -> u32 {
        // Blocks of the header that say nothing of this record are not counted.
        let used = usize::try_from(self.header.length.div_ceil(HEADER_CYCLE_BYTES)).unwrap_or(usize::MAX);
        let blocks = self.header_bytes.chunks_exact(BASIC_BLOCK).take(used).enumerate();
        let header = blocks.fold(0, |sum, (number, block)| {
            if number > 0 {
                return crc32c::crc32c_append(sum, block.get(..EXTENSION_SUMMED_BYTES).unwrap_or_default());
            }
            let block = block.get(..summed).unwrap_or_default();
            let (before, rest) = block.split_at(RECORD_CRC_OFFSET.min(block.len()));
            let sum = crc32c::crc32c_append(crc32c::crc32c(before), &[0; 4]);
            crc32c::crc32c_append(sum, rest.get(4..).unwrap_or_default())
        });
        crc32c::crc32c_append(header, &self.data)
    }

    /// What is wrong with its checksum when torn writes are looked for: none of them is 0, which old kernels and
    /// mkfs.xfs write.
    pub(crate) fn is_torn(&self) -> bool {
        self.header.crc != 0 && !self.sum_is_right()
    }

    /// Its data with the first words of its blocks put back; an error when the checksum is wrong.
    pub(crate) fn unpack(mut self, is_v5: bool) -> Result<(RecordHeader, Vec<u8>)> {
        let lsn = self.header.lsn;
        if is_v5 && !self.sum_is_right() {
            return Err(corrupt(format!(
                "the log is damaged: the record of cycle {}, block {} fails its checksum",
                lsn_cycle(lsn),
                lsn_block(lsn)
            )));
        }
        let heads: Vec<&[u8]> = self.header_bytes.chunks_exact(BASIC_BLOCK).collect();
        for (number, block) in self.data.chunks_mut(BASIC_BLOCK).enumerate() {
            let (head, slot) = (number / CYCLES_PER_HEADER, number % CYCLES_PER_HEADER);
            let start = if head == 0 { size_of::<[u32; 11]>() } else { EXTENSION_CYCLES_OFFSET };
            let at = start.saturating_add(slot.saturating_mul(4));
            let word = heads.get(head).and_then(|head| array::<4>(head, at));
            let (Some(word), Some(place)) = (word, block.get_mut(..4)) else {
                return Err(corrupt(format!(
                    "the log is damaged: block {number} of a record has no place in its header"
                )));
            };
            place.copy_from_slice(&word);
        }
        Ok((self.header, self.data))
    }
}

/// Which part of a log is walked through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The block at which the oldest record begins.
    pub(crate) tail: u64,
    /// The block behind the newest one.
    pub(crate) head: u64,
    pub(crate) is_v2_log: bool,
}

/// What ended a walk.
pub(crate) struct Stopped {
    /// The block at which the record begins that could not be had.
    pub(crate) at: u64,
    pub(crate) fault: Fault,
}

/// Gives every record of a part of the log to `each`, the oldest first (Linux `xlog_do_recovery_pass`).
pub(crate) fn walk(
    log: &LogDevice,
    span: Span,
    each: &mut dyn FnMut(Record) -> std::result::Result<(), Fault>,
) -> std::result::Result<(), Stopped> {
    const AHEAD_BLOCKS: u64 = (4 << 20) >> 9;
    let total = log.distance(span.tail, span.head);
    let (mut done, mut hinted) = (0, 0);
    // Ends: a record has two blocks at least.
    while done < total {
        if done.saturating_add(AHEAD_BLOCKS / 2) > hinted && hinted < total {
            let count = AHEAD_BLOCKS.min(total.saturating_sub(hinted));
            log.will_need(log.wrap(span.tail, hinted), count);
            hinted = hinted.saturating_add(count);
        }
        let at = log.wrap(span.tail, done);
        let stopped = |fault| Stopped { at, fault };
        let record = Record::read(log, at, span.is_v2_log).map_err(stopped)?;
        let blocks = record.header.blocks();
        each(record).map_err(stopped)?;
        done = done.saturating_add(blocks);
    }
    Ok(())
}
