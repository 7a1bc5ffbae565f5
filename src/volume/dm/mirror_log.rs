//! The log of the `mirror` target: which regions are the same on all legs (Linux, `drivers/md/dm-log.c`).

use crate::map::{Layout, Piece, Place, Source};
use block::{ReadAt, ReadError};
use std::num::NonZeroU64;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct log_header_disk`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LogHeader {
    magic: U32,
    version: U32,
    nr_regions: U64,
}

/// `MIRROR_MAGIC`.
const MAGIC: u32 = 0x4D69_5272;
/// `MIRROR_DISK_VERSION`; the first one is the same but for machines of the other endianness.
const VERSIONS: [u32; 2] = [1, 2];
/// Where the bits begin (`LOG_OFFSET`), in bytes.
const BITS_AT: u64 = 1024;
/// Regions that are looked at for one piece.
const REGIONS_AT_ONCE: u64 = 65_536;

/// A volume of which every leg holds all, where they were brought in sync; the rest is on the first leg alone, as the
/// kernel would copy it from there. Members are the legs.
pub(crate) struct LoggedMirror {
    legs: usize,
    size: u64,
    region: NonZeroU64,
    /// A bit for each region that is the same everywhere, the lowest first; none for those that are not.
    clean: Vec<u8>,
}

impl LoggedMirror {
    /// A mirror of which nothing is known: the first leg is what it holds.
    pub(crate) const fn unknown(legs: usize, size: u64) -> Self {
        Self { legs, size, region: NonZeroU64::MAX, clean: Vec::new() }
    }

    /// A mirror whose log is on `log`, with regions of `region` bytes.
    ///
    /// # Errors
    /// A message for people when there is no log that can be used.
    pub(crate) fn read(legs: usize, size: u64, region: u64, log: &dyn ReadAt) -> Result<Self, String> {
        let mut bytes = [0; size_of::<LogHeader>()];
        log.read_exact_at(0, &mut bytes).map_err(|error| error.to_string())?;
        let header = LogHeader::ref_from_bytes(&bytes).map_err(|_| "it is cut short".to_owned())?;
        if header.magic.get() != MAGIC {
            return Err("there is no header in it".to_owned());
        }
        let version = header.version.get();
        if !VERSIONS.contains(&version) {
            return Err(format!("its version is {version}, and 2 is known"));
        }
        let region = NonZeroU64::new(region).ok_or_else(|| "its regions have no size".to_owned())?;
        let regions = header.nr_regions.get().min(size.div_ceil(region.get()));
        let length = regions.div_ceil(8);
        if BITS_AT.checked_add(length).is_none_or(|end| end > log.size()) {
            return Err(format!("it has {} bytes, too few for {regions} regions", log.size()));
        }
        let length = usize::try_from(length).map_err(|_| format!("{regions} regions are too many"))?;
        let mut clean = vec![0; length];
        log.read_exact_at(BITS_AT, &mut clean).map_err(|error| error.to_string())?;
        // Bits behind the last region mean nothing.
        if let (Some(last), used @ 1..) = (clean.last_mut(), regions & 7) {
            *last &= !(u8::MAX << used);
        }
        Ok(Self { legs, size, region, clean })
    }

    /// Whether all regions are the same on all legs.
    pub(crate) fn is_in_sync(&self) -> bool {
        let regions = self.size.div_ceil(self.region.get());
        let clean: u64 = self.clean.iter().map(|byte| u64::from(byte.count_ones())).sum();
        clean >= regions
    }

    /// Whether only the first leg counts.
    pub(crate) fn knows_nothing(&self) -> bool {
        self.clean.iter().all(|byte| *byte == 0)
    }

    fn is_clean(&self, region: u64) -> bool {
        let byte = usize::try_from(region >> 3).ok().and_then(|byte| self.clean.get(byte));
        byte.is_some_and(|byte| (byte >> (region & 7)) & 1 == 1)
    }
}

impl Layout for LoggedMirror {
    fn size(&self) -> u64 {
        self.size
    }

    fn piece(&self, offset: u64) -> Result<Piece, ReadError> {
        let first = offset / self.region;
        let is_clean = self.is_clean(first);
        let left = self.size.div_ceil(self.region.get()).saturating_sub(first).min(REGIONS_AT_ONCE);
        let same = (0..left).take_while(|further| self.is_clean(first.saturating_add(*further)) == is_clean);
        let regions = u64::try_from(same.count()).unwrap_or(1).max(1);
        let end = first.saturating_add(regions).saturating_mul(self.region.get()).min(self.size);
        let legs = if is_clean { self.legs } else { self.legs.min(1) };
        let places = (0..legs).map(|member| Place { member, offset }).collect();
        Ok(Piece { length: end.saturating_sub(offset), source: Source::Copies(places) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};

    fn log(version: u32, regions: u64, bits: &[u8]) -> MemoryDisk {
        let mut bytes = vec![0; 2048];
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        bytes[8..16].copy_from_slice(&regions.to_le_bytes());
        bytes[1024..1024 + bits.len()].copy_from_slice(bits);
        MemoryDisk::new(bytes, BlockSize::B512)
    }

    fn legs(mirror: &LoggedMirror) -> Vec<(u64, usize)> {
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < mirror.size() {
            let piece = mirror.piece(at).unwrap();
            let Source::Copies(places) = piece.source else { panic!("no copies") };
            assert!(places.iter().enumerate().all(|(member, place)| *place == Place { member, offset: at }));
            pieces.push((piece.length, places.len()));
            at += piece.length;
        }
        pieces
    }

    #[test]
    fn regions_that_are_not_in_sync_are_on_the_first_leg_alone() {
        let mirror = LoggedMirror::read(3, 9500, 1000, &log(2, 10, &[0b1110_0111, 0xFF])).unwrap();
        assert_eq!(legs(&mirror), [(3000, 3), (2000, 1), (4500, 3)]);
        assert!(!mirror.is_in_sync());
        assert!(LoggedMirror::read(3, 9500, 1000, &log(1, 10, &[0xFF, 0xFF])).unwrap().is_in_sync());
    }

    #[test]
    fn regions_that_the_log_does_not_have_are_not_in_sync() {
        let mirror = LoggedMirror::read(2, 9500, 1000, &log(2, 9, &[0xFF, 0xFF])).unwrap();
        assert_eq!(legs(&mirror), [(9000, 2), (500, 1)]);
        assert_eq!(legs(&LoggedMirror::unknown(2, 9500)), [(9500, 1)]);
    }

    #[test]
    fn what_is_no_log_is_none() {
        for (log, region) in [(log(3, 1, &[]), 512), (log(2, u64::MAX, &[]), 1), (log(2, 1, &[]), 0)] {
            assert!(LoggedMirror::read(2, 1 << 40, region, &log).is_err());
        }
        assert!(LoggedMirror::read(2, 512, 512, &MemoryDisk::new(vec![0; 2048], BlockSize::B512)).is_err());
    }
}
