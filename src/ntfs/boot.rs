//! The boot sector: how large the units of the file system are, and where its first files lie (`struct NTFS_BOOT` of Linux
//! `fs/ntfs3/ntfs.h`).

use crate::bytes::{length, u16_at, u64_at};
use block::{ReadAt, ReadError, ReadErrorKind};
use vfs::reader::{corrupt, io};
use vfs::{Error, ErrorKind, Result};

/// Bytes of the boot sector that are looked at.
const BOOT_BYTES: usize = 512;
const MAGIC: &[u8] = b"NTFS    ";
/// What Windows 11 formats at most.
const CLUSTER_SHIFT_MAX: u32 = 21;
/// The largest record of the MFT: its update sequence has to fit its first 512 bytes, and nothing larger is known.
const RECORD_BYTES_MAX: u32 = 4096;
/// Records whose copies are in `$MFTMirr`.
pub(crate) const MIRRORED: u64 = 4;
/// The largest block of an index.
const INDEX_BYTES_MAX: u32 = 1 << 16;
/// LCNs have to fit the signed numbers of runs.
const CLUSTERS_MAX: u64 = 1 << 62;

/// The units of a file system and the places of its first files, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// log2 of the bytes of a cluster: 9 to 21.
    pub(crate) cluster_shift: u32,
    /// Bytes of a record of the MFT.
    pub(crate) record_bytes: u32,
    /// Clusters of the volume; a cluster that is cut off by its end does not count.
    pub(crate) clusters: u64,
    /// Where the MFT begins.
    pub(crate) mft_lcn: u64,
    /// Where the copy of its first records is.
    pub(crate) mft_mirror_lcn: u64,
    /// The serial number.
    pub(crate) serial: u64,
}

impl Geometry {
    /// The boot sector of `volume`, or its copy at the end where it is damaged; and whether it was the copy.
    pub(crate) fn read(volume: &dyn ReadAt) -> Result<(Self, bool)> {
        let first = sector_at(volume, 0).map_err(io)?;
        let damage = match Self::parse(&first, volume.size()) {
            Ok(geometry) => return Ok((geometry, false)),
            // What is valid and merely not read here would be so in the copy.
            Err(error) if error.kind == ErrorKind::Unsupported => return Err(error),
            Err(error) => error,
        };
        for at in copies(volume.size()) {
            let copy = sector_at(volume, at).map_err(io)?;
            if let Ok(geometry) = Self::parse(&copy, volume.size()) {
                return Ok((geometry, true));
            }
        }
        Err(damage)
    }

    fn parse(sector: &[u8], volume_bytes: u64) -> Result<Self> {
        let damaged = |what: String| corrupt(format!("the boot sector is damaged: {what}"));
        if sector.get(3..11) != Some(MAGIC) {
            return Err(damaged("it does not carry the name NTFS".to_owned()));
        }
        let byte = |at: usize| sector.get(at).copied().unwrap_or(0);
        let number = |at: usize| u64_at(sector, at).unwrap_or(0);
        let sector_bytes = u32::from(u16_at(sector, 11).unwrap_or(0));
        if !sector_bytes.is_power_of_two() || !(256..=4096).contains(&sector_bytes) {
            return Err(damaged(format!("sectors of {sector_bytes} bytes")));
        }
        let cluster_shift = cluster_shift(byte(13), sector_bytes)
            .ok_or_else(|| damaged(format!("clusters of {} sectors of {sector_bytes} bytes", byte(13))))?;
        if cluster_shift > CLUSTER_SHIFT_MAX {
            let message =
                format!("its clusters of {} bytes are larger than those of any Windows", 1_u64 << cluster_shift);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let record_bytes = unit_bytes(byte(0x40), cluster_shift)
            .filter(|bytes| (512..=RECORD_BYTES_MAX).contains(bytes))
            .ok_or_else(|| damaged(format!("the size of records in the MFT is given as {}", byte(0x40))))?;
        let bytes = number(0x28)
            .checked_mul(sector_bytes.into())
            .filter(|bytes| *bytes > 0 && *bytes <= volume_bytes)
            .ok_or_else(|| {
                let sectors = number(0x28);
                corrupt(format!(
                    "its boot sector speaks of {sectors} sectors of {sector_bytes} bytes, and the volume has {volume_bytes} \
                     bytes: it is cut short, or its boot sector is damaged"
                ))
            })?;
        let clusters = bytes >> cluster_shift;
        let place = |at: usize, what: &str| {
            let lcn = number(at);
            let missing = || damaged(format!("{what} is to begin at cluster {lcn} of {clusters}"));
            Some(lcn).filter(|lcn| *lcn < clusters && clusters < CLUSTERS_MAX).ok_or_else(missing)
        };
        Ok(Self {
            cluster_shift,
            record_bytes,
            clusters,
            mft_lcn: place(0x30, "the MFT")?,
            // Where it is wrong there is no copy, which only matters when the MFT is damaged.
            mft_mirror_lcn: number(0x38),
            serial: number(0x48),
        })
    }

    /// Bytes of a cluster.
    pub(crate) const fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_shift
    }

    /// Bytes of a record of the MFT, in memory.
    pub(crate) fn record_len(&self) -> usize {
        usize::try_from(self.record_bytes).unwrap_or(usize::MAX)
    }

    /// Where the copy of one of the first [`MIRRORED`] records is.
    pub(crate) fn mirror_address(&self, number: u64) -> Option<u64> {
        let start = self.mft_mirror_lcn.checked_mul(self.cluster_bytes())?;
        number.checked_mul(self.record_bytes.into())?.checked_add(start)
    }

