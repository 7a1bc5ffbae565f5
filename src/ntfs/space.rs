//! How much is used: `$Bitmap` has a bit for every cluster, and the MFT has one for every record.

use crate::data::Value;
use crate::record::{Kind, Reference};
use crate::store::Store;
use vfs::reader::corrupt;
use vfs::{Result, Space};

/// The record of `$Bitmap`.
const BITMAP: Reference = Reference { record: 6, sequence: 0 };
const MFT: Reference = Reference { record: 0, sequence: 0 };
/// Bytes of a bitmap that are read at a time.
const PIECE: usize = 1 << 20;

/// Counts clusters and records as ntfs-3g does: new files may take free records, and free clusters for more of them.
pub(crate) fn count(store: &Store) -> Space {
    let geometry = &store.device.geometry;
    // What cannot be counted is taken as full.
    let blocks_free = zeros(store, BITMAP, Kind::DATA, geometry.clusters).unwrap_or(0);
    let records_free = zeros(store, MFT, Kind::BITMAP, store.records()).unwrap_or(0);
    let per_cluster = geometry.cluster_bytes().checked_div(geometry.record_bytes.into()).unwrap_or(0);
    let possible = blocks_free.saturating_mul(per_cluster);
    Space {
        blocks: geometry.clusters,
        blocks_free,
        blocks_available: blocks_free,
        inodes: store.records().saturating_add(possible),
        inodes_free: records_free.saturating_add(possible),
    }
}

/// How many of the first `bits` of a bitmap are 0.
fn zeros(store: &Store, file: Reference, kind: Kind, bits: u64) -> Result<u64> {
    let inode = store.inode(file)?;
    let bitmap = Value::find(store, &inode, kind, &[])?.ok_or_else(|| corrupt("there is no bitmap"))?;
    let (mut ones, mut at, mut left) = (0_u64, 0_u64, bits);
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let read = bitmap.read(store, at, &mut piece)?;
        let bytes =
            piece.get_mut(..read).filter(|bytes| !bytes.is_empty()).ok_or_else(|| corrupt("it is too short"))?;
        let here = crate::bytes::length(bytes).saturating_mul(8);
        if left < here {
            clear_after(bytes, left);
        }
        let set: u64 = bytes.iter().map(|byte| u64::from(byte.count_ones())).sum();
        ones = ones.saturating_add(set);
        at = at.saturating_add(here >> 3);
        left = left.saturating_sub(here);
    }
    Ok(bits.saturating_sub(ones))
}

/// Clears all but the first `bits`.
fn clear_after(bytes: &mut [u8], bits: u64) {
    let whole = usize::try_from(bits >> 3).unwrap_or(usize::MAX);
    for (at, byte) in bytes.iter_mut().enumerate().skip(whole) {
        *byte &= if at == whole { (1_u8 << (bits & 7)).wrapping_sub(1) } else { 0 };
    }
}
