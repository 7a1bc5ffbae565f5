//! XFS through the mount: what the kernel shows, logs and realtime devices on other disks, and what is said of them.

use crate::support::comparison::{assert_same, fixture, mounted, script};
use crate::support::fr_mount::{Ended, Place, exit};
use crate::support::process::{program, run};
use crate::support::report::Report;
use crate::support::{FrMount, Need, fr_mount, skip_unless};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::PYTHON, Need::ZSTD];

/// Fixtures of XFS, unpacked.
struct Images(tempfile::TempDir);

impl Images {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The disk that is packed under this name.
    fn disk(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name.replace('/', "-"));
        let packed = fixture("xfs").join(format!("{name}.img.zst"));
        run(program("zstd").args(["-q", "-d", "-f", "--long=27"]).arg(packed).arg("-o").arg(&path));
        path
    }

    /// Lines that are packed under this name, without that for statfs.
    fn lines(&self, name: &str) -> Vec<String> {
        let packed = fixture("xfs").join(format!("{name}.zst"));
        let text = run(program("zstd").args(["-q", "-d", "-c", "--long=27"]).arg(packed));
        text.lines().filter(|line| !line.starts_with("statfs\t")).map(str::to_owned).collect()
    }
}

fn volumes(images: &[PathBuf]) -> Report {
    let args = ["volumes", "--json"].into_iter().map(PathBuf::from).chain(images.iter().cloned());
    fr_mount(&Place::new(), args).assert_ok().json()
}

#[test]
fn files_flags_and_attributes_are_those_that_the_kernel_showed() {
    if !skip_unless(NEEDS) {
        return;
    }
    let images = Images::new();
    let (report, lines) = mounted(&[], &[images.disk("v4")]);
    assert_eq!(report.volumes[0].format.as_deref(), Some("xfs"));
    assert_same(&images.lines("v4.manifest"), &lines);
    let mount = FrMount::start(Place::new(), [images.disk("default")]);
    let flags = script("xfs/make.py", &["flags-of", mount.only_volume().to_str().unwrap()]);
    mount.stop();
    assert_eq!(flags.lines().collect::<Vec<_>>(), images.lines("default.flags"));
}

#[test]
fn a_log_is_recovered_in_memory_and_the_image_is_not_changed() {
    if !skip_unless(NEEDS) {
        return;
    }
    let images = Images::new();
    let disk = images.disk("dirty/quota");
    let before = std::fs::read(&disk).unwrap();
    let (report, recovered) = mounted(&[], std::slice::from_ref(&disk));
    let notices = &report.volumes[0].notices;
    assert!(notices.iter().any(|notice| notice.contains("recovered in memory")), "{notices:?}");
    assert_same(&images.lines("dirty/quota.manifest"), &recovered);
    let described = report.volumes[0].file_system.as_ref().unwrap();
    assert_eq!(described.state, ["journal-to-be-replayed"]);
    assert!(!described.has_history && described.features.contains(&"finobt".to_owned()), "{described:?}");
    let (report, as_it_lies) = mounted(&["--no-replay"], std::slice::from_ref(&disk));
    let notices = &report.volumes[0].notices;
    assert!(notices.iter().any(|notice| notice.contains("not recovered, as asked")), "{notices:?}");
    assert_same(&images.lines("dirty/quota.norecovery"), &as_it_lies);
    assert!(before == std::fs::read(&disk).unwrap(), "the image was changed");
}

#[test]
fn a_log_on_another_disk_is_found_there_or_said_to_be_missing() {
    if !skip_unless(NEEDS) {
        return;
    }
    let images = Images::new();
    let (disk, log) = (images.disk("dirty/external"), images.disk("dirty/external.log"));
    for disks in [[disk.clone(), log.clone()], [log.clone(), disk.clone()]] {
        let found: Vec<_> = volumes(&disks).volumes.into_iter().map(|volume| volume.format.unwrap()).collect();
        assert!(found.contains(&"xfs".to_owned()) && found.contains(&"xfs_external_log".to_owned()), "{found:?}");
    }
    let expected = images.lines("dirty/external.manifest");
    // What a volume says of itself goes before what is said of whichever is needed.
    for options in [&[][..], &["--log-device", "1"], &["--log-device", "0=1"], &["--log-device", "0"]] {
        let (_, recovered) = mounted(options, &[disk.clone(), log.clone()]);
        assert_same(&expected, &recovered);
    }
    let alone = |options: &[&str], disks: &[&Path], code| {
        let place = Place::new();
        let mut command = place.command();
        command.arg("--read-only").args(options).args(disks).arg(place.mount_point());
        let ended = Ended::run(&mut command);
        format!("{}{}", ended.assert_failed(code), ended.stdout())
    };
    let said = alone(&[], &[&disk], exit::NO_VOLUME);
    for part in ["log is on another disk", "UUID", "--no-replay", "--log-device"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    // Nobody knows then whether it was in use.
    assert!(volumes(std::slice::from_ref(&disk)).volumes[0].file_system.as_ref().unwrap().state.is_empty());
    let said = alone(&["--log-device", "0"], &[&disk], exit::NO_VOLUME);
    assert!(said.contains("log is on another disk"), "{said}");
    let said = alone(&["--log-device", "7:1"], &[&disk], exit::USAGE);
    assert!(said.contains("no volume 7:1"), "{said}");
    let options = ["--no-replay"].map(Path::new);
    FrMount::start(Place::new(), options.into_iter().chain([disk.as_path()])).stop();
}

#[test]
fn a_realtime_device_is_found_by_its_uuid_or_told_by_the_user() {
    if !skip_unless(NEEDS) {
        return;
    }
    let images = Images::new();
    let (disk, realtime) = (images.disk("rtgroups"), images.disk("rtgroups.rt"));
    let found: Vec<_> = volumes(&[disk.clone(), realtime.clone()]).volumes;
    assert_eq!(found[1].format.as_deref(), Some("xfs_realtime"));
    let alone = volumes(std::slice::from_ref(&disk));
    assert!(alone.volumes[0].notices.iter().any(|notice| notice.contains("--realtime-device")), "{alone:?}");
    let mount = FrMount::start(Place::new(), [disk, realtime]);
    let file = mount.volume("fr-mount").join("realtime-fragmented");
    let hash = hex::encode(Sha256::digest(std::fs::read(file).unwrap()));
    mount.stop();
    let line = images.lines("rtgroups.manifest").into_iter().find(|line| line.starts_with("realtime-fragmented\t"));
    assert!(line.unwrap().contains(&hash));
    // This kind of device has no UUID.
    let (disk, realtime) = (images.disk("v4-realtime"), images.disk("v4-realtime.rt"));
    let (_, lines) = mounted(&["--realtime-device", "0=1"], &[disk, realtime]);
    assert_same(&images.lines("v4-realtime.manifest"), &lines);
}

#[test]
fn two_file_systems_with_one_uuid_are_mounted_side_by_side() {
    if !skip_unless(NEEDS) {
        return;
    }
    let images = Images::new();
    let (one, two) = (images.disk("v4"), images.disk("dirty/v4"));
    let copy = one.with_extension("copy");
    std::fs::copy(&one, &copy).unwrap();
    let mount = FrMount::start(Place::new(), [one, copy, two]);
    let paths: Vec<_> =
        mount.report().volumes.iter().map(|volume| volume.mount_path.clone().expect("not mounted")).collect();
    let [first, second] = [0, 1].map(|index| script("ext4/make.py", &["tree", paths[index].to_str().unwrap()]));
    mount.stop();
    assert!(paths.len() == 3 && first.lines().count() > 100);
    assert_eq!(first, second);
}
