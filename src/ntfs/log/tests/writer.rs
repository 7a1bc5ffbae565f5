//! Writes logs: records, checkpoints, pages and their copies, as Windows would.

use crate::fixup;
use crate::log::lsn::{LogLayout, Lsn, RECORD_HEADER};
use std::collections::BTreeMap;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// Where records begin in a page.
pub(super) const DATA: usize = 0x40;
/// Pages of the logs that are made here.
pub(super) const PAGES: u64 = 0x60;

/// A log in the making.
#[derive(Clone)]
pub(super) struct LogWriter {
    pub(super) layout: LogLayout,
    pub(super) pages: BTreeMap<u64, Vec<u8>>,
    /// Where the next record goes: page, offset, round.
    pub(super) at: (u64, usize, u64),
    pub(super) last: Lsn,
    /// The last record of each transaction.
    chains: BTreeMap<u32, Lsn>,
    pub(super) restart: Lsn,
    pub(super) oldest: Lsn,
    /// Where each record of the volume ended up.
    pub(super) current: Option<Lsn>,
    /// Pages of one transfer each, unless a test writes other numbers.
    pub(super) is_clean: bool,
}

/// The change of a record.
#[derive(Clone, Default)]
pub(super) struct Body {
    pub(super) redo: u16,
    pub(super) undo: u16,
    pub(super) redo_data: Vec<u8>,
    pub(super) undo_data: Vec<u8>,
    pub(super) target: u16,
    pub(super) record_offset: u16,
    pub(super) attribute_offset: u16,
    /// In units of 512 bytes.
    pub(super) cluster_offset: u16,
    pub(super) vcn: u64,
    pub(super) lcns: Vec<u64>,
}

impl Body {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let head = 0x20 + 8 * self.lcns.len().max(1);
        let redo_at = head;
        let undo_at = redo_at + self.redo_data.len().next_multiple_of(8);
        let mut bytes = Vec::new();
        let numbers = [
            self.redo,
            self.undo,
            redo_at as u16,
            self.redo_data.len() as u16,
            undo_at as u16,
            self.undo_data.len() as u16,
            self.target,
            self.lcns.len() as u16,
            self.record_offset,
            self.attribute_offset,
            self.cluster_offset,
            0,
        ];
        numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes.extend(self.vcn.to_le_bytes());
        self.lcns.iter().for_each(|lcn| bytes.extend(lcn.to_le_bytes()));
        bytes.resize(head, 0);
        bytes.extend(&self.redo_data);
        bytes.resize(undo_at, 0);
        bytes.extend(&self.undo_data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }
}

impl LogWriter {
    /// An empty log of version 2.0, or of 1.1, that goes on in this page and round.
    pub(super) fn new(is_fast: bool, page: u64, round: u64) -> Self {
        let bytes = PAGES * PAGE as u64;
        let layout = LogLayout {
            page_bytes: PAGE,
            pages: PAGES,
            first_page: if is_fast { 0x22 } else { 4 },
            data_offset: DATA,
            sequence_bits: bytes.leading_zeros() + 3,
            is_fast,
        };
        Self {
            layout,
            pages: BTreeMap::new(),
            at: (page, DATA, round),
            last: Lsn(0),
            chains: BTreeMap::new(),
            restart: Lsn(0),
            oldest: Lsn(0),
            current: None,
            is_clean: false,
        }
    }

    /// A change that belongs to a transaction.
    pub(super) fn change(&mut self, transaction: u32, body: &Body) -> Lsn {
        self.change_with(transaction, body, 0, None)
    }

    /// The same with flags, and with another record to be undone next.
    pub(super) fn change_with(&mut self, transaction: u32, body: &Body, flags: u16, undo_next: Option<Lsn>) -> Lsn {
        let previous = self.chains.get(&transaction).copied().unwrap_or(Lsn(0));
        let lsn = self.record(1, transaction, flags, &body.bytes(), (previous, undo_next.unwrap_or(previous)));
        self.chains.insert(transaction, lsn);
        lsn
    }

    /// A change whose bytes are these.
    pub(super) fn raw_change(&mut self, transaction: u32, body: &[u8], flags: u16) -> Lsn {
        let previous = self.chains.get(&transaction).copied().unwrap_or(Lsn(0));
        let lsn = self.record(1, transaction, flags, body, (previous, previous));
        self.chains.insert(transaction, lsn);
        lsn
    }

