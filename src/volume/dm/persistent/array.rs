//! Arrays and sets of bits. Source: Linux, `drivers/md/persistent-data/dm-array.c` and `dm-bitset.c`.

use super::tree::Tree;
use super::{BLOCK_BYTES, Kind, Metadata};
use crate::Error;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// `struct array_block`; its values follow.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    csum: U32,
    max_entries: U32,
    nr_entries: U32,
    /// In bytes.
    value_size: U32,
    blocknr: U64,
}

/// `CSUM_XOR`.
const KIND: Kind = Kind { name: "a block of an array", xor: 595_846_735, number_at: 16 };
/// Values of 8 bytes in a block (`calc_max_entries`).
const ENTRIES: usize = (BLOCK_BYTES - size_of::<Header>()) / 8;

/// Shows the first `count` values of the array of numbers of 8 bytes whose tree has its root in this block, each with its
/// index.
///
/// # Errors
/// What `visit` refuses, or when a block cannot be read, or is damaged, or the array is shorter.
pub(in crate::dm) fn values(
    metadata: &Metadata,
    root: u64,
    count: u64,
    visit: &mut dyn FnMut(u64, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut next = 0_u64;
    let per_block = u64::try_from(ENTRIES).unwrap_or(u64::MAX);
    Tree { root, value_bytes: 8 }.walk(metadata, &mut |key, value| {
        if next >= count {
            return Ok(());
        }
        if next.checked_div(per_block) != Some(key) {
            return Err(Error::Damaged(format!("an array of the metadata ends at value {next} of {count}")));
        }
        let number = value.try_into().map_or(u64::MAX, u64::from_le_bytes);
        let block = metadata.block(number, KIND)?;
        // Each but the last is full, so that a short one shows as a gap before the next.
        for value in entries(&block, number)? {
            if next < count {
                visit(next, value.get())?;
            }
            next = next.saturating_add(1);
        }
        Ok(())
    })?;
    if next < count {
        return Err(Error::Damaged(format!("an array of the metadata ends at value {next} of {count}")));
    }
    Ok(())
}

/// The values of a block whose checksum is right.
fn entries(block: &[u8], number: u64) -> Result<&[U64], Error> {
    let header = Header::ref_from_prefix(block).ok().map(|(header, rest)| {
        let count = |field: U32| usize::try_from(field.get()).unwrap_or(usize::MAX);
        (count(header.nr_entries), count(header.max_entries), header.value_size.get(), rest)
    });
    match header {
        Some((count, ENTRIES, 8, rest)) if count <= ENTRIES => <[U64]>::ref_from_prefix_with_elems(rest, count)
            .map(|(values, _)| values)
            .map_err(|_| Error::Damaged(format!("block {number} of the metadata, a block of an array, is cut short"))),
        Some((count, most, bytes, _)) => Err(Error::Damaged(format!(
            "block {number} of the metadata, a block of an array, has {count} of {most} values of {bytes} bytes, not of \
             {ENTRIES} of 8"
        ))),
        None => Err(Error::Damaged(format!("block {number} of the metadata, a block of an array, is cut short"))),
    }
}

/// The first `count` bits of the set whose tree has its root in this block, 64 in a number, the lowest first.
///
/// # Errors
/// When a block cannot be read, or is damaged, or the set is smaller.
pub(in crate::dm) fn bits(metadata: &Metadata, root: u64, count: u64) -> Result<Vec<u64>, Error> {
    let mut words = Vec::new();
    values(metadata, root, count.div_ceil(64), &mut |_, word| {
        words.push(word);
        Ok(())
    })?;
    Ok(words)
}
