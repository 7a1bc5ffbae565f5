//! READ CAPACITY (SBC-3 sections 5.15 and 5.16) and GET LBA STATUS (section 5.4).

use super::Sense;
use block::Geometry;
use bytes::{BufMut, Bytes, BytesMut};

/// Parameter data of READ CAPACITY (10); a disk too large for it says so with the highest address.
pub(super) fn read_capacity_10(geometry: Geometry) -> Bytes {
    let mut data = BytesMut::new();
    data.put_u32(u32::try_from(last_block(geometry)).unwrap_or(u32::MAX));
    data.put_u32(geometry.block_size().bytes());
    data.freeze()
}

/// Parameter data of READ CAPACITY (16): no protection information, one logical block per physical block, fully
/// provisioned.
pub(super) fn read_capacity_16(geometry: Geometry) -> Bytes {
    let mut data = BytesMut::new();
    data.put_u64(last_block(geometry));
    data.put_u32(geometry.block_size().bytes());
    data.put_bytes(0, 20);
    data.freeze()
}

/// Parameter data of GET LBA STATUS: every block from `first` on is mapped, as those of a fully provisioned disk are. A
/// descriptor tells of 2^32 - 1 blocks at most; for what is behind, the initiator asks again.
pub(super) fn lba_status(geometry: Geometry, first: u64) -> Result<Bytes, Sense> {
    /// Length of what follows the length field: a reserved word and one descriptor.
    const LENGTH: u32 = 20;
    let left = geometry.blocks().checked_sub(first).filter(|left| *left > 0).ok_or(Sense::LBA_OUT_OF_RANGE)?;
    let mut data = BytesMut::new();
    data.put_u32(LENGTH);
    data.put_u32(0);
    data.put_u64(first);
    data.put_u32(u32::try_from(left).unwrap_or(u32::MAX));
    data.put_u32(0); // PROVISIONING STATUS: mapped
    Ok(data.freeze())
}

fn last_block(geometry: Geometry) -> u64 {
    geometry.blocks().saturating_sub(1)
}
