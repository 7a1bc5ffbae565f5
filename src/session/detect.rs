//! What is in a volume that is no member of anything that `volume` puts together.

use block::{ReadAt, ReadError, ReadErrorKind};

/// What the first (and last) bytes of a volume say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// ext2, ext3 or ext4.
    Ext,
    /// XFS.
    Xfs,
    /// NTFS.
    Ntfs,
    /// A part of a file system on another volume: there are no files in it.
    Companion {
        /// The name that `blkid` gives it.
        format: &'static str,
        /// It in words.
        name: &'static str,
    },
    /// A file system, or a part of a volume, that fr-mount does not read (yet).
    Foreign {
        /// The name that `blkid` gives it.
        format: &'static str,
        /// It in words.
        name: &'static str,
    },
    /// Space for swapping; there are no files in it.
    Swap,
    /// Nothing that is known.
    Unknown,
}

/// A fixed byte string at a fixed place.
struct Signature {
    offset: u64,
    magic: &'static [u8],
    format: &'static str,
    name: &'static str,
}

const fn signature(offset: u64, magic: &'static [u8], format: &'static str, name: &'static str) -> Signature {
    Signature { offset, magic, format, name }
}

/// Parts of something larger (util-linux `libblkid/src/superblocks`).
const MEMBERS: &[Signature] = &[
    signature(0, b"LUKS\xba\xbe", "crypto_LUKS", "a LUKS-encrypted volume"),
    signature(3, b"-FVE-FS-", "BitLocker", "a BitLocker-encrypted volume"),
    signature(0, b"SPACEDB ", "storage_space_member", "a member of a Windows storage pool"),
    signature(0x1018, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81", "bcache", "a bcache device"),
];

/// File systems of others.
const FILE_SYSTEMS: &[Signature] = &[
    signature(3, b"ReFS\0\0\0\0", "ReFS", "a ReFS file system"),
    signature(3, b"EXFAT   ", "exfat", "an exFAT file system"),
    signature(0x10040, b"_BHRfS_M", "btrfs", "a Btrfs file system"),
    signature(82, b"FAT32   ", "vfat", "a FAT file system"),
    signature(54, b"FAT16   ", "vfat", "a FAT file system"),
    signature(54, b"FAT12   ", "vfat", "a FAT file system"),
    signature(0x8001, b"CD001", "iso9660", "an ISO 9660 file system"),
];

/// Says what is in `volume`.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn content(volume: &dyn ReadAt) -> Result<Content, ReadError> {
    if let Some(found) = first_match(volume, MEMBERS)? {
        return Ok(found);
    }
    if ext4::journal_device(volume)?.is_some() {
        return Ok(companion("jbd", "the journal of a file system on another volume"));
    }
    if ext4::probe(volume)? {
        return Ok(Content::Ext);
    }
    if xfs::probe(volume)? {
        return Ok(Content::Xfs);
    }
    if ntfs::probe(volume)? {
        return Ok(Content::Ntfs);
    }
    if let Some(found) = first_match(volume, FILE_SYSTEMS)? {
        return Ok(found);
    }
    if is_swap(volume)? {
        return Ok(Content::Swap);
    }
    if xfs::realtime_device(volume)?.is_some() {
        return Ok(companion("xfs_realtime", "the realtime files of an XFS file system on another volume"));
    }
    if xfs::log_device(volume)?.is_some() {
        return Ok(companion("xfs_external_log", "the log of an XFS file system on another volume"));
    }
    // Only where nothing else is: an overwritten file system may have left copies of its superblock behind.
    if ext4::probe_copies(volume)? {
        return Ok(Content::Ext);
    }
    Ok(if ntfs::probe_copy(volume)? { Content::Ntfs } else { Content::Unknown })
}

const fn companion(format: &'static str, name: &'static str) -> Content {
    Content::Companion { format, name }
}

fn first_match(volume: &dyn ReadAt, signatures: &[Signature]) -> Result<Option<Content>, ReadError> {
    for signature in signatures {
        if has(volume, Some(signature.offset), signature.magic)? {
            return Ok(Some(Content::Foreign { format: signature.format, name: signature.name }));
        }
    }
    Ok(None)
}

/// Whether a swap header for one of the page sizes is there (Linux `mm/swapfile.c`).
fn is_swap(volume: &dyn ReadAt) -> Result<bool, ReadError> {
    for page in [4096_u64, 8192, 16_384, 65_536] {
        for magic in [b"SWAPSPACE2", b"SWAP-SPACE"] {
            if has(volume, page.checked_sub(10), magic)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether these bytes stand at this place; a place outside the volume holds nothing.
fn has(volume: &dyn ReadAt, offset: Option<u64>, magic: &[u8]) -> Result<bool, ReadError> {
    let Some(offset) = offset else { return Ok(false) };
    let mut found = vec![0; magic.len()];
    match volume.read_exact_at(offset, &mut found) {
        Err(error) if error.kind == ReadErrorKind::OutOfRange => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(found == magic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};

    fn volume(at: usize, magic: &[u8]) -> MemoryDisk {
        let mut data = vec![0; 1 << 20];
        data[at..at + magic.len()].copy_from_slice(magic);
        MemoryDisk::new(data, BlockSize::B512)
    }

    fn format(at: usize, magic: &[u8]) -> Option<&'static str> {
        match content(&volume(at, magic)).unwrap() {
            Content::Foreign { format, .. } => Some(format),
            _ => None,
        }
    }

    #[test]
    fn each_signature_is_known_at_its_place_only() {
        for signature in MEMBERS.iter().chain(FILE_SYSTEMS) {
            assert_eq!(format(signature.offset as usize, signature.magic), Some(signature.format));
            assert_eq!(format(signature.offset as usize + 5, signature.magic), None);
        }
    }

    #[test]
    fn swap_and_nothing_are_told_apart() {
        assert_eq!(content(&volume(4086, b"SWAPSPACE2")).unwrap(), Content::Swap);
        assert_eq!(content(&volume(0, b"")).unwrap(), Content::Unknown);
        assert_eq!(content(&MemoryDisk::new(vec![0; 512], BlockSize::B512)).unwrap(), Content::Unknown);
    }
}
