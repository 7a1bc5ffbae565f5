use super::*;
use crate::{BlockSize, Completion, Geometry, MemoryDisk, Slice};
use proptest::prelude::*;
use std::sync::atomic::AtomicUsize;

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn config(chunks: u64) -> CacheConfig {
    CacheConfig { bytes_max: chunks * 4096, chunk_bytes: 4096, ..CacheConfig::default() }
}

/// Keeps what was submitted until the test answers it.
struct ManualDisk {
    blocks: u64,
    submitted: Mutex<Vec<(BlockRange, Completion)>>,
}

impl ManualDisk {
    fn new(blocks: u64) -> Arc<Self> {
        Arc::new(Self { blocks, submitted: Mutex::default() })
    }

    fn waiting(&self) -> usize {
        lock(&self.submitted).len()
    }

    fn answer(&self, answer: impl Fn(BlockRange) -> Result<Bytes, ReadError>) {
        let submitted = std::mem::take(&mut *lock(&self.submitted));
        for (range, done) in submitted {
            done(answer(range));
        }
    }
}

impl Disk for ManualDisk {
    fn geometry(&self) -> Geometry {
        Geometry::new(BlockSize::B512, self.blocks).unwrap()
    }
    fn submit(&self, blocks: BlockRange, done: Completion) {
        lock(&self.submitted).push((blocks, done));
    }
}

fn ones(range: BlockRange) -> Result<Bytes, ReadError> {
    Ok(Bytes::from(vec![1; range.count as usize * 512]))
}

fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "it never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Counts the reads that reach the disk.
struct Counting(MemoryDisk, AtomicUsize);

impl Disk for Counting {
    fn geometry(&self) -> Geometry {
        Disk::geometry(&self.0)
    }
    fn submit(&self, blocks: BlockRange, done: Completion) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.submit(blocks, done);
    }
}

proptest! {
    #[test]
    fn any_read_equals_the_disk(
        size_blocks in 1_usize..200,
        reads in proptest::collection::vec((0_usize..110_000, 0_usize..30_000), 1..20),
        large_blocks in any::<bool>(),
    ) {
        let block_size = if large_blocks { BlockSize::B4096 } else { BlockSize::B512 };
        let data = pattern(size_blocks * 512 / block_size.bytes() as usize * block_size.bytes() as usize);
        let disk = Cache::new(config(16)).attach(Arc::new(MemoryDisk::new(data.clone(), block_size)));
        for (offset, length) in reads {
            let mut buf = vec![0xEE; length];
            let answer = disk.read_exact_at(offset as u64, &mut buf);
            match data.get(offset..offset + length) {
                Some(expected) => { prop_assert!(answer.is_ok()); prop_assert_eq!(&buf, expected); }
                None => prop_assert_eq!(answer.unwrap_err().kind, ReadErrorKind::OutOfRange),
            }
        }
    }
}

#[test]
fn a_slice_reads_only_its_own_bytes() {
    let data = pattern(64 * 512);
    let disk = Arc::new(Cache::new(config(16)).attach(Arc::new(MemoryDisk::new(data.clone(), BlockSize::B512))));
    let slice = Slice::new(disk.clone(), 1000, 5000).unwrap();
    let mut buf = vec![0; 5000];
    slice.read_exact_at(0, &mut buf).unwrap();
    assert_eq!(buf, data[1000..6000]);
    assert_eq!(slice.read_exact_at(1, &mut buf).unwrap_err().kind, ReadErrorKind::OutOfRange);
    assert!(Slice::new(disk, 1000, 64 * 512).is_err());
}

#[test]
fn readers_of_the_same_chunk_share_one_read() {
    let manual = ManualDisk::new(64);
    let disk = Arc::new(Cache::new(config(16)).attach(manual.clone()));
    let readers: Vec<_> = (0..4)
        .map(|i| {
            let disk = disk.clone();
            std::thread::spawn(move || {
                let mut buf = [0; 16];
                disk.read_exact_at(i * 100, &mut buf).map(|()| buf)
            })
        })
        .collect();
    until(|| manual.waiting() == 1);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(manual.waiting(), 1);
    manual.answer(ones);
    for reader in readers {
        assert_eq!(reader.join().unwrap().unwrap(), [1; 16]);
    }
}

#[test]
fn one_read_keeps_several_chunks_in_flight() {
    let manual = ManualDisk::new(64);
    let disk = Arc::new(Cache::new(config(16)).attach(manual.clone()));
    let reader = {
        let disk = disk;
        std::thread::spawn(move || disk.read_exact_at(0, &mut [0; 5 * 4096]))
    };
    until(|| manual.waiting() == 5);
    manual.answer(ones);
    reader.join().unwrap().unwrap();
}

#[test]
fn a_failed_read_is_told_to_its_readers_and_not_kept() {
    let manual = ManualDisk::new(64);
    let disk = Arc::new(Cache::new(config(16)).attach(manual.clone()));
    let read = || {
        let disk = disk.clone();
        std::thread::spawn(move || disk.read_exact_at(0, &mut [0; 4]))
    };
    let reader = read();
    until(|| manual.waiting() == 1);
    manual.answer(|_| Err(ReadError::new(ReadErrorKind::Disconnected, 0, 0)));
    assert_eq!(reader.join().unwrap().unwrap_err().kind, ReadErrorKind::Disconnected);
    let reader = read();
    until(|| manual.waiting() == 1);
    manual.answer(ones);
    reader.join().unwrap().unwrap();
}

/// One block of it cannot be read.
struct OneBadBlock(MemoryDisk, u64);

impl Disk for OneBadBlock {
    fn geometry(&self) -> Geometry {
        Disk::geometry(&self.0)
    }
    fn submit(&self, blocks: BlockRange, done: Completion) {
        if (blocks.first..blocks.end().unwrap()).contains(&self.1) {
            return done(Err(ReadError::new(ReadErrorKind::Device, 0, 0)));
        }
        self.0.submit(blocks, done);
    }
}

