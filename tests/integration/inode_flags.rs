//! Inode flags, generations and project ids, as `lsattr` and the ioctls behind it show them.

use crate::support::fr_mount::{Place, shell};
use crate::support::process::{program, run};
use crate::support::{Ext4Image, FrMount, LoopMount, Need, skip_unless};
use std::fs;
use std::path::Path;
use std::process::Command;

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS, Need::PYTHON];

/// A file and a directory with each flag that `chattr` sets everywhere, alone and together.
const FILES: &str = "
mkdir flags; cd flags
for flag in c A d s u a i S t; do
    echo $flag > file-$flag
    mkdir directory-$flag; [ $flag = a ] || [ $flag = i ] || echo 1 > directory-$flag/file
    chattr +$flag file-$flag
    [ $flag = t ] || chattr +$flag directory-$flag
done
for flag in D T; do mkdir directory-$flag; chattr +$flag directory-$flag; done
echo all > all; chattr +cAdsuStai all
echo journalled > journalled; echo hidden > hidden; echo inherit > inherit
chmod 444 file-d; chmod 400 file-t
cd ..; mkdir indexed; for i in $(seq 400); do echo > indexed/a-name-of-some-length-$i; done
ln -s flags link; mkfifo pipe; mknod device c 1 3
mkdir project; echo > project/inherits; mkdir project/directory; echo > alone
";

/// What kernels set only for some administrators, or where they know that quota format: written into the inodes. The
/// flags are those of a file with extents that is journalled; that no user sees (`EXT4_IMAGIC_FL`, `EXT4_HUGE_FILE_FL`,
/// `EXT4_RESERVED_FL`); and that only directories can have.
const INODES: &str = "
feature project
set_inode_field flags/journalled flags 0x84000
set_inode_field flags/hidden flags 0x800C2000
set_inode_field flags/inherit flags 0x20080000
set_inode_field project flags 0x20080000
set_inode_field project projid 4242
set_inode_field project/inherits projid 4242
set_inode_field project/directory flags 0x20080000
set_inode_field project/directory projid 4242
set_inode_field alone projid 4294967294
set_inode_field alone generation 305419896
";

fn recipe(what: &str, path: &Path) -> String {
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recipes/inode_flags.py");
    run(Command::new("python3").arg(recipe).arg(what).arg(path))
}

/// All that is said of files and directories below `root`, in the order of their names.
fn seen(root: &Path) -> Vec<String> {
    let lsattr = run(program("lsattr").args(["-R", "-a", "-p", "-v", "."]).current_dir(root));
    let said = [lsattr, recipe("show", root)];
    // The parent of the root is no part of the file system.
    let lines = said.iter().flat_map(|said| said.lines()).filter(|line| !line.ends_with(" ./.."));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[track_caller]
fn assert_shown_as_by_the_kernel(image: &Ext4Image) -> Vec<String> {
    let kernel = LoopMount::read_only(&image.path());
    let expected = seen(kernel.path());
    let mount = FrMount::start(Place::new(), [image.path()]);
    let found = seen(&mount.only_volume());
    mount.stop();
    let differing: Vec<_> = expected.iter().zip(&found).filter(|(expected, found)| expected != found).take(5).collect();
    assert!(differing.is_empty() && expected.len() == found.len(), "kernel and ours differ: {differing:#?}");
    expected
}

#[test]
fn flags_generations_and_projects_are_those_that_the_kernel_shows() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(32, &["-L", "data"]);
    image.change(|root| shell(FILES, root));
    let commands = tempfile::NamedTempFile::new().unwrap();
    fs::write(commands.path(), INODES).unwrap();
    run(program("debugfs").arg("-w").arg("-f").arg(commands.path()).arg(image.path()));
    run(program("tune2fs").args(["-O", "quota", "-Q", "prjquota"]).arg(image.path()));
    let lines = assert_shown_as_by_the_kernel(&image);
    let line = |name: &str| lines.iter().find(|line| line.ends_with(name)).unwrap_or_else(|| panic!("no {name}"));
    assert!(line("/flags/all").contains("suS-iadAc"), "{}", line("/flags/all"));
    assert!(line("/flags/journalled").contains("-j"), "{}", line("/flags/journalled"));
    assert!(line("/project/directory").contains("4242"), "{}", line("/project/directory"));
    assert!(line("./alone").contains("4294967294"), "{}", line("./alone"));
    assert!(line("./alone").contains("305419896"), "{}", line("./alone"));
    assert!(line("./indexed").contains('I'), "{}", line("./indexed"));
}

#[test]
fn other_forms_of_the_format_show_their_flags_too() {
    if !skip_unless(NEEDS) {
        return;
    }
    for options in
        [&["-O", "inline_data"][..], &["-O", "^project", "-I", "128"], &["-t", "ext3"], &["-O", "^extent,^64bit"]]
    {
        let image = Ext4Image::empty(32, options);
        image.change(|root| shell(FILES, root));
        assert_shown_as_by_the_kernel(&image);
    }
}

#[test]
fn whatever_would_change_a_flag_is_refused_even_when_the_mount_was_made_writable() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &["-L", "data"]);
    image.change(|root| shell("echo 1 > file; mkdir directory", root));
    let mount = FrMount::start(Place::new(), [image.path()]);
    let volume = mount.volume("data");
    let refused = "SETFLAGS EROFS\nSETFLAGS of 32 bits EROFS\nSETVERSION EROFS\nFSSETXATTR EROFS\nSETFSLABEL EROFS\n\
                   GETFLAGS of 32 bits the same\n";
    for writable in [false, true] {
        if writable {
            // Now it is not the kernel that refuses, but we.
            let flags = rustix::mount::MountFlags::NODEV | rustix::mount::MountFlags::NOSUID;
            rustix::mount::mount_remount(&volume, flags, "").unwrap();
        }
        for name in ["file", "directory", "."] {
            assert_eq!(recipe("set", &volume.join(name)), refused, "{name}, writable: {writable}");
        }
    }
    mount.stop();
}
