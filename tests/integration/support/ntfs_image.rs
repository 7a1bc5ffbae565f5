//! Disk images with an NTFS file system, made by mkntfs and filled through ntfs-3g.

use super::ext4_image::make_sparse_file;
use super::process::{program, run};
use super::requirements::Need;
use std::path::{Path, PathBuf};

/// What making such an image takes.
pub(crate) const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKNTFS, Need::SETFATTR, Need::PYTHON];

/// An image file with NTFS in it and no partition table; it goes with the value.
pub(crate) struct NtfsImage {
    directory: tempfile::TempDir,
}

impl NtfsImage {
    /// An empty file system of `mebibytes` with this label.
    pub(crate) fn empty(mebibytes: u64, label: &str) -> Self {
        let image = Self { directory: tempfile::tempdir().unwrap() };
        make_sparse_file(&image.path(), mebibytes << 20);
        run(program("mkntfs").args(["-q", "-F", "-L", label]).arg(image.path()));
        image
    }

    /// Lets `change` write to the file system, mounted by ntfs-3g with its streams as `file:stream`.
    pub(crate) fn change(self, change: impl FnOnce(&Path)) -> Self {
        let mount = Ntfs3g::start(&self.path(), "compression,streams_interface=windows");
        change(mount.path());
        drop(mount);
        self
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("disk.img")
    }
}

/// An image that ntfs-3g has mounted; unmounted, and its process ended, when dropped.
pub(crate) struct Ntfs3g {
    directory: tempfile::TempDir,
}

impl Ntfs3g {
    pub(crate) fn start(image: &Path, options: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        run(program("ntfs-3g").args(["-o", options]).arg(image).arg(directory.path()));
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Ntfs3g {
    fn drop(&mut self) {
        // The program writes what it holds and ends with the mount.
        run(program("umount").arg(self.path()));
    }
}