#[test]
fn a_block_that_cannot_be_read_does_not_take_its_neighbours_with_it() {
    let data = pattern(64 * 512);
    let disk = Arc::new(OneBadBlock(MemoryDisk::new(data.clone(), BlockSize::B512), 11));
    let disk = Cache::new(config(16)).attach(disk);
    // Twice: what is remembered of a bad chunk answers the same.
    for _ in 0..2 {
        for (at, length) in
            [(8 * 512, 3 * 512), (12 * 512, 4 * 512), (10 * 512 + 500, 12), (12 * 512, 1), (16 * 512, 4096)]
        {
            let mut buf = vec![0; length];
            disk.read_exact_at(at as u64, &mut buf).unwrap();
            assert_eq!(buf, data[at..at + length], "{at} {length}");
        }
        for (at, length) in [(11 * 512, 1), (10 * 512 + 511, 2), (0, 64 * 512)] {
            let error = disk.read_exact_at(at, &mut vec![0; length]).unwrap_err();
            assert_eq!((error.kind, error.offset, error.length), (ReadErrorKind::Device, at, length as u64));
        }
    }
}

#[test]
fn a_short_answer_is_an_error() {
    let manual = ManualDisk::new(64);
    let disk = Arc::new(Cache::new(config(16)).attach(manual.clone()));
    let reader = {
        let disk = disk;
        std::thread::spawn(move || disk.read_exact_at(0, &mut [0; 4]))
    };
    // Of the whole chunk, and then of the blocks that are wanted.
    for answer in [Bytes::from_static(&[0; 512]), Bytes::from_static(&[0; 100])] {
        until(|| manual.waiting() == 1);
        manual.answer(|_| Ok(answer.clone()));
    }
    assert_eq!(reader.join().unwrap().unwrap_err().kind, ReadErrorKind::Device);
}

#[test]
fn a_disk_that_never_answers_ends_in_a_time_out() {
    let manual = ManualDisk::new(64);
    let config = CacheConfig { wait_max: Duration::from_millis(20), ..config(16) };
    let disk = Cache::new(config).attach(manual);
    assert_eq!(disk.read_exact_at(0, &mut [0; 4]).unwrap_err().kind, ReadErrorKind::TimedOut);
}

#[test]
fn memory_stays_within_its_bound() {
    let cache = Cache::new(config(64));
    let disk = cache.attach(Arc::new(MemoryDisk::new(pattern(1000 * 4096), BlockSize::B512)));
    for chunk in 0..1000 {
        disk.read_exact_at(chunk * 4096, &mut [0; 100]).unwrap();
        assert!(cache.bytes_used() <= 64 * 4096);
    }
    assert!(cache.bytes_used() > 32 * 4096);
}

#[test]
fn hints_are_bounded_and_then_hit() {
    let manual = ManualDisk::new(800);
    let config = CacheConfig { hinted_bytes_max: 8 * 4096, ..config(64) };
    let disk = Cache::new(config).attach(manual.clone());
    disk.will_need(&[0..1000, 1000..100_000_000, 5..5]);
    assert_eq!(manual.waiting(), 8);
    manual.answer(ones);
    disk.read_exact_at(0, &mut [0; 8 * 4096]).unwrap();
    assert_eq!(manual.waiting(), 0);
}

#[test]
fn what_is_kept_is_not_read_again() {
    let counting = Arc::new(Counting(MemoryDisk::new(pattern(64 * 512), BlockSize::B512), AtomicUsize::new(0)));
    let disk = Cache::new(config(16)).attach(counting.clone());
    for _ in 0..3 {
        disk.read_exact_at(0, &mut [0; 8192]).unwrap();
    }
    assert_eq!(counting.1.load(Ordering::SeqCst), 2);
}

#[test]
fn disks_of_one_cache_are_kept_apart() {
    let cache = Cache::new(config(16));
    let a = cache.attach(Arc::new(MemoryDisk::new(vec![1; 4096], BlockSize::B512)));
    let b = cache.attach(Arc::new(MemoryDisk::new(vec![2; 4096], BlockSize::B512)));
    let (mut from_a, mut from_b) = ([0; 4], [0; 4]);
    a.read_exact_at(0, &mut from_a).unwrap();
    b.read_exact_at(0, &mut from_b).unwrap();
    assert_eq!((from_a, from_b), ([1; 4], [2; 4]));
}

#[test]
fn after_the_end_nothing_is_read_of_what_is_kept_either_and_who_waits_is_woken() {
    let disk = ManualDisk::new(64);
    let cache = Cache::new(config(16));
    let data = Arc::new(cache.attach(Arc::clone(&disk) as _));
    let read = |offset| {
        let data = Arc::clone(&data);
        std::thread::spawn(move || data.read_exact_at(offset, &mut [0; 10]))
    };
    let kept = read(0);
    until(|| disk.waiting() == 1);
    disk.answer(ones);
    kept.join().unwrap().unwrap();
    assert_eq!((cache.bytes_used(), cache.bytes_read()), (4096, 4096));
    let waiting = read(8192);
    until(|| disk.waiting() == 1);
    cache.close();
    assert_eq!(waiting.join().unwrap().unwrap_err().kind, ReadErrorKind::Closed);
    disk.answer(ones);
    for offset in [0, 8192, 16384] {
        assert_eq!(read(offset).join().unwrap().unwrap_err().kind, ReadErrorKind::Closed, "{offset}");
    }
    data.will_need(std::slice::from_ref(&(0..4096)));
    assert_eq!((cache.bytes_used(), disk.waiting()), (0, 0));
}
