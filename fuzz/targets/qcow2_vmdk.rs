//! Changes to bytes of qcow2 and VMDK images: compressed by zlib and zstd, with parts of clusters, over another image.
#![no_main]

use byte_changes::Seed;
use containers::Given;
use libfuzzer_sys::fuzz_target;
use std::sync::{Arc, LazyLock};

#[path = "support/byte_changes.rs"]
mod byte_changes;
#[path = "support/containers.rs"]
mod containers;
#[path = "support/images.rs"]
mod images;
#[path = "support/sparse.rs"]
mod sparse;

static SEEDS: LazyLock<Vec<Seed>> = LazyLock::new(|| {
    // Tables more often than data: these are alike all over.
    let is_table = |sector: &[u8]| sector.iter().any(|byte| *byte != sector[0]);
    let names = ["qcow2-over", "qcow2-zlib", "qcow2-zstd", "qcow2-parts", "vmdk-sparse", "vmdk-stream"];
    names.map(|name| Seed::read(name, is_table)).into()
});

fuzz_target!(|data: &[u8]| {
    let Some(image) = byte_changes::changed(&SEEDS, data) else { return };
    let places: Vec<_> = data.iter().take(8).map(|byte| u64::from(*byte) * 8).collect();
    let base = SEEDS[1].sound();
    containers::look(&Given(vec![("disk", Arc::new(image)), ("base", Arc::new(base))]), None, &places);
});
