//! Extended attributes: everybody sees those that the kernel's ext4 would show them, and no other.

use crate::support::fr_mount::{Place, shell};
use crate::support::{Ext4Image, FrMount, LoopMount, Need, skip_unless};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Fuse,
    Need::MKFS,
    Need::SETFACL,
    Need::Program("getfattr", "attr"),
    Need::Program("setfattr", "attr"),
];

const ROOT: u32 = 0;
const ANNA: u32 = 61_001;

/// Attributes in the inode and in a block of their own, of every class, on files and directories.
const FILES: &str = "
mkdir directory
for name in file directory closed large; do
    [ -e $name ] || echo 1 > $name
    setfattr -n trusted.overlay.opaque -v y $name
    setfattr -n trusted.empty $name
    setfattr -n user.colour -v red $name
    setfattr -n security.selinux -v system_u:object_r:etc_t:s0 $name
    setfacl -m u:61001:r-x $name
done
setfattr -n trusted.large -v $(head -c 500 /dev/zero | tr '\\0' x) large
setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= file
setfacl -d -m u:61001:r-x directory
ln -s file link
setfattr -h -n trusted.on-a-link -v y link
echo 1 > only-trusted; setfattr -n trusted.alone -v y only-trusted
chmod 600 closed; setfacl -b closed
";

/// What `getfattr` says to this user: all names and values, then each name asked for by itself.
fn seen(root: &Path, user: u32) -> Vec<String> {
    let mut said = Vec::new();
    for file in ["file", "directory", "closed", "large", "link", "only-trusted", "."] {
        for name in
            [None, Some("trusted.overlay.opaque"), Some("trusted.empty"), Some("trusted.alone"), Some("trusted.none")]
                .into_iter()
                .chain(["user.colour", "security.selinux", "security.capability", "system.posix_acl_access"].map(Some))
        {
            let mut command = Command::new("getfattr");
            match name {
                None => command.args(["-h", "-d", "-m", "-"]),
                Some(name) => command.args(["-h", "-n", name]),
            };
            let output = command.arg(file).current_dir(root).env("LC_ALL", "C").uid(user).gid(user).output().unwrap();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            let mut lines: Vec<_> = text.lines().map(|line| format!("{file}, {name:?}: {line}")).collect();
            lines.sort();
            said.extend(lines);
        }
    }
    said
}

#[test]
fn trusted_attributes_are_for_the_superuser_alone_and_all_others_as_on_the_kernels_ext4() {
    if !skip_unless(NEEDS) {
        return;
    }
    let image = Ext4Image::empty(16, &["-L", "data"]);
    image.change(|root| {
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        shell(FILES, root);
    });
    let kernel = LoopMount::read_only(&image.path());
    fs::set_permissions(kernel.path().parent().unwrap(), fs::metadata("/tmp").unwrap().permissions()).unwrap();
    let mount = FrMount::start(Place::new(), [image.path()]);
    for user in [ROOT, ANNA] {
        let (expected, found) = (seen(kernel.path(), user), seen(&mount.only_volume(), user));
        let of_trusted = |value: &str| expected.iter().filter(|line| line.contains(value)).count();
        assert_eq!(of_trusted("trusted.overlay.opaque=\"y\"") > 0, user == ROOT, "{expected:#?}");
        assert!(of_trusted("user.colour=\"red\"") >= 6 && of_trusted("security.selinux=") >= 6, "{expected:#?}");
        let differing: Vec<_> = expected.iter().zip(&found).filter(|(expected, found)| expected != found).collect();
        assert!(
            differing.is_empty() && expected.len() == found.len(),
            "{user}: kernel and ours differ: {differing:#?}"
        );
    }
    mount.stop();
}
