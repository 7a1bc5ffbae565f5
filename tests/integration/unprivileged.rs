//! Mounting as an ordinary user, through fusermount3.

use crate::support::fr_mount::{Place, program_for_everybody, shell, succeeds_as};
use crate::support::{Ext4Image, FrMount, Need, skip_unless};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// "nobody" on Debian: fusermount3 wants a user that has a name.
const NOBODY: u32 = 65_534;

#[test]
fn an_ordinary_user_mounts_reads_and_unmounts() {
    if !skip_unless(&[Need::Root, Need::Fuse, Need::MKFS, Need::FUSERMOUNT]) {
        return;
    }
    let image = image();
    let (place, state) = (Place::new(), tempfile::tempdir().unwrap());
    let program = program_for_everybody(&place);
    chown(place.mount_point(), Some(NOBODY), Some(NOBODY)).unwrap();
    chown(state.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let as_nobody = || {
        let mut command = Command::new(&program);
        command.env("FR_MOUNT_STATE_DIR", state.path()).stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
        command
    };
    let mut command = as_nobody();
    command.args(["--json", "--read-only", "--foreground"]).arg(image.path()).arg(place.mount_point());
    let mut mount = FrMount::spawn(place, command);
    let volume = mount.volume("data");
    assert!(succeeds_as(NOBODY, "cat", &[volume.join("mine").as_os_str()]));
    assert!(!succeeds_as(NOBODY, "cat", &[volume.join("secret").as_os_str()]), "permissions are not enforced");

    let status = as_nobody().args(["status", "--json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&status.stdout).contains(mount.place().mount_point().to_str().unwrap()));
    let unmounted = as_nobody().arg("unmount").arg(mount.place().mount_point()).output().unwrap();
    assert!(unmounted.status.success(), "{}", String::from_utf8_lossy(&unmounted.stderr));
    assert!(mount.wait().success(), "{}", mount.stderr());
    mount.place().assert_nothing_left();
}

/// A disk with a file of nobody's and one of root's; in a directory that everybody can get to.
fn image() -> Ext4Image {
    let image = Ext4Image::empty(16, &["-L", "data"]);
    image.change(|root| {
        shell(&format!("chmod 755 .; echo 1 > mine; echo 2 > secret; chmod 600 *; chown {NOBODY} mine"), root);
    });
    fs::set_permissions(image.path(), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(image.path().parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    image
}
