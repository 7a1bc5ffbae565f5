//! PDUs over a byte stream.

use crate::login::{DATA_SEGMENT_BYTES, DEFAULT_DATA_SEGMENT_BYTES};
use crate::pdu::{Decoder, Digests, Pdu, encode};
use crate::{Error, ErrorKind};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;
use tunnel::Stream;

/// A connection to a target.
pub(crate) struct Wire {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    decoder: Decoder,
    digests: Digests,
    out: BytesMut,
    unflushed: bool,
    /// When something came in last.
    pub(crate) heard: Instant,
}

impl Wire {
    /// A connection on which nothing was sent yet.
    pub(crate) fn new(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let decoder = Decoder::new(usize::from(DEFAULT_DATA_SEGMENT_BYTES));
        let (digests, out, heard) = (Digests::default(), BytesMut::new(), Instant::now());
        Self { reader, writer, decoder, digests, out, unflushed: false, heard }
    }

    /// From the next PDU on, in both directions, the full feature phase with these digests.
    pub(crate) fn enter_full_feature(&mut self, digests: Digests) {
        self.digests = digests;
        self.decoder.set_digests(digests);
        self.decoder.set_data_bytes_max(usize::try_from(DATA_SEGMENT_BYTES).unwrap_or(usize::MAX));
    }

    /// Puts a PDU behind those that wait to be sent.
    pub(crate) fn queue(&mut self, pdu: &Pdu) {
        encode(pdu, self.digests, &mut self.out);
        self.unflushed = true;
    }

    /// Whether enough waits to be sent for one write.
    pub(crate) fn is_full(&self) -> bool {
        const ENOUGH_BYTES: usize = 16 << 10;
        self.out.len() >= ENOUGH_BYTES
    }

    /// The next PDU among what came in, if it is whole.
    pub(crate) fn next_pdu(&mut self) -> Result<Option<Pdu>, Error> {
        Ok(self.decoder.next_pdu()?)
    }

    /// Reads or writes something, whichever is possible first. Dropping the future loses nothing.
    pub(crate) async fn step(&mut self) -> Result<(), Error> {
        let Self { reader, writer, out, decoder, .. } = self;
        let write = async {
            if out.is_empty() {
                writer.flush().await.map(|()| true)
            } else {
                writer.write_buf(out).await.map(|_| false)
            }
        };
        tokio::select! {
            read = reader.read_buf(decoder.buffer_mut()) => {
                if read.map_err(|error| Error::lost(&error))? == 0 {
                    return Err(Error::new(ErrorKind::Disconnected, "the target closed the connection"));
                }
                self.heard = Instant::now();
            }
            written = write, if self.unflushed => {
                self.unflushed = !written.map_err(|error| Error::lost(&error))?;
            }
        }
        Ok(())
    }

    /// Sends a PDU and waits for the next that comes in.
    pub(crate) async fn exchange(&mut self, pdu: &Pdu) -> Result<Pdu, Error> {
        self.queue(pdu);
        self.receive().await
    }

    /// Waits for the next PDU.
    pub(crate) async fn receive(&mut self) -> Result<Pdu, Error> {
        loop {
            if let Some(pdu) = self.next_pdu()? {
                return Ok(pdu);
            }
            self.step().await?;
        }
    }

    /// Tells the other side that nothing more comes.
    pub(crate) async fn close(mut self) {
        // The session is over, and the other side has closed already as likely as not.
        let _ = self.writer.shutdown().await;
    }
}
