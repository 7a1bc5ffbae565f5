//! Changes to a log of NTFS and to the volume that it is replayed over (`seeds/ntfs-log.img.zst`, which a test of `src/ntfs`
//! writes). A change is a place and a byte. The ends of sectors are left alone, so that update sequences stay valid and
//! what stands behind them is reached.
#![no_main]

use block::{BlockSize, MemoryDisk, ReadAt};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// Bytes of the volume; the log follows.
const VOLUME: usize = 64 * 4096;
const SECTOR: usize = 512;
/// Bytes of a sector that may change.
const FREE: usize = SECTOR - 2;
/// Bytes of a change.
const CHANGE: usize = 4;

/// The seed, and its sectors that hold something.
static SEED: LazyLock<(Vec<u8>, Vec<usize>)> = LazyLock::new(|| {
    let images = std::env::var_os("FR_FUZZ_IMAGES").expect("FR_FUZZ_IMAGES: the directory of the unpacked seeds");
    let seed = std::fs::read(Path::new(&images).join("ntfs-log.img")).unwrap();
    let sectors = seed.chunks(SECTOR).enumerate();
    let used = sectors.filter(|(_, sector)| sector.iter().any(|byte| *byte != sector[0])).map(|(number, _)| number);
    let used: Vec<_> = used.collect();
    assert!(seed.len() > VOLUME && used.len() > 50);
    (seed, used)
});

fuzz_target!(|data: &[u8]| {
    let (seed, used) = &*SEED;
    let mut bytes = seed.clone();
    for change in data.chunks_exact(CHANGE) {
        let place = usize::from(change[0]) | usize::from(change[1]) << 8 | usize::from(change[2]) << 16;
        let sector = used[place / FREE % used.len()];
        bytes[sector * SECTOR + place % FREE] = change[3];
    }
    let (volume, log) = bytes.split_at(VOLUME);
    let volume: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(volume.to_vec(), BlockSize::B512));
    ntfs::try_all_of_log(&volume, log);
});
