//! Changes to structures of XFS images, whose checksums are then made right again: what stands behind them is reached,
//! in the files and in the log. Each change names an image, a kind of structure, one of that kind, a place in it and a
//! value. The image is opened with what its log holds, or without.
#![no_main]

use block::ReadAt;
use libfuzzer_sys::fuzz_target;
use sparse::{Base, Image};
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use vfs::NodeId;
use xfs::{OpenOptions, Xfs};
use xfs_structures::{Kind, Map, Structure};

#[path = "support/images.rs"]
mod images;
#[path = "support/look.rs"]
mod look;
#[path = "support/sparse.rs"]
mod sparse;
#[path = "support/xfs_forge.rs"]
mod xfs_forge;
#[path = "support/xfs_log.rs"]
mod xfs_log;
#[path = "support/xfs_structures.rs"]
mod xfs_structures;
#[path = "support/xfs_walk.rs"]
mod xfs_walk;

/// Bytes of a change.
const CHANGE: usize = 9;
/// Nodes that one input looks at: those that were changed, and others.
const NODES_MAX: usize = 100;

/// Clean images first: their files have every form; then those whose log is to be recovered.
const IMAGES: [&str; 13] = [
    "xfs-parent-small",
    "xfs-ci",
    "xfs-v4",
    "xfs-dirty-default",
    "xfs-dirty-rmapbt",
    "xfs-dirty-efi",
    "xfs-dirty-swapext",
    "xfs-dirty-stripe",
    "xfs-dirty-quota",
    "xfs-dirty-v4",
    FORGED,
    "xfs-realtime-64k",
    "xfs-rtgroups",
];

/// An image made here, of `xfs-dirty-efi`.
const FORGED: &str = "xfs-dirty-forged";

struct Seed {
    base: Arc<Base>,
    /// The device of realtime files, which is not changed.
    realtime: Option<Arc<dyn ReadAt>>,
    map: Map,
}

impl Seed {
    fn open(&self, image: Image, replay: bool) -> vfs::Result<Xfs> {
        let volume: Arc<dyn ReadAt> = Arc::new(image);
        Xfs::open_with(&volume, &OpenOptions { replay, realtime: self.realtime.clone(), ..OpenOptions::default() })
    }

    /// The structures of a kind.
    fn of(&self, kind: Kind) -> &[Structure] {
        self.map.kinds.iter().find(|found| found[0].kind == kind).map_or(&[], Vec::as_slice)
    }
}

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| IMAGES.into_iter().map(seed).collect());

/// Reads an image. A target whose map is wrong, or that never gets past the checksums, would find nothing.
fn seed(name: &str) -> Seed {
    let base = if name == FORGED { forged() } else { Base::read(name) };
    let map = Map::new(&Image::of(&base));
    let realtime = ["xfs-realtime-64k", "xfs-rtgroups"]
        .contains(&name)
        .then(|| -> Arc<dyn ReadAt> { Arc::new(Image::of(&Base::read(&format!("{name}.rt")))) });
    let seed = Seed { base, realtime, map };
    check_map(name, &seed);
    for replay in [true, false] {
        let sound = seed.open(Image::of(&seed.base), replay).map_or(0, |fs| look::look_at_all(&fs));
        assert!(sound > 20, "{name}: {sound} nodes");
    }
    check_repair(name, &seed);
    seed
}

fn forged() -> Arc<Base> {
    let mut image = Image::of(&Base::read("xfs-dirty-efi"));
    let map = Map::new(&image);
    xfs_forge::forge(&mut image, &map);
    image.into_base()
}

/// Every checksum of the map is computed as the kernel computed it, and there is enough of every kind.
fn check_map(name: &str, seed: &Seed) {
    let (mut image, mut records) = (Image::of(&seed.base), HashSet::new());
    for structure in seed.map.kinds.iter().flatten() {
        assert!(seed.map.place(structure, structure.length - 1) < image.len(), "{name}: {structure:?}");
        if structure.record().is_none_or(|record| records.insert(record)) {
            seed.map.repair(&mut image, structure);
        }
    }
    assert!(image.is_unchanged(), "{name}: a checksum is computed otherwise");
    let expected: &[_] = match name {
        "xfs-parent-small" | "xfs-v4" => &EVERY_FORM,
        "xfs-ci" => &[(Kind::DirectoryBlock, 3), (Kind::Node, 1), (Kind::AttributeLeaf, 10)],
        name if !name.contains("dirty") => &[(Kind::Inode, 20), (Kind::Agi, 1)],
        _ => &[(Kind::Inode, 20), (Kind::LogInode, 10), (Kind::LogBuffer, 10), (Kind::LogIntent, 10)],
    };
    for (kind, least) in expected {
        let count = seed.of(*kind).len();
        assert!(count >= *least, "{name}: {count} of {kind:?}");
    }
}

