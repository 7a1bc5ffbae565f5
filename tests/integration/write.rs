//! Nothing can be written, by anybody, in any way: every attempt is EROFS.

use crate::support::fr_mount::{Place, shell};
use crate::support::{Ext4Image, FrMount, Manifest, Need, skip_unless};
use rustix::fs::{
    AtFlags, CWD, FileType, IFlags, Mode, OFlags, Timespec, Timestamps, XattrFlags, chmodat, chownat, ioctl_setflags,
    linkat, mkdirat, mknodat, open, removexattr, renameat, setxattr, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::Path;

type Attempt = (&'static str, Result<(), Errno>);

/// Every way to change something below `root`.
fn attempts(root: &Path) -> Vec<Attempt> {
    let at = |name: &str| root.join(name);
    let (file, new, directory) = (at("file"), at("new"), at("directory"));
    let opened = |flags| open(&file, flags, Mode::empty()).map(drop);
    let now = Timespec { tv_sec: 1, tv_nsec: 0 };
    let times = Timestamps { last_access: now, last_modification: now };
    vec![
        ("create", open(&new, OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).map(drop)),
        ("open for writing", opened(OFlags::WRONLY)),
        ("open for both", opened(OFlags::RDWR)),
        ("append", opened(OFlags::WRONLY | OFlags::APPEND)),
        ("truncate", opened(OFlags::WRONLY | OFlags::TRUNC)),
        ("mkdir", mkdirat(CWD, &new, Mode::RWXU)),
        ("unlink", unlinkat(CWD, &file, AtFlags::empty())),
        ("rmdir", unlinkat(CWD, &directory, AtFlags::REMOVEDIR)),
        ("rename", renameat(CWD, &file, CWD, &new)),
        ("link", linkat(CWD, &file, CWD, &new, AtFlags::empty())),
        ("symlink", symlinkat("file", CWD, &new)),
        ("mknod", mknodat(CWD, &new, FileType::Fifo, Mode::RUSR, 0)),
        ("chmod", chmodat(CWD, &file, Mode::RWXU, AtFlags::empty())),
        ("chown", chownat(CWD, &file, Some(rustix::fs::Uid::from_raw(1)), None, AtFlags::empty())),
        ("utimens", utimensat(CWD, &file, &times, AtFlags::empty())),
        ("setxattr", setxattr(&file, "user.new", b"1", XattrFlags::empty())),
        ("change an xattr", setxattr(&file, "user.old", b"2", XattrFlags::REPLACE)),
        ("inode flags", ioctl_setflags(File::open(&file).unwrap(), IFlags::NODUMP)),
        ("removexattr", removexattr(&file, "user.old")),
    ]
}

#[test]
fn every_attempt_to_write_is_refused_as_a_read_only_file_system() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS]) {
        return;
    }
    let image = Ext4Image::empty(16, &["-L", "data"]);
    image.change(|root| {
        shell("echo content > file; mkdir directory", root);
        setxattr(root.join("file"), "user.old", b"1", XattrFlags::empty()).unwrap();
    });
    let hash = || Sha256::digest(std::fs::read(image.path()).unwrap());
    let before = hash();
    let mount = FrMount::start(Place::new(), [image.path()]);
    let volume = mount.volume("data");
    let tree = Manifest::of(&volume);
    for (what, outcome) in attempts(&volume) {
        assert_eq!(outcome, Err(Errno::ROFS), "{what}");
    }
    tree.assert_same(&Manifest::of(&volume));
    mount.stop();
    assert_eq!(hash(), before, "the image was changed");
}
