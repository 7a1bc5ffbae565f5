//! Disk images in memory, opened with the images that they build on and read.

use block::{BlockRange, BlockSize, Disk, ReadAt, ReadError};
use bytes::Bytes;
use image::{Error, Files, Format, OpenOptions};
use std::sync::{Arc, mpsc};

/// Files by name.
pub struct Given(pub Vec<(&'static str, Arc<dyn ReadAt>)>);

impl Files for Given {
    fn open(&self, name: &str) -> Result<Arc<dyn ReadAt>, Error> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, bytes)| Arc::clone(bytes)).ok_or_else(|| Error::NotFound(name.to_owned()))
    }
}

/// Opens the first file, and reads at its start, at its end and at `places`: what is read at once must be what is read
/// piece by piece.
pub fn look(files: &Given, format: Option<Format>, places: &[u64]) {
    let options = OpenOptions { format, block_size: BlockSize::B512 };
    let Ok(opened) = image::open(files, files.0[0].0, &options) else { return };
    let blocks = opened.disk.geometry().blocks();
    let middle = places.iter().map(|place| place % blocks);
    for first in [0, blocks.saturating_sub(40)].into_iter().chain(middle) {
        let count = blocks.saturating_sub(first).min(300) as u32;
        let Ok(whole) = read(&*opened.disk, first, count) else { continue };
        let block_bytes = opened.disk.geometry().block_size().bytes() as usize;
        for (number, block) in whole.chunks(block_bytes * 37).enumerate() {
            let part = read(&*opened.disk, first + number as u64 * 37, (block.len() / block_bytes) as u32);
            assert_eq!(part.expect("a part of what could be read cannot"), block, "a part differs from the whole");
        }
    }
}

fn read(disk: &dyn Disk, first: u64, count: u32) -> Result<Bytes, ReadError> {
    let (sender, receiver) = mpsc::channel();
    disk.submit(BlockRange { first, count }, Box::new(move |answer| sender.send(answer).unwrap()));
    receiver.recv().unwrap()
}

/// A change that an input asks for: of which structure, where, and to what.
pub struct Change {
    pub kind: u8,
    pub which: u8,
    pub place: u16,
    pub value: Vec<u8>,
}

/// Bytes of a change in an input.
pub const CHANGE: usize = 9;

/// The changes in an input.
#[allow(dead_code, reason = "not every target has structures")]
pub fn changes(input: &[u8]) -> impl Iterator<Item = Change> {
    input.chunks_exact(CHANGE).map(|change| Change {
        kind: change[0],
        which: change[1],
        place: u16::from_le_bytes([change[2], change[3]]),
        value: change[5..5 + usize::from(change[4] % 4) + 1].to_vec(),
    })
}
