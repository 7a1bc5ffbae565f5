//! Log sequence numbers: where in the log a record begins, and in which round through it it was written.

/// The number of a record. Later records have larger ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Lsn(pub(super) u64);

impl Lsn {
    /// No record.
    pub(super) const NONE: Self = Self(0);
}

/// Bytes of the header of a record.
pub(super) const RECORD_HEADER: usize = 0x30;

/// How the file is divided, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogLayout {
    /// Bytes of a page: 1 to 64 KiB.
    pub(super) page_bytes: usize,
    /// All pages, those before the ring among them.
    pub(super) pages: u64,
    /// The first page of the ring. Before it are two restart pages and copies of pages that were written last.
    pub(super) first_page: u64,
    /// Where in a page the records begin.
    pub(super) data_offset: usize,
    /// Bits of an LSN that count the rounds.
    pub(super) sequence_bits: u32,
    /// Whether the copies are those of version 2.
    pub(super) is_fast: bool,
}

impl LogLayout {
    /// Bits of an LSN that tell the offset in the file, in units of eight bytes.
    const fn offset_bits(&self) -> u32 {
        64_u32.saturating_sub(self.sequence_bits)
    }

    /// Page and offset in it where a record begins; `None` where none can.
    pub(super) fn place(&self, lsn: Lsn) -> Option<(u64, usize)> {
        let mask = 1_u64.checked_shl(self.offset_bits())?.checked_sub(1)?;
        let offset = (lsn.0 & mask).checked_mul(8)?;
        let page_bytes = u64::try_from(self.page_bytes).ok()?;
        let (page, in_page) = (offset.checked_div(page_bytes)?, usize::try_from(offset.checked_rem(page_bytes)?).ok()?);
        let fits = in_page >= self.data_offset && in_page.checked_add(RECORD_HEADER)? <= self.page_bytes;
        (fits && page >= self.first_page && page < self.pages).then_some((page, in_page))
    }

    /// In which round a record was written.
    pub(super) fn round(&self, lsn: Lsn) -> u64 {
        lsn.0.checked_shr(self.offset_bits()).unwrap_or(0)
    }

    /// The number of a record that begins there.
    pub(super) fn lsn(&self, page: u64, in_page: usize, round: u64) -> Lsn {
        let page_bytes = u64::try_from(self.page_bytes).unwrap_or(u64::MAX);
        let offset = page.saturating_mul(page_bytes).saturating_add(u64::try_from(in_page).unwrap_or(u64::MAX));
        Lsn(round.checked_shl(self.offset_bits()).unwrap_or(0).saturating_add(offset / 8))
    }

    /// The page after this one, and its round.
    pub(super) const fn next_page(&self, page: u64, round: u64) -> (u64, u64) {
        let next = page.saturating_add(1);
        if next >= self.pages { (self.first_page, round.saturating_add(1)) } else { (next, round) }
    }

    /// Bytes that the ring has for records.
    pub(super) fn ring_bytes(&self) -> u64 {
        let page_data = self.page_bytes.saturating_sub(self.data_offset);
        self.pages.saturating_sub(self.first_page).saturating_mul(u64::try_from(page_data).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_belong_together() {
        // As Windows 10 laid out a log of 6 MiB.
        let layout = LogLayout {
            page_bytes: 4096,
            pages: 0x600,
            first_page: 0x22,
            data_offset: 0x40,
            sequence_bits: 44,
            is_fast: true,
        };
        let lsn = Lsn(0x20_4408);
        assert_eq!((layout.place(lsn), layout.round(lsn)), (Some((0x22, 0x40)), 2));
        assert_eq!(layout.lsn(0x22, 0x40, 2), lsn);
        assert_eq!((layout.place(Lsn(0x20_4407)), layout.place(Lsn(0x20_43FF))), (None, None));
        assert_eq!((layout.next_page(0x5FF, 2), layout.next_page(0x22, 2)), ((0x22, 3), (0x23, 2)));
    }
}
