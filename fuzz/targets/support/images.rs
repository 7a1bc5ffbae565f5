//! The images that inputs change, unpacked by fuzz/run-short.

use std::path::{Path, PathBuf};

/// Where the image `name` is: one of `fuzz/seeds`, or of `tests/fixtures` as fuzz/run-short names it.
pub fn path(name: &str) -> PathBuf {
    let directory = std::env::var_os("FR_FUZZ_IMAGES").expect("run it with fuzz/run-short");
    Path::new(&directory).join(format!("{name}.img"))
}
