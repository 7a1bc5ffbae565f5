//! Compressed clusters.

use super::header::Compression;
use crate::inflate::inflate;
use bytes::Bytes;
use std::io::Read;

/// The largest window that a cluster may ask for, log2 of bytes; QEMU's are not larger than a cluster, 2 MiB at most.
const WINDOW_LOG_MAX: u32 = 23;

/// The cluster of `length` bytes that is packed at the start of `packed`.
pub(super) fn unpack(packed: &[u8], compression: Compression, length: usize) -> Option<Bytes> {
    let mut cluster = vec![0; length];
    match compression {
        Compression::Deflate => {
            inflate(packed, &mut cluster, false).filter(|unpacked| *unpacked == length)?;
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
            decoder.window_log_max(WINDOW_LOG_MAX).ok()?;
            decoder.read_exact(&mut cluster).ok()?;
        }
    }
    Some(cluster.into())
}
