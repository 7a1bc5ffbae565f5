//! Byte streams inside this process, for tests.

use crate::{Address, Dial, Dialing, Error, ErrorKind, Stream};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// Opens in-memory streams, whatever the address; their other ends come out of the [`MemoryListener`].
#[derive(Clone, Debug)]
pub struct MemoryDial {
    waiting: UnboundedSender<(Address, DuplexStream)>,
    buffer_bytes: usize,
}

/// Where the other ends of streams that [`MemoryDial`] opened come out.
#[derive(Debug)]
pub struct MemoryListener {
    waiting: UnboundedReceiver<(Address, DuplexStream)>,
}

impl MemoryDial {
    /// A dialler and its listener. Each direction of a stream holds `buffer_bytes` that were not read yet.
    #[must_use]
    pub fn new(buffer_bytes: usize) -> (Self, MemoryListener) {
        let (sender, receiver) = unbounded_channel();
        (Self { waiting: sender, buffer_bytes }, MemoryListener { waiting: receiver })
    }
}

impl MemoryListener {
    /// The next stream and the address that was dialled, or `None` when the dialler and its clones are gone. Once the
    /// listener is dropped, dialling is [`ErrorKind::Refused`].
    pub async fn accept(&mut self) -> Option<(Address, DuplexStream)> {
        self.waiting.recv().await
    }
}

impl Dial for MemoryDial {
    fn dial<'a>(&'a self, address: &'a Address, _deadline: Instant) -> Dialing<'a> {
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(self.buffer_bytes);
            let handed_over = self.waiting.send((address.clone(), far));
            handed_over.map_err(|_| Error::new(ErrorKind::Refused, "the listener is gone").at(address))?;
            let near: Box<dyn Stream> = Box::new(near);
            Ok(near)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_is_written_at_one_end_is_read_at_the_other() {
        let (dial, mut listener) = MemoryDial::new(64);
        let wanted = Address::new("target", 3260);
        let mut near = dial.dial(&wanted, Instant::now()).await.unwrap();
        let (address, mut far) = listener.accept().await.unwrap();
        assert_eq!(address, wanted);
        near.write_all(b"ping").await.unwrap();
        let mut got = [0; 4];
        far.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ping");
        drop(near);
        assert_eq!(far.read(&mut got).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn without_a_listener_dialling_is_refused() {
        let (dial, listener) = MemoryDial::new(64);
        drop(listener);
        let error = dial.dial(&Address::new("target", 1), Instant::now()).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Refused);
    }
}