    /// log2 of the unit that the blocks of an index are numbered in; `None` for a size that no block has. Blocks that are
    /// smaller than a cluster are numbered by their sectors of 512 bytes.
    pub(crate) fn index_unit_shift(&self, block_bytes: u32) -> Option<u32> {
        let is_size = block_bytes.is_power_of_two() && (512..=INDEX_BYTES_MAX).contains(&block_bytes);
        is_size.then(|| if block_bytes.trailing_zeros() >= self.cluster_shift { self.cluster_shift } else { 9 })
    }

    /// The serial number as `blkid` writes it.
    pub(crate) fn serial_text(&self) -> String {
        format!("{:016X}", self.serial)
    }
}

/// Whether `volume` holds an NTFS file system: its first sector says so.
///
/// # Errors
/// When it cannot be read.
pub fn probe(volume: &dyn ReadAt) -> std::result::Result<bool, ReadError> {
    let is_ntfs = |sector: &[u8]| sector.get(3..11) == Some(MAGIC);
    match sector_at(volume, 0) {
        Ok(sector) => Ok(is_ntfs(&sector)),
        Err(error) if error.kind == ReadErrorKind::OutOfRange => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the copy of a boot sector at the end of `volume` is that of an NTFS file system of its size. To be asked only
/// where nothing else is: a volume formatted anew may keep an old one.
///
/// # Errors
/// When it cannot be read.
pub fn probe_copy(volume: &dyn ReadAt) -> std::result::Result<bool, ReadError> {
    for at in copies(volume.size()) {
        if Geometry::parse(&sector_at(volume, at)?, volume.size()).is_ok() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where the copy may be: in the last sector, whatever its size is. (Before NT 4 it was in the middle.)
fn copies(volume_bytes: u64) -> impl Iterator<Item = u64> {
    [512_u64, 4096, 1024, 2048].into_iter().filter_map(move |sector| {
        let last = volume_bytes.checked_div(sector)?.checked_sub(1)?.checked_mul(sector)?;
        (last > 0).then_some(last)
    })
}

fn sector_at(volume: &dyn ReadAt, at: u64) -> std::result::Result<Vec<u8>, ReadError> {
    let mut sector = vec![0; BOOT_BYTES];
    volume.read_exact_at(at, &mut sector)?;
    debug_assert!(length(&sector) == 512, "the length that was asked for");
    Ok(sector)
}

/// log2 of the bytes of a cluster: sectors up to 128 are counted, more are given as a negated power of two.
fn cluster_shift(sectors: u8, sector_bytes: u32) -> Option<u32> {
    let shift = if sectors <= 0x80 {
        sectors.is_power_of_two().then(|| sectors.trailing_zeros())?
    } else {
        u32::from(sectors.wrapping_neg())
    };
    let shift = shift.checked_add(sector_bytes.trailing_zeros())?;
    (9..=31).contains(&shift).then_some(shift)
}

/// Bytes of a record or block: a number of clusters, or a negated power of two.
fn unit_bytes(given: u8, cluster_shift: u32) -> Option<u32> {
    if given < 0x80 {
        return given.is_power_of_two().then(|| u32::from(given).checked_shl(cluster_shift)).flatten();
    }
    1_u32.checked_shl(u32::from(given.wrapping_neg()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};

    /// A boot sector of a volume with 4 KiB clusters.
    pub(crate) fn sector() -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[3..11].copy_from_slice(MAGIC);
        sector[11..14].copy_from_slice(&[0, 2, 8]);
        sector[0x28..0x30].copy_from_slice(&2047_u64.to_le_bytes());
        sector[0x30] = 4;
        sector[0x38] = 2;
        sector[0x40] = 0xF6;
        sector
    }

    const SIZE: u64 = 1 << 20;

    #[test]
    fn sizes_are_counted_or_powers_of_two() {
        let geometry = Geometry::parse(&sector(), SIZE).unwrap();
        assert_eq!((geometry.cluster_shift, geometry.record_bytes), (12, 1024));
        assert_eq!((geometry.clusters, geometry.mft_lcn), (255, 4));
        let mut large = sector();
        large[13] = 0xF4;
        large[0x30] = 0;
        let geometry = Geometry::parse(&large, 1 << 30);
        assert_eq!(geometry.unwrap_err().kind, ErrorKind::Corrupt, "less than one cluster");
        large[0x28..0x30].copy_from_slice(&(1_u64 << 20).to_le_bytes());
        let geometry = Geometry::parse(&large, 1 << 30).unwrap();
        assert_eq!(geometry.cluster_shift, 21);
    }

    #[test]
    fn nonsense_is_refused() {
        for (at, value) in [(3, b'X'), (11, 1), (13, 3), (13, 0), (0x40, 0), (0x40, 0xE0), (0x2E, 1), (0x32, 1)] {
            let mut bad = sector();
            bad[at] = value;
            assert_eq!(Geometry::parse(&bad, SIZE).unwrap_err().kind, ErrorKind::Corrupt, "{value} at {at}");
        }
    }

    #[test]
    fn the_copy_at_the_end_serves_where_the_first_is_damaged() {
        let mut volume = vec![0; SIZE as usize];
        volume[SIZE as usize - 512..].copy_from_slice(&sector());
        let disk = |data: &[u8]| MemoryDisk::new(data.to_vec(), BlockSize::B512);
        assert!(!probe(&disk(&volume)).unwrap() && probe_copy(&disk(&volume)).unwrap());
        assert!(Geometry::read(&disk(&volume)).unwrap().1);
        volume[..512].copy_from_slice(&sector());
        assert!(probe(&disk(&volume)).unwrap());
        assert!(!Geometry::read(&disk(&volume)).unwrap().1);
    }
}
