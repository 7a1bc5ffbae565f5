//! Copying a file into the vault, in parts, with its hash.

use super::Watch;
use crate::Error;
use crate::vault::Vault;
use bytes::Bytes;
use object_store::WriteMultipart;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// What is read at a time, in bytes.
const PIECE_BYTES: usize = 4 << 20;
/// The smallest part of a file on its way to an object store, in bytes; none takes less than 5 MiB.
const PART_BYTES_MIN: u64 = 16 << 20;
/// Object stores take no more than 10,000 parts of one object.
const PARTS_MAX: u64 = 9000;
/// Parts on their way at a time.
const PARTS_IN_FLIGHT: usize = 4;
/// How often it is told how far a copy is.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// A file that has been copied.
#[derive(Clone, Debug, Default)]
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// Copies the file at `path` to `place` in the vault.
pub(super) async fn copy(vault: &Vault, path: &Path, place: &str, watch: &Watch) -> Result<Copied, Error> {
    let source = Source::open(path)?;
    let total = source.bytes;
    let part = total.div_ceil(PARTS_MAX).max(PART_BYTES_MIN);
    let part = usize::try_from(part).map_err(|_| Error::invalid(format!("'{}' is too large", path.display())))?;
    let upload = vault.upload(place).await?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, part);
    let (pieces, received) = channel(2);
    let reader = tokio::task::spawn_blocking(move || source.read_all(&pieces));
    let progress = Told { watch, name: path.display().to_string(), total, told_at: Instant::now() };
    let sent = send(&mut upload, received, progress).await;
    let read = reader.await.map_err(|error| Error::internal(format!("reading failed: {error}")))?;
    match read.and_then(|copied| sent.map(|()| copied)) {
        Ok(copied) => {
            let finished = upload.finish().await;
            finished.map_err(|error| Vault::failure(&error, place))?;
            Ok(copied)
        }
        Err(error) => {
            if let Err(abort) = upload.abort().await {
                tracing::warn!("parts of '{place}' may stay in the vault: {}", Vault::failure(&abort, place));
            }
            Err(error)
        }
    }
}

async fn send(upload: &mut WriteMultipart, mut pieces: Receiver<Bytes>, mut progress: Told<'_>) -> Result<(), Error> {
    let mut sent: u64 = 0;
    while let Some(piece) = pieces.recv().await {
        progress.watch.check()?;
        let waited = upload.wait_for_capacity(PARTS_IN_FLIGHT).await;
        waited.map_err(|error| Vault::failure(&error, &progress.name))?;
        sent = sent.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        upload.put(piece);
        progress.tell(sent);
    }
    Ok(())
}

/// How far a copy is, told now and then.
struct Told<'a> {
    watch: &'a Watch,
    name: String,
    total: u64,
    told_at: Instant,
}

impl Told<'_> {
    fn tell(&mut self, bytes: u64) {
        if self.told_at.elapsed() < TOLD_EVERY {
            return;
        }
        self.told_at = Instant::now();
        let percent = bytes.saturating_mul(100).checked_div(self.total).unwrap_or(100);
        self.watch.tell(&format!("copying {}: {percent} %", self.name));
    }
}

/// A file to be read from its beginning to its end, which must not change meanwhile.
struct Source {
    name: String,
    file: File,
    bytes: u64,
    changed_at: Option<std::time::SystemTime>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let unreadable = |error: std::io::Error| Error::invalid(format!("'{name}': {}", block::io_reason(&error)));
        let mut file = File::open(path).map_err(unreadable)?;
        let bytes = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let changed_at = file.metadata().ok().and_then(|found| found.modified().ok());
        Ok(Self { name, file, bytes, changed_at })
    }

    fn read_all(mut self, pieces: &Sender<Bytes>) -> Result<Copied, Error> {
        let mut hash = Sha256::new();
        let mut left = self.bytes;
        while left > 0 {
            let length = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            let mut piece = vec![0; length];
            self.file.read_exact(&mut piece).map_err(|error| self.unreadable(&error))?;
            hash.update(&piece);
            left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
            if pieces.blocking_send(piece.into()).is_err() {
                break;
            }
        }
        let end = self.file.seek(SeekFrom::End(0)).map_err(|error| self.unreadable(&error))?;
        let changed_at = self.file.metadata().ok().and_then(|found| found.modified().ok());
        if end != self.bytes || changed_at != self.changed_at {
            return Err(Error::invalid(format!("'{}' changed while it was copied: is it still in use?", self.name)));
        }
        Ok(Copied { bytes: self.bytes, sha256: hex::encode(hash.finalize()) })
    }

    fn unreadable(&self, error: &std::io::Error) -> Error {
        Error::invalid(format!("'{}' cannot be read: {}", self.name, block::io_reason(error)))
    }
}
