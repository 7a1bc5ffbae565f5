//! PDUs to bytes: lengths, padding, digests.

use super::layout::BasicHeaderSegment;
use super::{DATA_SEGMENT_BYTES_MAX, Pdu, padding};
use bytes::{BufMut, Bytes, BytesMut};

/// Which digests (CRC32C) a connection uses (RFC 7143 section 13.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// HeaderDigest=CRC32C.
    pub header: bool,
    /// DataDigest=CRC32C.
    pub data: bool,
}

/// The bytes of `pdu` in three pieces: header with its digest, data segment (not copied), padding with data digest. The
/// last two are empty when there is no data.
///
/// What does not fit the length fields is cut off; both limits are documented at [`Pdu`], and no sender comes near.
#[must_use]
pub fn frame(pdu: &Pdu, digests: Digests) -> [Bytes; 3] {
    let ahs = pdu.ahs.get(..pdu.ahs.len().min(1020) & !3).unwrap_or_default();
    let data = pdu.data.slice(..pdu.data.len().min(DATA_SEGMENT_BYTES_MAX));
    let mut header: BasicHeaderSegment = zerocopy::transmute!(pdu.header);
    header.total_ahs_length = u8::try_from(ahs.len() >> 2).unwrap_or(u8::MAX);
    let [_, length @ ..] = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
    header.data_segment_length = length;
    let header: [u8; super::HEADER_BYTES] = zerocopy::transmute!(header);
    let mut head = BytesMut::with_capacity(header.len().saturating_add(ahs.len()).saturating_add(4));
    head.put_slice(&header);
    head.put_slice(ahs);
    if digests.header {
        // CRC32C goes onto the wire with its least significant byte first (RFC 7143 section 13.1 and appendix A.4).
        let digest = crc32c::crc32c(&head);
        head.put_u32_le(digest);
    }
    let tail = if data.is_empty() { Bytes::new() } else { tail(&data, digests) };
    [head.freeze(), data, tail]
}

fn tail(data: &Bytes, digests: Digests) -> Bytes {
    const ZEROS: [u8; 3] = [0; 3];
    let pad = ZEROS.get(..padding(data.len())).unwrap_or_default();
    if !digests.data {
        return Bytes::from_static(match pad.len() {
            0 => &[],
            1 => &[0],
            2 => &[0; 2],
            _ => &[0; 3],
        });
    }
    let digest = crc32c::crc32c_append(crc32c::crc32c(data), pad);
    let mut tail = BytesMut::with_capacity(7);
    tail.put_slice(pad);
    tail.put_u32_le(digest);
    tail.freeze()
}

/// Appends the bytes of `pdu` to `out`; good for small PDUs, many of which go out with one write.
pub fn encode(pdu: &Pdu, digests: Digests, out: &mut BytesMut) {
    for piece in frame(pdu, digests) {
        out.put(piece);
    }
}
