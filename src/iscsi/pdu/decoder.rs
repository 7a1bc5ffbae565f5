//! Bytes to PDUs, as they arrive.

use super::layout::BasicHeaderSegment;
use super::{DATA_SEGMENT_BYTES_MAX, Digests, HEADER_BYTES, Pdu, PduError, padding};
use bytes::{Bytes, BytesMut};

/// Length of a digest in bytes.
const DIGEST_BYTES: usize = 4;

/// Takes bytes in any portions and gives out whole PDUs. It holds at most what was fed and not yet taken out; the
/// length of a data segment is checked before it is waited for.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    digests: Digests,
    data_bytes_max: usize,
    /// A header that was checked already and whose data segment is not all here.
    header: Option<Header>,
    /// After an error nothing that follows can be trusted to begin where a PDU begins.
    broken: Option<PduError>,
}

#[derive(Debug)]
struct Header {
    header: [u8; HEADER_BYTES],
    ahs: Bytes,
    data_bytes: usize,
}

impl Decoder {
    /// A decoder that refuses data segments longer than `data_bytes_max`, our MaxRecvDataSegmentLength. Digests are off.
    #[must_use]
    pub fn new(data_bytes_max: usize) -> Self {
        let data_bytes_max = data_bytes_max.min(DATA_SEGMENT_BYTES_MAX);
        Self { buffer: BytesMut::new(), digests: Digests::default(), data_bytes_max, header: None, broken: None }
    }

    /// Which digests the PDUs from now on have; takes effect with the next one taken out.
    pub const fn set_digests(&mut self, digests: Digests) {
        self.digests = digests;
    }

    /// Another limit for data segments, for the PDUs from now on.
    pub fn set_data_bytes_max(&mut self, data_bytes_max: usize) {
        self.data_bytes_max = data_bytes_max.min(DATA_SEGMENT_BYTES_MAX);
    }

    /// Appends bytes that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer, to read from a connection right into its end (`AsyncReadExt::read_buf`), with room for at least the
    /// rest of the PDU that is arriving. What is in it must not be changed.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        /// Room for many small PDUs at once.
        const ROOM_BYTES: usize = 64 << 10;
        let awaited = self.header.as_ref().map_or(0, |header| header.data_bytes.saturating_add(8));
        self.buffer.reserve(awaited.saturating_sub(self.buffer.len()).max(ROOM_BYTES));
        &mut self.buffer
    }

    /// Bytes that were fed and not taken out yet.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next PDU; `None` when it is not all here yet.
    ///
    /// # Errors
    /// A digest that does not fit, or a data segment that is too long. The connection is of no use then (error recovery
    /// level 0), and every later call gives the same error.
    pub fn next_pdu(&mut self) -> Result<Option<Pdu>, PduError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let next = self.take();
        if let Err(error) = &next {
            self.broken = Some(error.clone());
        }
        next
    }

    fn take(&mut self) -> Result<Option<Pdu>, PduError> {
        let header = match self.header.take() {
            Some(header) => header,
            None => match self.take_header()? {
                Some(header) => header,
                None => return Ok(None),
            },
        };
        match self.take_data(header.data_bytes)? {
            Some(data) => Ok(Some(Pdu { header: header.header, ahs: header.ahs, data })),
            None => {
                self.header = Some(header);
                Ok(None)
            }
        }
    }

    fn take_header(&mut self) -> Result<Option<Header>, PduError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_BYTES>().copied() else { return Ok(None) };
        let fields: BasicHeaderSegment = zerocopy::transmute!(header);
        let ahs_bytes = usize::from(fields.total_ahs_length) << 2;
        let length = HEADER_BYTES.saturating_add(ahs_bytes);
        let digest_bytes = if self.digests.header { DIGEST_BYTES } else { 0 };
        if self.buffer.len() < length.saturating_add(digest_bytes) {
            return Ok(None);
        }
        let whole = self.buffer.split_to(length).freeze();
        if self.digests.header {
            let (expected, found) = (crc32c::crc32c(&whole), take_digest(&mut self.buffer));
            if expected != found {
                return Err(PduError::HeaderDigest { expected, found });
            }
        }
        let [high, middle, low] = fields.data_segment_length;
        let data_bytes = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
        if data_bytes > self.data_bytes_max {
            return Err(PduError::DataTooLong { length: data_bytes, max: self.data_bytes_max });
        }
        // Copied, so that a kept header does not keep the whole buffer.
        let ahs = Bytes::copy_from_slice(whole.get(HEADER_BYTES..).unwrap_or_default());
        Ok(Some(Header { header, ahs, data_bytes }))
    }

    fn take_data(&mut self, data_bytes: usize) -> Result<Option<Bytes>, PduError> {
        if data_bytes == 0 {
            return Ok(Some(Bytes::new()));
        }
        let padded = data_bytes.saturating_add(padding(data_bytes));
        let digest_bytes = if self.digests.data { DIGEST_BYTES } else { 0 };
        if self.buffer.len() < padded.saturating_add(digest_bytes) {
            return Ok(None);
        }
        let mut data = self.buffer.split_to(padded).freeze();
        if self.digests.data {
            let (expected, found) = (crc32c::crc32c(&data), take_digest(&mut self.buffer));
            if expected != found {
                return Err(PduError::DataDigest { expected, found });
            }
        }
        data.truncate(data_bytes);
        Ok(Some(data))
    }
}

/// The digest at the front; the caller looked that it is there.
fn take_digest(buffer: &mut BytesMut) -> u32 {
    let digest = buffer.split_to(DIGEST_BYTES.min(buffer.len()));
    digest.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
