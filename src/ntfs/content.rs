//! What reading a file gives: its own data, or what WOF makes of it.

use crate::bytes::length;
use crate::data::{Value, read_unpacked};
use crate::file::File;
use crate::record::Kind;
use crate::reparse;
use crate::shape::Shape;
use crate::store::{Store, Unpacked};
use crate::wof::{self, Packed};
use std::ops::Range;
use std::sync::Arc;
use vfs::reader::corrupt;
use vfs::{Error, ErrorKind, Result, Segment, SegmentKind};

/// The data of a file, or of a stream of it.
pub(crate) enum Content {
    Own(Value),
    /// Its own, which must have no holes.
    Placeholder(Value),
    /// Packed in another stream.
    Packed {
        size: u64,
        packed: Packed,
        stream: Value,
    },
}

impl Content {
    /// The data of a stream of `file`; without a name, what the file is shown with.
    pub(crate) fn of(store: &Store, file: &File, name: &[u16]) -> Result<Self> {
        let value = |name: &[u16]| Value::find(store, &file.inode, Kind::DATA, name);
        if !name.is_empty() {
            return value(name)?.map(Self::Own).ok_or_else(|| Error::new(ErrorKind::NoAttribute, "no such stream"));
        }
        let own = || value(&[])?.ok_or_else(|| corrupt(format!("{}: it has no data", file.inode.name())));
        match &file.shape {
            Shape::Plain => own().map(Self::Own),
            Shape::Placeholder => own().map(Self::Placeholder),
            Shape::Wof(algorithm) => {
                let missing = || corrupt(format!("{}: its stream {} is missing", file.inode.name(), wof::STREAM));
                let (own, stream) = (own()?, value(&wof::stream_name())?.ok_or_else(missing)?);
                let packed = Packed::new(*algorithm, own.size(), stream.size())?;
                Ok(Self::Packed { size: own.size(), packed, stream })
            }
            Shape::Refused(kind, message) => Err(Error::new(*kind, message.clone())),
            Shape::Directory => Err(Error::new(ErrorKind::IsADirectory, "this is a directory")),
            Shape::Link(_) | Shape::UnixLink(_) | Shape::Special(..) => {
                Err(Error::new(ErrorKind::WrongType, "this is not a file with data"))
            }
        }
    }

    /// Reads from `offset` on and says how many bytes it put into `buf`: fewer only at the end.
    pub(crate) fn read(&self, store: &Store, offset: u64, buf: &mut [u8]) -> Result<usize> {
        match self {
            Self::Own(value) => value.read(store, offset, buf),
            Self::Placeholder(value) => {
                let end = offset.saturating_add(length(buf)).min(value.size());
                let mut at = offset;
                while at < end {
                    let segment = value.segment(store, at)?;
                    if segment.kind == SegmentKind::Hole {
                        return Err(reparse::hole_in_placeholder());
                    }
                    at = segment.range.end;
                }
                value.read(store, offset, buf)
            }
            Self::Packed { size, packed, stream } => {
                let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
                let count = left.min(buf.len());
                let buf = buf.get_mut(..count).unwrap_or_default();
                read_unpacked(packed.chunk_bytes(), offset, buf, &|number| chunk(store, packed, stream, number))?;
                Ok(count)
            }
        }
    }

    /// The run of stored bytes, or of zeros, around `offset`.
    pub(crate) fn segment(&self, store: &Store, offset: u64) -> Result<Segment> {
        match self {
            Self::Own(value) | Self::Placeholder(value) => value.segment(store, offset),
            Self::Packed { size, .. } if offset < *size => Ok(Segment { kind: SegmentKind::Data, range: 0..*size }),
            Self::Packed { .. } => Err(Error::new(ErrorKind::NotFound, "this is behind the end of the file")),
        }
    }

    /// Hints that these bytes will be read soon.
    pub(crate) fn will_read(&self, store: &Store, range: &Range<u64>) {
        match self {
            Self::Own(value) | Self::Placeholder(value) => value.will_read(store, range),
            Self::Packed { packed, stream, .. } => {
                // A hint never fails: the read that follows tells what is wrong.
                if let Ok(stored) = packed.stored_range(&|at, buf| read_stream(store, stream, at, buf), range.clone()) {
                    stream.will_read(store, &stored);
                }
            }
        }
    }
}

fn read_stream(store: &Store, stream: &Value, offset: u64, buf: &mut [u8]) -> Result<()> {
    let wanted = buf.len();
    if stream.read(store, offset, buf)? == wanted {
        return Ok(());
    }
    Err(corrupt(format!("the stream {} is shorter than what it describes", wof::STREAM)))
}

fn chunk(store: &Store, packed: &Packed, stream: &Value, number: u64) -> Result<Arc<Vec<u8>>> {
    let read = || packed.read_chunk(&|at, buf| read_stream(store, stream, at, buf), number);
    match stream.first_part() {
        Some(part) => store.unpacked.get_or_read(Unpacked::Chunk(part, number), read),
        None => read().map(Arc::new),
    }
}
