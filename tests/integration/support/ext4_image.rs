//! Disk images with an ext4 file system, made by mke2fs and filled by the kernel.

use super::loop_mount::LoopMount;
use super::process::{program, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An image file with ext4 in it and no partition table; it goes with the value.
pub(crate) struct Ext4Image {
    directory: tempfile::TempDir,
}

impl Ext4Image {
    /// An empty file system of `mebibytes`, with options for mkfs.ext4.
    pub(crate) fn empty(mebibytes: u64, options: &[&str]) -> Self {
        let image = Self { directory: tempfile::tempdir().unwrap() };
        make_sparse_file(&image.path(), mebibytes << 20);
        run(program("mkfs.ext4").args(["-q", "-F"]).args(options).arg(image.path()));
        image
    }

    /// A file system that mke2fs filled with what lies in `from`: works without root.
    pub(crate) fn copied_from(from: &Path, mebibytes: u64, options: &[&str]) -> Self {
        let from = from.to_str().unwrap();
        Self::empty(mebibytes, &[options, &["-d", from]].concat())
    }

    /// One of everything that a recovery has to bring back, written by the kernel (`tests/recipes/populate.py`), with
    /// a directory of `entries` files.
    pub(crate) fn populated(entries: u32) -> Self {
        let image = Self::empty(400, &["-L", "populated"]);
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes/populate.py");
        image.change(|root| {
            run(Command::new("python3").arg(recipe).arg(root).arg(entries.to_string()));
        });
        image
    }

    /// Lets `change` write to the file system, mounted by the kernel.
    pub(crate) fn change(&self, change: impl FnOnce(&Path)) {
        let mount = LoopMount::writable(&self.path());
        change(mount.path());
        mount.unmount();
        run(program("e2fsck").args(["-f", "-n"]).arg(self.path()));
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("disk.img")
    }
}

/// A file of this size that takes no space.
pub(crate) fn make_sparse_file(path: &Path, bytes: u64) {
    std::fs::File::create(path).unwrap().set_len(bytes).unwrap();
}
