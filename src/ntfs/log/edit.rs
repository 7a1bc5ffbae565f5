//! Numbers and pieces that are changed in a record, never beyond it: `None` where something does not fit.

use super::operation::Data;

/// Puts `bytes` to `at`.
pub(super) fn put(record: &mut [u8], at: usize, bytes: &[u8]) -> Option<()> {
    record.get_mut(at..at.checked_add(bytes.len())?)?.copy_from_slice(bytes);
    Some(())
}

/// Puts data to `at`.
pub(super) fn put_data(record: &mut [u8], at: usize, data: Data<'_>) -> Option<()> {
    data.write(0, record.get_mut(at..at.checked_add(data.len())?)?);
    Some(())
}

/// Puts a length or an offset of 32 bits to `at`.
pub(super) fn put_u32(record: &mut [u8], at: usize, number: usize) -> Option<()> {
    put(record, at, &u32::try_from(number).ok()?.to_le_bytes())
}

/// Makes the piece of `old` bytes at `at` one of `new` bytes, where what is in use ends at `used`: what comes after it
/// moves. Bytes that come in are zeros. Returns where what is in use ends then.
pub(super) fn resize(record: &mut [u8], at: usize, old: usize, new: usize, used: usize) -> Option<usize> {
    let (rest, target) = (at.checked_add(old)?, at.checked_add(new)?);
    let moved = used.checked_sub(rest)?;
    let used = target.checked_add(moved)?;
    let room = record.len();
    if used > room || rest.checked_add(moved)? > room {
        return None;
    }
    record.copy_within(rest..rest.checked_add(moved)?, target);
    if let Some(grown) = record.get_mut(rest..target) {
        grown.fill(0);
    }
    Some(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_piece_moves_with_its_end() {
        let mut record = *b"abcdefgh..";
        assert_eq!(resize(&mut record, 2, 2, 4, 8), Some(10));
        assert_eq!(&record, b"abcd\0\0efgh");
        assert_eq!(resize(&mut record, 2, 4, 0, 10), Some(6));
        assert_eq!(&record[..6], b"abefgh");
        assert_eq!(resize(&mut record, 2, 2, 7, 6), None);
        assert_eq!(resize(&mut record, 2, 5, 2, 6), None);
        assert_eq!(put(&mut record, 9, &[1, 2]), None);
    }
}
