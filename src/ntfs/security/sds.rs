//! `$Secure`: every descriptor of a volume once, in its stream `$SDS`, found by number through `$SII`
//! (ntfs-3g `layout.h`, `SECURITY_DESCRIPTOR_HEADER`, `SII_INDEX_KEY`, `SDH_INDEX_KEY`).

use crate::bytes::{index, slice, u32_at, u64_at};
use vfs::Result;
use vfs::reader::corrupt;

/// Bytes of an entry before its descriptor, and of the data of `$SII` and `$SDH`, which repeat them.
const HEADER_BYTES: usize = 20;
/// `$SDS` is written in blocks of this many bytes; each is followed by a copy of itself.
const BLOCK_BYTES: u64 = 256 << 10;
/// Bytes of a descriptor at most: an entry does not cross the end of its block.
const ENTRY_BYTES_MAX: u32 = 256 << 10;

/// What an entry of `$SDS` and those of the indexes say of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// [`hash`] of the descriptor.
    pub(crate) hash: u32,
    /// The number by which files name the descriptor.
    pub(crate) id: u32,
    /// Where the entry is in `$SDS`.
    pub(crate) offset: u64,
    /// Bytes of the entry, with this header.
    pub(crate) length: u32,
}

impl Header {
    /// Reads one; `None` when it cannot belong to any entry.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let header = Self {
            hash: u32_at(bytes, 0)?,
            id: u32_at(bytes, 4)?,
            offset: u64_at(bytes, 8)?,
            length: u32_at(bytes, 16)?,
        };
        let end = header.offset.checked_rem(BLOCK_BYTES)?.checked_add(u64::from(header.length))?;
        let holds_something = index(header.length) > HEADER_BYTES && header.length <= ENTRY_BYTES_MAX;
        (holds_something && end <= BLOCK_BYTES).then_some(header)
    }

    /// Where the copy of the entry is in `$SDS`: the same place in the next block.
    pub(crate) fn copy_offset(&self) -> Option<u64> {
        self.offset.checked_add(BLOCK_BYTES)
    }
}

/// What `$SII` says of a descriptor: the data of the entry with this key, a security id.
pub(crate) fn by_id(data: &[u8], id: u32) -> Result<Header> {
    let damaged = || corrupt(format!("$Secure: the index entry of security descriptor {id} is damaged"));
    Header::parse(data).filter(|header| header.id == id).ok_or_else(damaged)
}

/// The descriptor of an entry of `$SDS`: `bytes` begin with the entry or with its copy. It is verified: the entry has to
/// repeat what the index said, and the descriptor has to have that hash.
///
/// # Errors
/// [`vfs::ErrorKind::Corrupt`]; then the other copy may be whole.
pub(crate) fn entry<'a>(bytes: &'a [u8], expected: &Header) -> Result<&'a [u8]> {
    let damaged = |what: &str| {
        let Header { id, offset, .. } = expected;
        corrupt(format!("$Secure: security descriptor {id}, at {offset} of $SDS: {what}"))
    };
    let entry = slice(bytes, 0, index(expected.length)).ok_or_else(|| damaged("it is not all there"))?;
    if Header::parse(entry).as_ref() != Some(expected) {
        return Err(damaged("its header is not what the index says"));
    }
    let descriptor = entry.get(HEADER_BYTES..).ok_or_else(|| damaged("it is empty"))?;
    if hash(descriptor) != expected.hash {
        return Err(damaged("its hash is wrong"));
    }
    Ok(descriptor)
}

/// The hash of a descriptor (ntfs-3g `ntfs_security_hash`): its whole 32-bit numbers, each added to the sum so far, rolled
/// left by three bits.
pub(crate) fn hash(descriptor: &[u8]) -> u32 {
    let numbers = descriptor.chunks_exact(4).filter_map(|number| u32_at(number, 0));
    numbers.fold(0, |hash: u32, number| number.wrapping_add(hash.rotate_left(3)))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn packed(id: u32, offset: u64, descriptor: &[u8]) -> Vec<u8> {
        let length = u32::try_from(descriptor.len() + HEADER_BYTES).unwrap();
        let header =
            [&hash(descriptor).to_le_bytes()[..], &id.to_le_bytes(), &offset.to_le_bytes(), &length.to_le_bytes()];
        [&header.concat()[..], descriptor].concat()
    }

    #[test]
    fn the_hash_is_that_of_ntfs_3g() {
        // By hand: 1; 2 + 8 * 1; 0x80000000 + 8 * 10; what is rolled out on the left comes in on the right.
        let bytes = [1_u32, 2, 0x8000_0000, 0].map(u32::to_le_bytes).concat();
        assert_eq!(hash(&bytes[..8]), 10);
        assert_eq!(hash(&bytes[..12]), 0x8000_0050);
        assert_eq!(hash(&bytes), 0x284);
        assert_eq!(hash(&[bytes, vec![9, 9, 9]].concat()), 0x284, "what is no whole number does not count");
    }

    #[test]
    fn an_entry_gives_its_descriptor_when_all_of_it_fits() {
        let descriptor = samples::of("simple");
        let bytes = packed(256, 0x100, &descriptor);
        let header = by_id(&bytes[..HEADER_BYTES], 256).unwrap();
        assert_eq!(header.copy_offset(), Some(0x4_0100));
        assert_eq!(entry(&[&bytes[..], &[1, 2, 3]].concat(), &header).unwrap(), descriptor);
        assert!(by_id(&bytes, 257).is_err());
        for at in 0..bytes.len() / 4 * 4 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(entry(&damaged, &header).is_err(), "byte {at}");
        }
        assert!(entry(&bytes[..bytes.len() - 1], &header).is_err());
    }

    #[test]
    fn headers_of_entries_that_cannot_be_are_refused() {
        let header = |offset: u64, length: u32| {
            let bytes = [&[0; 8][..], &offset.to_le_bytes(), &length.to_le_bytes()].concat();
            Header::parse(&bytes).is_some()
        };
        assert!(header(0, 21) && header(0x3_FF00, 0x100) && header(u64::MAX - 0x3_FFFF, 0x4_0000));
        assert!(!header(0, 20) && !header(0, 0x4_0001) && !header(0x3_FF00, 0x101));
        assert_eq!(Header::parse(&[0; 19]), None);
    }
}
