//! Files of images in memory or in a directory, and reading all of a disk.

use crate::{Error, Files, Format, LocalFiles, OpenOptions, Opened};
use block::{BlockRange, BlockSize, Disk, ReadAt, ReadError};
use bytes::Bytes;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, mpsc};

pub(super) const OPTIONS: OpenOptions = OpenOptions { format: None, block_size: BlockSize::B512 };

/// Files in memory, by name. Their ends are where they were put: they need not have whole blocks.
#[derive(Default)]
pub(super) struct Memory(pub(super) HashMap<String, Bytes>);

struct Held(Bytes);

impl ReadAt for Held {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let error = ReadError::new(block::ReadErrorKind::OutOfRange, offset, buf.len() as u64);
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.size()).ok_or(error)?;
        buf.copy_from_slice(&self.0[offset as usize..end as usize]);
        Ok(())
    }
}

impl Files for Memory {
    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, Error> {
        let file = self.0.get(name).ok_or_else(|| Error::NotFound(name.to_owned()))?;
        Ok(Arc::new(Held(file.clone())))
    }
}

impl Memory {
    pub(super) fn with(mut self, name: &str, content: impl Into<Bytes>) -> Self {
        self.0.insert(name.to_owned(), content.into());
        self
    }

    pub(super) fn open_image(&self, name: &str) -> Result<Opened, Error> {
        crate::open(self, name, &OPTIONS)
    }

    pub(super) fn refusal(&self, name: &str) -> String {
        self.open_image(name).err().unwrap_or_else(|| panic!("{name} was accepted")).to_string()
    }
}

/// A read of whole blocks, waited for.
pub(super) fn read(disk: &dyn Disk, first: u64, count: u32) -> Result<Bytes, ReadError> {
    let (sender, receiver) = mpsc::channel();
    disk.submit(BlockRange { first, count }, Box::new(move |answer| sender.send(answer).unwrap()));
    receiver.recv().unwrap()
}

/// All bytes of a disk, read by many reads at a time.
pub(super) fn content(disk: &dyn Disk) -> Result<Vec<u8>, ReadError> {
    const COUNT: u64 = 777;
    let geometry = disk.geometry();
    let waiting: Vec<_> = (0..geometry.blocks().div_ceil(COUNT))
        .map(|part| {
            let first = part * COUNT;
            let count = COUNT.min(geometry.blocks() - first) as u32;
            let (sender, receiver) = mpsc::channel();
            disk.submit(BlockRange { first, count }, Box::new(move |answer| sender.send(answer).unwrap()));
            receiver
        })
        .collect();
    let parts: Result<Vec<_>, _> = waiting.into_iter().map(|receiver| receiver.recv().unwrap()).collect();
    Ok(parts?.concat())
}

/// Opens the image at `path` and compares it with what is said to be in it: as a whole, then some small pieces.
pub(super) fn assert_content(path: &Path, format: Format, expected: &[u8], dice: &mut Dice) {
    let opened = crate::open(&LocalFiles, path.to_str().unwrap(), &OPTIONS);
    let opened = opened.unwrap_or_else(|error| panic!("{} (seed {}): {error}", path.display(), dice.seed));
    assert_eq!(opened.format, format, "{}", path.display());
    let disk = &*opened.disk;
    let found = content(disk).unwrap_or_else(|error| panic!("{} (seed {}): {error}", path.display(), dice.seed));
    assert_eq!(found.len(), expected.len() / 512 * 512, "{}: the size of the disk", path.display());
    let differs = found.iter().zip(expected).position(|(found, expected)| found != expected);
    assert_eq!(differs, None, "{} (seed {}): the first byte that differs", path.display(), dice.seed);
    let block_bytes = disk.geometry().block_size().bytes() as usize;
    for _ in 0..50 {
        let first = dice.below(disk.geometry().blocks());
        let count = (1 + dice.below(40)).min(disk.geometry().blocks() - first) as u32;
        let found = read(disk, first, count).unwrap();
        assert_eq!(found, expected[first as usize * block_bytes..][..count as usize * block_bytes]);
    }
}

/// Numbers as if they were thrown; the same ones for the same seed.
pub(super) struct Dice {
    pub(super) seed: u64,
    state: u64,
}

impl Dice {
    /// A seed that was not there before, which failing tests tell; `FR_IMAGE_SEED` repeats one.
    pub(super) fn new() -> Self {
        let given = std::env::var("FR_IMAGE_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = given.unwrap_or(now);
        Self { seed, state: seed }
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        // "splitmix64": Sebastiano Vigna, public domain.
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end.max(1)
    }
}
