//! The update sequence: the last two bytes of every 512 bytes of a record that is written in one go hold a number that
//! changes with each write, and what belongs there is kept in an array in the record; so a torn write is seen
//! (`struct NTFS_RECORD_HEADER` of Linux `fs/ntfs3/ntfs.h`).

use crate::bytes::{array, u16_at};

/// Bytes between two places that the update sequence protects, whatever the sectors of the disk are.
pub(crate) const STRIDE: usize = 512;

/// Why a record cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Torn {
    /// The array of the update sequence is not where a record can have it, or has the wrong length.
    Misplaced,
    /// The end of this piece of 512 bytes does not carry the number: another write of it was the last.
    Piece(usize),
}

/// Checks the update sequence of `record`, whose first bytes are a record header, and puts back what belongs where its
/// number stands. The record is unchanged when it fails.
pub(crate) fn undo(record: &mut [u8]) -> Result<(), Torn> {
    let (offset, words) = header(record).ok_or(Torn::Misplaced)?;
    let pieces = record.len().checked_div(STRIDE).unwrap_or(0);
    let array_end = words.checked_mul(2).and_then(|bytes| offset.checked_add(bytes)).ok_or(Torn::Misplaced)?;
    // The array may be shorter than the record (a log page that was filled in part), never longer.
    let protected = words.checked_sub(1).filter(|count| (1..=pieces).contains(count)).ok_or(Torn::Misplaced)?;
    if offset & 1 != 0 || array_end > STRIDE.saturating_sub(2) || record.len() & STRIDE.wrapping_sub(1) != 0 {
        return Err(Torn::Misplaced);
    }
    if protected != pieces {
        return Err(Torn::Misplaced);
    }
    let number: [u8; 2] = array(record, offset).ok_or(Torn::Misplaced)?;
    let originals = record.get(offset.saturating_add(2)..array_end).ok_or(Torn::Misplaced)?.to_vec();
    let torn = record.chunks_exact(STRIDE).position(|piece| !piece.ends_with(&number));
    if let Some(piece) = torn {
        return Err(Torn::Piece(piece));
    }
    for (piece, original) in record.chunks_exact_mut(STRIDE).zip(originals.chunks_exact(2)) {
        if let Some(end) = piece.last_chunk_mut::<2>() {
            end.copy_from_slice(original);
        }
    }
    Ok(())
}

/// Prepares `record`, whose update sequence was undone or is new, for being written: the opposite of [`undo`], with the
/// next number. The record is unchanged when it fails.
pub(crate) fn redo(record: &mut [u8]) -> Result<(), Torn> {
    let (offset, words) = header(record).ok_or(Torn::Misplaced)?;
    let pieces = record.len().checked_div(STRIDE).unwrap_or(0);
    let array_end = words.checked_mul(2).and_then(|bytes| offset.checked_add(bytes)).ok_or(Torn::Misplaced)?;
    let is_placed = offset & 1 == 0 && offset >= 8 && array_end <= STRIDE.saturating_sub(2);
    if !is_placed || words.checked_sub(1) != Some(pieces) || record.len() & STRIDE.wrapping_sub(1) != 0 {
        return Err(Torn::Misplaced);
    }
    let number = u16::from_le_bytes(array(record, offset).ok_or(Torn::Misplaced)?);
    // 0 and -1 are not used, so that neither empty nor erased space looks whole.
    let number = if number >= u16::MAX.saturating_sub(1) { 1 } else { number.saturating_add(1) }.to_le_bytes();
    let mut array = number.to_vec();
    for piece in record.chunks_exact_mut(STRIDE) {
        if let Some(end) = piece.last_chunk_mut::<2>() {
            array.extend_from_slice(end);
            end.copy_from_slice(&number);
        }
    }
    record.get_mut(offset..array_end).ok_or(Torn::Misplaced)?.copy_from_slice(&array);
    Ok(())
}

/// Offset of the array in the record, and its length in words, the number itself among them.
fn header(record: &[u8]) -> Option<(usize, usize)> {
    Some((u16_at(record, 4)?.into(), u16_at(record, 6)?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Vec<u8> {
        let mut record = vec![0xAA; 1024];
        record[..4].copy_from_slice(b"FILE");
        record[4..8].copy_from_slice(&[48, 0, 3, 0]);
        record[48..54].copy_from_slice(&[7, 0, 1, 2, 3, 4]);
        record[510..512].copy_from_slice(&[7, 0]);
        record[1022..].copy_from_slice(&[7, 0]);
        record
    }

    #[test]
    fn what_belongs_at_the_ends_is_put_back() {
        let mut record = record();
        undo(&mut record).unwrap();
        assert_eq!((&record[510..512], &record[1022..]), (&[1, 2][..], &[3, 4][..]));
    }

    #[test]
    fn a_torn_record_is_told_by_its_piece_and_left_as_it_is() {
        let mut torn = record();
        torn[1022] = 6;
        let before = torn.clone();
        assert_eq!(undo(&mut torn), Err(Torn::Piece(1)));
        assert_eq!(torn, before);
    }

    #[test]
    fn what_is_written_anew_is_whole_and_has_another_number() {
        let mut again = record();
        undo(&mut again).unwrap();
        let plain = again.clone();
        redo(&mut again).unwrap();
        assert_eq!((&again[48..54], &again[510..512]), (&[8, 0, 1, 2, 3, 4][..], &[8, 0][..]));
        undo(&mut again).unwrap();
        assert_eq!((&again[..48], &again[54..]), (&plain[..48], &plain[54..]));
        for (before, after) in [(0xFFFE_u16, 1_u16), (0xFFFF, 1), (0, 1)] {
            again[48..50].copy_from_slice(&before.to_le_bytes());
            redo(&mut again).unwrap();
            assert_eq!(again[48..50], after.to_le_bytes());
            undo(&mut again).unwrap();
        }
        again[6] = 4;
        assert_eq!(redo(&mut again), Err(Torn::Misplaced));
    }

    #[test]
    fn an_array_in_an_impossible_place_is_refused() {
        for (at, value) in [(4, 47), (4, 0xFE), (6, 0), (6, 1), (6, 2), (6, 4)] {
            let mut bad = record();
            bad[at] = value;
            if at == 4 && value == 0xFE {
                bad[5] = 1;
            }
            assert_eq!(undo(&mut bad), Err(Torn::Misplaced), "{value} at {at}");
        }
        assert_eq!(undo(&mut [0; 6]), Err(Torn::Misplaced));
    }
}
