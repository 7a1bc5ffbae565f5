//! The disk in a container: a format's tables say where each piece of it is, and here the pieces are read.

use block::{ReadAt, ReadError, ReadErrorKind};
use bytes::Bytes;
use std::sync::Arc;

/// Where a piece of a disk is.
#[derive(Clone)]
pub(crate) enum Place {
    /// Nowhere: it reads as zeros.
    Zeros,
    /// In the image below, at the same place; zeros where that ends, or if there is none.
    Below,
    /// In this file, from this byte on.
    File(Arc<dyn ReadAt>, u64),
    /// Here: it had to be unpacked.
    Held(Bytes),
}

/// A piece of a disk.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) place: Place,
    /// Its length in bytes.
    pub(crate) length: u64,
}

/// A format's tables.
pub(crate) trait Tables: Send + Sync {
    /// The piece that begins at byte `offset` of the disk. It may be longer than the `wanted` bytes, and is not looked
    /// for further than these go.
    ///
    /// # Errors
    /// When a table cannot be read or says what cannot be.
    fn piece(&self, offset: u64, wanted: u64) -> Result<Piece, ReadError>;
}

/// A disk as the tables of its image describe it.
pub(crate) struct Mapped {
    pub(crate) name: String,
    pub(crate) tables: Box<dyn Tables>,
    pub(crate) below: Option<Arc<dyn ReadAt>>,
    pub(crate) size: u64,
}

impl Piece {
    /// Whether `next`, which follows on the disk, follows where this piece is, too: then both can be read at once.
    fn joins(&self, next: &Self) -> bool {
        match (&self.place, &next.place) {
            (Place::Zeros, Place::Zeros) | (Place::Below, Place::Below) => true,
            (Place::File(file, offset), Place::File(next_file, next_offset)) => {
                Arc::ptr_eq(file, next_file) && offset.checked_add(self.length) == Some(*next_offset)
            }
            _ => false,
        }
    }
}

impl Mapped {
    /// The piece at `offset`, cut to the `wanted` bytes.
    fn piece(&self, offset: u64, wanted: u64) -> Result<Piece, ReadError> {
        let mut piece = self.tables.piece(offset, wanted).map_err(|error| self.explain(error))?;
        piece.length = piece.length.min(wanted);
        if piece.length == 0 {
            return Err(ReadError::new(ReadErrorKind::Damaged, offset, wanted));
        }
        Ok(piece)
    }

    /// `piece`, which is at `offset`, with all after it that can be read together with it, up to `end`; and what comes
    /// then, if that is known already.
    fn join(&self, offset: u64, end: u64, mut piece: Piece) -> (Piece, Option<Piece>) {
        loop {
            let after = offset.saturating_add(piece.length);
            // An error of what follows is told when it is its turn.
            let next = if after < end { self.piece(after, end.saturating_sub(after)).ok() } else { None };
            match next {
                Some(next) if piece.joins(&next) => piece.length = piece.length.saturating_add(next.length),
                next => return (piece, next),
            }
        }
    }

    fn fill(&self, place: &Place, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        match place {
            Place::Zeros => buf.fill(0),
            Place::Below => self.read_below(offset, buf)?,
            Place::File(file, at) => file.read_exact_at(*at, buf).map_err(|error| self.explain(error))?,
            Place::Held(bytes) => {
                let bytes = bytes.get(..buf.len());
                buf.copy_from_slice(bytes.ok_or_else(|| ReadError::new(ReadErrorKind::Damaged, offset, 0))?);
            }
        }
        Ok(())
    }

    fn read_below(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let Some(below) = &self.below else {
            buf.fill(0);
            return Ok(());
        };
        let there = usize::try_from(below.size().saturating_sub(offset)).unwrap_or(usize::MAX).min(buf.len());
        let (there, beyond) = buf.split_at_mut(there);
        beyond.fill(0);
        if there.is_empty() { Ok(()) } else { below.read_exact_at(offset, there) }
    }

    /// What is wrong with a file when its own tables point outside of it.
    fn explain(&self, error: ReadError) -> ReadError {
        if error.kind != ReadErrorKind::OutOfRange {
            return error;
        }
        let detail =
            format!("the disk image '{}' is cut short or damaged: byte {} is not in its file", self.name, error.offset);
        ReadError { kind: ReadErrorKind::Damaged, ..error }.with_detail(&detail)
    }
}

impl ReadAt for Mapped {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let length = u64::try_from(buf.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(length).filter(|end| *end <= self.size);
        let end = end.ok_or_else(|| ReadError::new(ReadErrorKind::OutOfRange, offset, length))?;
        let (mut at, mut rest, mut next) = (offset, buf, None);
        while !rest.is_empty() {
            let found = next.take().map_or_else(|| self.piece(at, end.saturating_sub(at)), Ok);
            let (piece, following) = self.join(at, end, found.map_err(|error| error.at(offset, length))?);
            next = following;
            let count = usize::try_from(piece.length).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            self.fill(&piece.place, at, now).map_err(|error| error.at(offset, length))?;
            rest = later;
            at = at.saturating_add(piece.length);
        }
        Ok(())
    }
}

/// A read that found something in a container that cannot be.
pub(crate) fn damaged(name: &str, offset: u64, problem: &str) -> ReadError {
    ReadError::new(ReadErrorKind::Damaged, offset, 0).with_detail(&format!("the disk image '{name}': {problem}"))
}
