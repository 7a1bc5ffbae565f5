//! Any bytes as the exception store of a snapshot: it is refused, or its pieces cover the volume and lie in the store.
#![no_main]

use block::{BlockSize, MemoryDisk, ReadAt};
use libfuzzer_sys::fuzz_target;
use volume::dm::Snapshot;
use volume::map::{Layout, Source};

fuzz_target!(|data: &[u8]| {
    let Some((size, store)) = data.split_at_checked(2) else { return };
    // In sectors, so that volumes may be larger than the store and smaller.
    let bytes = u64::from(u16::from_le_bytes([size[0], size[1]])) * 512;
    let store = MemoryDisk::new(store.to_vec(), BlockSize::B512);
    let Ok(snapshot) = Snapshot::open(&store, bytes) else { return };
    let (mut at, mut pieces) = (0, 0);
    while at < bytes {
        let piece = snapshot.piece(at).unwrap();
        let Source::Copies(places) = &piece.source else { panic!("{piece:?}") };
        let [place] = places.as_slice() else { panic!("{piece:?}") };
        let size = if place.member == 1 { store.size() } else { bytes };
        assert!(piece.length > 0 && place.member < 2 && place.offset + piece.length <= size, "{piece:?}");
        (at, pieces) = (at + piece.length, pieces + 1);
    }
    assert!(at == bytes && pieces <= 2 * snapshot.exceptions() + 1);
});
