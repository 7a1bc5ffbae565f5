//! READ CAPACITY (SBC-3 sections 5.15 and 5.16).

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

fn last_block(geometry: Geometry) -> u64 {
    geometry.blocks().saturating_sub(1)
}
