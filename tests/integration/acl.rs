//! Permissions and POSIX ACLs of the volume are enforced, by the kernel, for every user of this machine.

use crate::support::fr_mount::{Place, shell, succeeds_as};
use crate::support::{Ext4Image, FrMount, LoopMount, Need, skip_unless};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const ANNA: u32 = 61_001;
const BEN: u32 = 61_002;
const NOBODY: u32 = 61_003;

/// Files that differ in who may read them; all belong to root.
const FILES: &str = "
umask 077
echo 1 > for-anna;     setfacl -m u:61001:r-- for-anna
echo 2 > masked;       setfacl -m u:61001:rw-,m::--- masked
echo 3 > for-bens-group; setfacl -m g:61002:r-- for-bens-group
echo 4 > for-all-but-anna; chmod 644 for-all-but-anna; setfacl -m u:61001:--- for-all-but-anna
echo 5 > nobody
echo 6 > everybody;    chmod 644 everybody
mkdir only-anna-enters; echo 7 > only-anna-enters/file; chmod 644 only-anna-enters/file; setfacl -m u:61001:--x only-anna-enters
mkdir inherited;       setfacl -m u:61002:r-x inherited; setfacl -d -m u:61002:r-- inherited; echo 8 > inherited/file
";

/// Who can read what, one line each.
fn readers(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["for-anna", "masked", "for-bens-group", "for-all-but-anna", "nobody", "everybody"]
        .into_iter()
        .chain(["only-anna-enters/file", "inherited/file"])
    {
        for user in [ANNA, BEN, NOBODY] {
            if succeeds_as(user, "cat", &[root.join(name).as_os_str()]) {
                found.push(format!("{user} reads {name}"));
            }
        }
        for user in [ANNA, BEN] {
            if succeeds_as(user, "ls", &[root.join(name).parent().unwrap().as_os_str()]) {
                found.push(format!("{user} lists the directory of {name}"));
            }
        }
    }
    found
}

fn image() -> Ext4Image {
    let image = Ext4Image::empty(16, &["-L", "acl"]);
    image.change(|root| {
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        shell(FILES, root);
    });
    image
}

#[test]
fn a_user_named_in_an_acl_can_read_and_another_cannot() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS, Need::SETFACL]) {
        return;
    }
    let image = image();
    let mount = FrMount::start(Place::new(), [image.path()]);
    let readers = readers(&mount.only_volume());
    let says = |line: &str| readers.iter().any(|found| found == line);
    assert!(says("61001 reads for-anna") && !says("61002 reads for-anna"), "{readers:#?}");
    assert!(!says("61001 reads for-all-but-anna") && says("61003 reads for-all-but-anna"), "{readers:#?}");
    assert!(!says("61001 reads masked"), "the mask is not obeyed: {readers:#?}");
    mount.stop();
}

#[test]
fn everybody_can_read_exactly_what_the_kernel_would_let_them_read() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS, Need::SETFACL]) {
        return;
    }
    let image = image();
    let kernel = LoopMount::read_only(&image.path());
    fs::set_permissions(kernel.path().parent().unwrap(), fs::metadata("/tmp").unwrap().permissions()).unwrap();
    let expected = readers(kernel.path());
    assert!(expected.len() > 5, "the users of this test cannot get to the mount: {expected:#?}");
    let mount = FrMount::start(Place::new(), [image.path()]);
    assert_eq!(readers(&mount.only_volume()), expected);
    mount.stop();
}
