//! How much is read of a disk for a walk over a whole tree: little more than the MFT and the indexes, and those in large
//! runs.

use super::fixtures::{check, script};
use super::live::can_make;
use crate::Ntfs;
use block::{BlockRange, BlockSize, Cache, CacheConfig, Completion, Disk, Geometry, ReadError, ReadErrorKind};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use vfs::{Cursor, FileSystem, FileType};

/// A disk in a file that counts what is read.
struct Counted {
    file: Mutex<File>,
    geometry: Geometry,
    reads: Mutex<Vec<BlockRange>>,
}

impl Counted {
    fn open(path: &Path) -> Self {
        let file = File::open(path).unwrap();
        let blocks = file.metadata().unwrap().len() >> BlockSize::B512.shift();
        let geometry = Geometry::new(BlockSize::B512, blocks).unwrap();
        Self { file: Mutex::new(file), geometry, reads: Mutex::default() }
    }

    fn read(&self, blocks: BlockRange) -> std::io::Result<Vec<u8>> {
        self.reads.lock().unwrap().push(blocks);
        let mut file = self.file.lock().unwrap();
        file.seek(SeekFrom::Start(blocks.first << 9))?;
        let mut bytes = vec![0; (blocks.count as usize) << 9];
        file.read_exact(&mut bytes).map(|()| bytes)
    }
}

impl Disk for Counted {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        let error = |_| ReadError::new(ReadErrorKind::Device, blocks.first << 9, u64::from(blocks.count) << 9);
        done(self.read(blocks).map(Into::into).map_err(error));
    }
}

/// What a walk over all names and attributes of a volume read.
struct Walked {
    names: usize,
    /// Bytes of the MFT and of all blocks of directories.
    metadata: u64,
    /// Bytes that were read of the disk, and in how many reads.
    bytes: u64,
    reads: usize,
    /// Reads that go on where the one before ended count as one.
    runs: usize,
}

impl Walked {
    fn ratio(&self) -> f64 {
        self.bytes as f64 / self.metadata as f64
    }

    fn text(&self) -> String {
        let Self { names, metadata, bytes, reads, runs } = self;
        let ratio = self.ratio();
        format!(
            "Walked {names} names, {metadata} bytes of metadata: {bytes} read, {ratio:.2} times as many, in {reads} reads, \
             {runs} runs"
        )
    }
}

/// Lists every directory and asks for the attributes of each entry, as `find` and `ls -lR` do.
fn walk(image: &Path, config: CacheConfig) -> Walked {
    let disk = Arc::new(Counted::open(image));
    let cached = Cache::new(config).attach(disk.clone());
    let fs = Ntfs::open(Arc::new(cached)).unwrap();
    let (mut names, mut indexes, mut todo) = (0, 0, vec![fs.root()]);
    while let Some(node) = todo.pop() {
        indexes += fs.attr(node).unwrap().size;
        let at = todo.len();
        let listed = fs.read_dir(node, Cursor::START, &mut |entry| {
            names += 1;
            if fs.entry_attr(&entry).unwrap().file_type == FileType::Directory {
                todo.push(entry.node);
            }
            ControlFlow::Continue(())
        });
        listed.unwrap();
        todo[at..].reverse();
    }
    let metadata = indexes + fs.records_bytes();
    let reads = disk.reads.lock().unwrap();
    let bytes = reads.iter().map(|read| u64::from(read.count) << 9).sum();
    let goes_on = |pair: &[BlockRange]| pair[0].first + u64::from(pair[0].count) == pair[1].first;
    let runs = reads.len() - reads.windows(2).filter(|pair| goes_on(pair)).count();
    Walked { names, metadata, bytes, reads: reads.len(), runs }
}

#[test]
fn a_walk_over_a_tree_reads_little_more_than_the_mft_and_the_indexes() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    for order in ["sequential", "scattered"] {
        let image = scratch.path().join(order);
        check(order, &script("ntfs", "many.py", &[image.to_str().unwrap(), "12000", "60", order]));
        // Chunks of the usual size would read much around the few directories of so small a tree.
        let walked = walk(&image, CacheConfig { chunk_bytes: 16 << 10, ..CacheConfig::default() });
        eprintln!("{order}: {}", walked.text());
        assert!(walked.names >= 12_000, "{}", walked.text());
        assert!(walked.ratio() <= 1.3, "{order}: {}", walked.text());
    }
}

#[test]
#[ignore = "a bench, for an image of any size: benches/ntfs-walk.sh"]
fn a_walk_over_an_image_from_outside_says_what_it_read() {
    let image = std::env::var_os("FR_WALK_IMAGE").expect("run it with benches/ntfs-walk.sh");
    let walked = walk(Path::new(&image), CacheConfig::default());
    eprintln!("{}", walked.text());
}