    /// The end of a transaction that is to stay.
    pub(super) fn forget(&mut self, transaction: u32) {
        self.change_with(transaction, &Body { redo: 0x1B, undo: 1, ..Body::default() }, 0, Some(Lsn(0)));
        self.chains.remove(&transaction);
    }

    fn record(&mut self, kind: u32, transaction: u32, flags: u16, body: &[u8], (previous, undo): (Lsn, Lsn)) -> Lsn {
        if self.at.1 + RECORD_HEADER > PAGE {
            self.next_page();
        }
        let (page, at, round) = self.at;
        let lsn = self.layout.lsn(page, at, round);
        let is_long = at + RECORD_HEADER + body.len() > PAGE;
        let mut header = Vec::new();
        [lsn.0, previous.0, undo.0].iter().for_each(|number| header.extend(number.to_le_bytes()));
        header.extend((body.len() as u32).to_le_bytes());
        header.extend([0; 4]);
        header.extend(kind.to_le_bytes());
        header.extend(transaction.to_le_bytes());
        header.extend((flags | u16::from(is_long)).to_le_bytes());
        header.resize(RECORD_HEADER, 0);
        self.put(&header, lsn);
        let mut rest = body;
        loop {
            let (now, after) = rest.split_at(rest.len().min(PAGE - self.at.1));
            self.put(now, lsn);
            if after.is_empty() {
                break;
            }
            self.next_page();
            rest = after;
        }
        let end = self.at.1.next_multiple_of(8);
        let page = self.page();
        page[0x10] |= 1;
        page[0x18..0x1A].copy_from_slice(&(end as u16).to_le_bytes());
        page[0x20..0x28].copy_from_slice(&lsn.0.to_le_bytes());
        self.at.1 = end;
        self.last = lsn;
        lsn
    }

    pub(super) fn next_page(&mut self) {
        let (page, round) = self.layout.next_page(self.at.0, self.at.2);
        self.at = (page, DATA, round);
        self.pages.remove(&page);
    }

    fn page(&mut self) -> &mut Vec<u8> {
        self.pages.entry(self.at.0).or_insert_with(|| {
            let mut page = vec![0; PAGE];
            page[..4].copy_from_slice(b"RCRD");
            page[4..8].copy_from_slice(&[0x28, 0, 9, 0]);
            page[0x14..0x18].copy_from_slice(&[1, 0, 1, 0]);
            page
        })
    }

    fn put(&mut self, bytes: &[u8], lsn: Lsn) {
        let at = self.at.1;
        let page = self.page();
        page[at..at + bytes.len()].copy_from_slice(bytes);
        page[8..16].copy_from_slice(&lsn.0.to_le_bytes());
        self.at.1 += bytes.len();
    }

    /// A checkpoint with these tables (open attributes, dirty pages, transactions); empty ones are left out.
    pub(super) fn checkpoint(&mut self, version: u32, tables: [&[u8]; 3]) -> Lsn {
        let start = self.change(0x18, &Body::default());
        self.checkpoint_from(start, version, tables)
    }

    /// The same, which began with a record that was written before.
    pub(super) fn checkpoint_from(&mut self, start: Lsn, version: u32, tables: [&[u8]; 3]) -> Lsn {
        let mut body = vec![0; 0x70];
        body[..4].copy_from_slice(&version.to_le_bytes());
        body[8..16].copy_from_slice(&start.0.to_le_bytes());
        for ((table, code), (lsn_at, length_at)) in
            tables.iter().zip([0x1D, 0x1F, 0x20]).zip([(0x10, 0x30), (0x20, 0x38), (0x28, 0x3C)])
        {
            if table.is_empty() {
                continue;
            }
            let lsn = self.change(0x18, &Body { redo: code, redo_data: table.to_vec(), ..Body::default() });
            body[lsn_at..lsn_at + 8].copy_from_slice(&lsn.0.to_le_bytes());
            body[length_at..length_at + 4].copy_from_slice(&(table.len() as u32).to_le_bytes());
        }
        self.chains.remove(&0x18);
        self.restart = self.record(2, 0, 0, &body, (Lsn(0), Lsn(0)));
        if self.oldest == Lsn(0) {
            self.oldest = start;
        }
        self.current = Some(self.restart);
        self.restart
    }

