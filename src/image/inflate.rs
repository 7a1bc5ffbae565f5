//! Deflate (RFC 1951), with or without the frame of zlib (RFC 1950).

use miniz_oxide::inflate::decompress_slice_iter_to_slice;

/// Unpacks what is packed at the start of `packed`, and says how many bytes that is. `None` when it is damaged or more
/// than `unpacked` takes.
pub(crate) fn inflate(packed: &[u8], unpacked: &mut [u8], has_zlib_frame: bool) -> Option<usize> {
    decompress_slice_iter_to_slice(unpacked, std::iter::once(packed), has_zlib_frame, false).ok()
}
