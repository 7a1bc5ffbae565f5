//! Images of many kinds, made now, against this kernel's loop mount. Needs root and loop devices; says so and passes
//! otherwise.

use super::file_disk::FileDisk;
use super::fixtures::{assert_same, can_mount, check, lines, script};
use super::{flags, manifest};
use crate::{OpenOptions, Xfs};
use block::ReadAt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vfs::Result;

/// Whether images can be made and mounted here.
pub(super) fn can_make(scratch: &Path) -> bool {
    can_mount("xfs", &["image", scratch.join("trial").to_str().unwrap(), "64M", "1"])
}

fn other(image: &str, ending: &str) -> Option<Arc<dyn ReadAt>> {
    let path = PathBuf::from(format!("{image}.{ending}"));
    path.exists().then(|| -> Arc<dyn ReadAt> { Arc::new(FileDisk::open(&path)) })
}

/// The image, with the volumes that lie beside it.
pub(super) fn open(image: &str, replay: bool) -> Result<Xfs> {
    let disk: Arc<dyn ReadAt> = Arc::new(FileDisk::open(Path::new(image)));
    Xfs::open_with(&disk, &OpenOptions { replay, log: other(image, "log"), realtime: other(image, "rt") })
}

#[test]
fn images_of_every_kind_show_what_the_kernel_shows() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    let kinds = lines(&check("list", &script("xfs", "make.py", &["list"])));
    assert!(kinds.len() >= 20, "{} kinds", kinds.len());
    for kind in kinds {
        let directory = tempfile::tempdir_in(scratch.path()).unwrap();
        let image = directory.path().join("image");
        let image = image.to_str().unwrap();
        let arguments: Vec<_> = ["image", image].into_iter().chain(kind.split(' ')).collect();
        check(&kind, &script("xfs", "make.py", &arguments));
        let kernel = lines(&check(&kind, &script("xfs", "make.py", &["manifest", image])));
        let fs = open(image, true).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_same(&kind, &kernel, &ours);
        let kernel = lines(&check(&kind, &script("xfs", "make.py", &["flags", image])));
        assert_same(&format!("flags of {kind}"), &kernel, &flags::of(&fs).unwrap());
        eprintln!("compared: {kind}");
    }
}
