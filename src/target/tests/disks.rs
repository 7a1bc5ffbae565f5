//! Disks whose bytes are known, and one that answers when it is told to.

use block::{BlockRange, BlockSize, Completion, Disk, Geometry, MemoryDisk, ReadError, ReadErrorKind};
use bytes::Bytes;
use std::sync::{Arc, Mutex};

/// The bytes of a disk: no eight of them are there twice, and none of those of another disk.
pub(super) fn content(disk: u8, bytes: usize) -> Bytes {
    let word = |number: u64| (number << 8 | u64::from(disk)).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    (0..(bytes / 8) as u64).flat_map(word).collect::<Vec<u8>>().into()
}

pub(super) fn disk(number: u8, bytes: usize) -> Arc<dyn Disk> {
    Arc::new(MemoryDisk::new(content(number, bytes), BlockSize::B512))
}

/// A disk whose reads wait until somebody answers them.
pub(super) struct HeldDisk {
    memory: MemoryDisk,
    held: Mutex<Vec<(BlockRange, Completion)>>,
}

impl HeldDisk {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let memory = MemoryDisk::new(content(0, bytes), BlockSize::B512);
        Arc::new(Self { memory, held: Mutex::default() })
    }

    /// First blocks of what waits, in the order in which it came.
    pub(super) fn held(&self) -> Vec<u64> {
        self.held.lock().unwrap().iter().map(|(blocks, _)| blocks.first).collect()
    }

    /// Waits until so many reads wait.
    pub(super) async fn until_held(&self, count: usize) {
        let enough = async {
            while self.held().len() < count {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, enough).await.expect("the reads come");
    }

    pub(super) fn answer(&self, index: usize) {
        let (blocks, done) = self.held.lock().unwrap().remove(index);
        self.memory.submit(blocks, done);
    }

    pub(super) fn fail(&self, index: usize, kind: ReadErrorKind) {
        let (blocks, done) = self.held.lock().unwrap().remove(index);
        done(Err(ReadError::new(kind, blocks.first * 512, u64::from(blocks.count) * 512)));
    }

    /// Gives fewer bytes than were asked for.
    pub(super) fn answer_short(&self, index: usize) {
        let (_, done) = self.held.lock().unwrap().remove(index);
        done(Ok(Bytes::from_static(b"short")));
    }
}

impl Disk for HeldDisk {
    fn geometry(&self) -> Geometry {
        self.memory.geometry()
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        self.held.lock().unwrap().push((blocks, done));
    }
}
