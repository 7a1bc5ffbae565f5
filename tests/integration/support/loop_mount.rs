//! The kernel's own view of an image: what everything is compared with.

use super::process::{program, run};
use std::path::Path;

/// An image that the kernel has mounted through a loop device; unmounted when dropped.
pub(crate) struct LoopMount {
    directory: tempfile::TempDir,
    mounted: bool,
}

impl LoopMount {
    /// The whole image, read-only.
    pub(crate) fn read_only(image: &Path) -> Self {
        Self::mount(image, "loop,ro,noatime")
    }

    /// `bytes` of the image from byte `start` on, read-only: a partition.
    pub(crate) fn partition(image: &Path, start: u64, bytes: u64) -> Self {
        Self::mount(image, &format!("loop,ro,noatime,offset={start},sizelimit={bytes}"))
    }

    /// The whole image, to put files into it.
    pub(crate) fn writable(image: &Path) -> Self {
        Self::mount(image, "loop")
    }

    fn mount(image: &Path, options: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        run(program("mount").args(["-o", options]).arg(image).arg(directory.path()));
        Self { directory, mounted: true }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Unmounts now and panics when that does not work.
    pub(crate) fn unmount(mut self) {
        self.mounted = false;
        run(program("umount").arg(self.path()));
    }
}

impl Drop for LoopMount {
    fn drop(&mut self) {
        if self.mounted {
            // A test may be failing with a file of the mount still open: take it away lazily then.
            let unmounted = program("umount").arg(self.path()).status().is_ok_and(|status| status.success());
            if !unmounted {
                let _ = program("umount").arg("-l").arg(self.path()).status();
            }
        }
    }
}
