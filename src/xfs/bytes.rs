//! Big-endian numbers in byte slices of any origin: a number that is not there is `None`.

pub(crate) use vfs::bytes::big_endian::{u16_at, u32_at, u64_at};
pub(crate) use vfs::bytes::{array, length};
