//! Images of many megabytes of which an input changes little: zeros take no memory, and a changed copy costs what was
//! changed in it.

use block::{ReadAt, ReadError, ReadErrorKind};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

const CHUNK: usize = 4096;
const ZEROS: [u8; CHUNK] = [0; CHUNK];

/// An image, without its chunks of zeros.
pub struct Base {
    size: usize,
    /// Which of `chunks` holds each chunk of the image.
    places: Vec<Option<usize>>,
    chunks: Vec<[u8; CHUNK]>,
}

impl Base {
    /// Reads the image `name` of fuzz/run-short.
    pub fn read(name: &str) -> Arc<Self> {
        let mut file = File::open(crate::images::path(name)).unwrap();
        let size = usize::try_from(file.metadata().unwrap().len()).unwrap();
        let mut base = Self { size, places: Vec::with_capacity(size.div_ceil(CHUNK)), chunks: Vec::new() };
        for start in (0..size).step_by(CHUNK) {
            let mut chunk = ZEROS;
            file.read_exact(&mut chunk[..CHUNK.min(size - start)]).unwrap();
            base.places.push((chunk != ZEROS).then_some(base.chunks.len()));
            if chunk != ZEROS {
                base.chunks.push(chunk);
            }
        }
        base.chunks.shrink_to_fit();
        Arc::new(base)
    }

    fn chunk(&self, index: usize) -> &[u8; CHUNK] {
        self.places[index].map_or(&ZEROS, |place| &self.chunks[place])
    }
}

/// A copy of an image with changes.
pub struct Image {
    base: Arc<Base>,
    changes: BTreeMap<usize, Box<[u8; CHUNK]>>,
}

impl Image {
    pub fn of(base: &Arc<Base>) -> Self {
        Self { base: Arc::clone(base), changes: BTreeMap::new() }
    }

    /// The image with its changes, for others to be made.
    #[allow(dead_code, reason = "not every target asks")]
    pub fn into_base(self) -> Arc<Base> {
        let (mut places, mut chunks) = (self.base.places.clone(), self.base.chunks.clone());
        for (index, chunk) in self.changes {
            places[index] = Some(chunks.len());
            chunks.push(*chunk);
        }
        Arc::new(Base { size: self.base.size, places, chunks })
    }

    #[allow(dead_code, reason = "not every target asks")]
    pub fn len(&self) -> usize {
        self.base.size
    }

    /// Whether it holds what its base holds.
    #[allow(dead_code, reason = "not every target asks")]
    pub fn is_unchanged(&self) -> bool {
        self.changes.iter().all(|(index, chunk)| **chunk == *self.base.chunk(*index))
    }

    /// `length` bytes from `at` on, all of which have to be inside.
    pub fn bytes(&self, at: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(at, &mut bytes);
        bytes
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            let index = at / CHUNK;
            let chunk = self.changes.entry(index).or_insert_with(|| Box::new(*self.base.chunk(index)));
            chunk[at % CHUNK] = *byte;
        }
    }

    fn fill(&self, mut at: usize, mut rest: &mut [u8]) {
        while !rest.is_empty() {
            let (index, within) = (at / CHUNK, at % CHUNK);
            let (part, behind) = rest.split_at_mut(rest.len().min(CHUNK - within));
            let chunk = self.changes.get(&index).map_or_else(|| self.base.chunk(index), |chunk| chunk.as_ref());
            part.copy_from_slice(&chunk[within..within + part.len()]);
            (at, rest) = (at + part.len(), behind);
        }
    }
}

impl ReadAt for Image {
    fn size(&self) -> u64 {
        self.base.size as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.size());
        if end.is_none() {
            return Err(ReadError::new(ReadErrorKind::OutOfRange, offset, buf.len() as u64));
        }
        self.fill(offset as usize, buf);
        Ok(())
    }
}