    /// The file: all pages in the ring, no copies.
    pub(super) fn file(&self) -> Vec<u8> {
        let mut file = vec![0xFF; (PAGES * PAGE as u64) as usize];
        let restart = self.restart_page();
        for at in [0, PAGE] {
            file[at..at + PAGE].copy_from_slice(&restart);
        }
        for (number, page) in &self.pages {
            put_page(&mut file, *number, page.clone());
        }
        file
    }

    fn restart_page(&self) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"RSTR");
        put(4, &[0x1E, 0, 9, 0]);
        put(0x10, &(PAGE as u32).to_le_bytes());
        put(0x14, &(PAGE as u32).to_le_bytes());
        put(0x18, &[0x30, 0]);
        put(0x1A, if self.layout.is_fast { &[0, 0, 2, 0] } else { &[1, 0, 1, 0] });
        put(0x30, &self.current.unwrap_or(self.last).0.to_le_bytes());
        // One client, none free, the first in use.
        put(0x38, &[1, 0, 0xFF, 0xFF, 0, 0, if self.is_clean { 2 } else { 0 }, 0]);
        put(0x40, &self.layout.sequence_bits.to_le_bytes());
        put(0x44, &[0xE0, 0, 0x40, 0]);
        put(0x48, &(PAGES * PAGE as u64).to_le_bytes());
        put(0x50, &0x70_u32.to_le_bytes());
        put(0x54, &[0x30, 0, DATA as u8, 0]);
        put(0x70, &self.oldest.0.to_le_bytes());
        put(0x78, &self.restart.0.to_le_bytes());
        put(0x80, &[0xFF, 0xFF, 0xFF, 0xFF]);
        put(0x8C, &8_u32.to_le_bytes());
        put(0x90, b"N\0T\0F\0S\0");
        fixup::redo(&mut page).unwrap();
        page
    }
}

/// Writes a page to a file.
pub(super) fn put_page(file: &mut [u8], number: u64, mut page: Vec<u8>) {
    fixup::redo(&mut page).unwrap();
    file[number as usize * PAGE..][..PAGE].copy_from_slice(&page);
}

/// A table with entries of `size` bytes.
pub(super) fn table(size: usize, entries: &[Vec<u8>]) -> Vec<u8> {
    let mut table = vec![0; 0x18];
    table[..2].copy_from_slice(&(size as u16).to_le_bytes());
    table[2..4].copy_from_slice(&(entries.len() as u16).to_le_bytes());
    table[4..6].copy_from_slice(&(entries.len() as u16).to_le_bytes());
    table[0xC..0x10].fill(0xFF);
    for entry in entries {
        let mut whole = entry.clone();
        whole.resize(size, 0);
        table.extend(whole);
    }
    table
}

/// An open attribute: type, file, bytes of a block.
pub(super) fn open_attribute(kind: u32, file: u64, block: u32) -> Vec<u8> {
    let mut entry = vec![0; 0x28];
    entry[..4].fill(0xFF);
    entry[4..8].copy_from_slice(&block.to_le_bytes());
    entry[8..12].copy_from_slice(&kind.to_le_bytes());
    entry[0x10..0x18].copy_from_slice(&file.to_le_bytes());
    entry
}

/// A dirty page of one cluster.
pub(super) fn dirty_page(target: u32, vcn: u64, oldest: Lsn, lcn: u64) -> Vec<u8> {
    let mut entry = vec![0; 0x28];
    entry[..4].fill(0xFF);
    entry[4..8].copy_from_slice(&target.to_le_bytes());
    entry[8..12].copy_from_slice(&4096_u32.to_le_bytes());
    entry[12..16].copy_from_slice(&1_u32.to_le_bytes());
    entry[0x10..0x18].copy_from_slice(&vcn.to_le_bytes());
    entry[0x18..0x20].copy_from_slice(&oldest.0.to_le_bytes());
    entry[0x20..0x28].copy_from_slice(&lcn.to_le_bytes());
    entry
}
