//! Volume groups that LVM itself makes: it needs no device mapper as long as nothing is activated.

use super::process::{program, run};
use std::path::{Path, PathBuf};

/// Where the first extent of a physical volume begins, as `pvcreate` decides.
const FIRST_EXTENT: u64 = 1 << 20;
pub(crate) const EXTENT: u64 = 4 << 20;

/// LVM that asks nobody but the disks, and writes nowhere else.
const SCRIPT: &str = r#"
trap 'losetup -d $loops' EXIT
loops= directory=$1 count=$2 commands=$3
for number in $(seq 0 $((count - 1))); do loops="$loops $(losetup --show -f "$directory/disk$number.img")"; done
set -- $loops
filter=$(for loop in $loops; do printf '"a|^%s$|",' "$loop"; done)
lvm() {
    command=$1; shift
    LVM_SUPPRESS_FD_WARNINGS=1 "$command" -q --driverloaded n --config "
        devices { use_devicesfile=0 scan=[\"/dev\"] obtain_device_list_from_udev=0 external_device_info_source=\"none\"
                  global_filter=[$filter\"r|.*|\"] }
        activation { udev_sync=0 udev_rules=0 monitoring=0 } backup { backup=0 archive=0 }
        global { use_lvmpolld=0 locking_dir=\"$directory/lock\" }" "$@"
}
lvm pvcreate -ff -y "$@"
lvm vgcreate vg "$@"
eval "$commands"
"#;

/// Makes `count` sparse disks of `bytes` each in `directory`, all in the volume group `vg`. `commands` are run by a shell in which
/// `lvm lvcreate …` works and `$1`, `$2`, … are the disks.
pub(crate) fn make(directory: &Path, count: usize, bytes: u64, commands: &str) -> Vec<PathBuf> {
    let path = |number: usize| directory.join(format!("disk{number}.img"));
    for number in 0..count {
        super::ext4_image::make_sparse_file(&path(number), bytes);
    }
    let path_variable = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let arguments = [directory.to_str().unwrap(), &count.to_string(), commands].map(str::to_owned);
    run(program("bash").args(["-euc", SCRIPT, "lvm"]).args(arguments).env("PATH", path_variable));
    (0..count).map(path).collect()
}

/// Where extent `number` of a physical volume is, in bytes of its disk.
pub(crate) const fn extent(number: u64) -> u64 {
    FIRST_EXTENT + number * EXTENT
}