/// The user of the root directory, or of a copy of an inode in the middle of the log, is changed: without its checksum
/// that is refused, and with it read.
fn check_repair(name: &str, seed: &Seed) {
    if !seed.map.geometry.is_v5 {
        return;
    }
    let middle = seed.map.records.len() / 2;
    let found = if name.contains("dirty") {
        let copies = seed.of(Kind::LogInodeData).iter().filter(|found| found.length == 176);
        copies.min_by_key(|found| found.record().unwrap().abs_diff(middle))
    } else {
        seed.of(Kind::Inode).iter().find(|found| found.owner == Some(seed.map.geometry.root))
    };
    let found = found.unwrap();
    for is_repaired in [false, true] {
        let mut image = Image::of(&seed.base);
        image.write(seed.map.place(found, 8), &[0x55]);
        if is_repaired {
            seed.map.repair(&mut image, found);
        }
        assert!(seed.open(image, true).is_ok() == is_repaired, "{name}: {found:?}, repaired: {is_repaired}");
    }
}

/// What images that are filled with everything have of each kind.
const EVERY_FORM: [(Kind, usize); 14] = [
    (Kind::Superblock, 1),
    (Kind::Agf, 4),
    (Kind::Agi, 4),
    (Kind::Agfl, 4),
    (Kind::Inode, 300),
    (Kind::Extents, 1),
    (Kind::DirectoryBlock, 1),
    (Kind::DirectoryData, 10),
    (Kind::DirectoryLeaf1, 1),
    (Kind::DirectoryLeaf, 3),
    (Kind::Node, 2),
    (Kind::DirectoryFree, 1),
    (Kind::AttributeLeaf, 5),
    (Kind::AttributeRemote, 10),
];

/// Numbers that code stumbles over, for one in two values.
const INTERESTING: [u32; 16] =
    [0, 1, 2, 4, 8, 16, 255, 256, 511, 512, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF];

/// Makes one change and says which structure it was.
fn change<'a>(seed: &'a Seed, image: &mut Image, input: &[u8]) -> &'a Structure {
    let pick = |at: usize| usize::from(u16::from_le_bytes([input[at], input[at + 1]]));
    let kind = &seed.map.kinds[usize::from(input[0]) % seed.map.kinds.len()];
    let structure = &kind[pick(1) % kind.len()];
    let place = pick(3) % structure.length;
    let value = match input[5] & 0x80 {
        0 => u32::from_le_bytes([input[6], input[7], input[8], 0]),
        _ => INTERESTING[usize::from(input[6]) % INTERESTING.len()],
    };
    let bytes = if input[5] & 8 == 0 { value.to_le_bytes() } else { value.to_be_bytes() };
    let width = [1, 2, 4, 4][usize::from(input[5] & 3)].min(structure.length - place);
    let from = if input[5] & 8 == 0 { 0 } else { 4 - width };
    for (at, byte) in (place..).zip(&bytes[from..from + width]) {
        image.write(seed.map.place(structure, at), &[*byte]);
    }
    structure
}

fuzz_target!(init: { LazyLock::force(&SEEDS); }, |data: &[u8]| {
    let Some((which, changes)) = data.split_first() else { return };
    let seed = &SEEDS[usize::from(which & 0x7F) % SEEDS.len()];
    let mut image = Image::of(&seed.base);
    let changed: Vec<_> = changes.chunks_exact(CHANGE).take(64).map(|input| change(seed, &mut image, input)).collect();
    let mut records = HashSet::new();
    for structure in &changed {
        if structure.record().is_none_or(|record| records.insert(record)) {
            seed.map.repair(&mut image, structure);
        }
    }
    let first: Vec<_> = changed.iter().filter_map(|structure| structure.owner).map(NodeId).collect();
    if let Ok(fs) = seed.open(image, which & 0x80 == 0) {
        look::look_from(&fs, &first, NODES_MAX);
    }
});
