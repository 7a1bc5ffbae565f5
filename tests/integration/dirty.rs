//! A machine that was running when the recovery point was taken: its file systems are shown as after the replay of their
//! journals, through the mount, and nothing is written.

use crate::support::fr_mount::{Place, exit};
use crate::support::process::{program, run};
use crate::support::report::Report;
use crate::support::{Need, fr_mount, skip_unless};
use std::path::{Path, PathBuf};
use std::process::Command;

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS, Need::PYTHON];

/// Runs a script of tests/fixtures/ext4; what it printed.
fn script(name: &str, arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ext4").join(name);
    run(program("python3").arg(path).args(arguments))
}

/// A disk image whose journal has to be replayed.
struct Dirty {
    directory: tempfile::TempDir,
}

impl Dirty {
    fn new(kind: &str) -> Self {
        let dirty = Self { directory: tempfile::tempdir().unwrap() };
        script("dirty.py", &["image", kind, dirty.image().to_str().unwrap()]);
        dirty
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// The disk with the external journal.
    fn journal(&self) -> PathBuf {
        self.directory.path().join("image.journal")
    }

    /// The lines of names that the kernel shows of a copy.
    fn manifest(&self, how: &str) -> Vec<String> {
        let lines = script("dirty.py", &[how, self.image().to_str().unwrap()]);
        lines.lines().skip(1).map(str::to_owned).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.image()).unwrap()
    }
}

/// Mounts these images and gives the lines of names in the first one's volume.
fn mounted(options: &[&str], images: &[PathBuf]) -> (Report, Vec<String>) {
    let place = Place::new();
    let args = ["--json", "--read-only"].iter().chain(options).map(PathBuf::from);
    let args = args.chain(images.iter().cloned()).chain([place.mount_point()]);
    let report: Report = fr_mount(&place, args).assert_ok().json();
    let path = report.volumes[0].mount_path.clone().expect("the first volume is not mounted");
    let lines = script("make.py", &["tree", path.to_str().unwrap()]).lines().map(str::to_owned).collect();
    fr_mount(&place, [PathBuf::from("unmount"), place.mount_point()]).assert_ok();
    place.assert_nothing_left();
    (report, lines)
}

/// A line without the time of creation, which FUSE cannot tell.
fn comparable(line: &str) -> String {
    const CREATED: usize = 11;
    let fields = line.split('\t').enumerate().filter(|(index, _)| *index != CREATED);
    fields.map(|(_, field)| field).collect::<Vec<_>>().join("\t")
}

#[track_caller]
fn assert_same(kernel: &[String], ours: &[String]) {
    let (kernel, ours): (Vec<_>, Vec<_>) =
        (kernel.iter().map(|line| comparable(line)).collect(), ours.iter().map(|line| comparable(line)).collect());
    let differing: Vec<_> = kernel.iter().zip(&ours).filter(|(kernel, ours)| kernel != ours).take(3).collect();
    assert!(differing.is_empty() && kernel.len() == ours.len(), "kernel and ours differ: {differing:#?}");
}

#[test]
fn a_mount_shows_what_the_kernel_shows_after_its_replay_or_without_it_and_writes_nothing() {
    if !skip_unless(NEEDS) {
        return;
    }
    let dirty = Dirty::new("csum3");
    let before = dirty.bytes();
    let (report, replayed) = mounted(&[], &[dirty.image()]);
    assert!(report.volumes[0].notices.iter().any(|notice| notice.contains("replayed in memory")), "{report:?}");
    assert_same(&dirty.manifest("replayed"), &replayed);
    let (report, as_it_lies) = mounted(&["--no-replay"], &[dirty.image()]);
    assert!(report.volumes[0].notices.iter().any(|notice| notice.contains("not replayed")), "{report:?}");
    assert_same(&dirty.manifest("noload"), &as_it_lies);
    assert!(before == dirty.bytes(), "the image was changed");
}

#[test]
fn a_journal_on_another_disk_is_found_there_or_said_to_be_missing() {
    if !skip_unless(NEEDS) {
        return;
    }
    let dirty = Dirty::new("external");
    for images in [[dirty.image(), dirty.journal()], [dirty.journal(), dirty.image()]] {
        let place = Place::new();
        let args = ["volumes", "--json"].into_iter().map(PathBuf::from).chain(images);
        let report: Report = fr_mount(&place, args).assert_ok().json();
        let formats: Vec<_> = report.volumes.iter().map(|volume| volume.format.clone().unwrap()).collect();
        assert!(formats.contains(&"ext4".to_owned()) && formats.contains(&"jbd".to_owned()), "{formats:?}");
    }
    let (_, replayed) = mounted(&[], &[dirty.image(), dirty.journal()]);
    assert_same(&dirty.manifest("replayed"), &replayed);
    let place = Place::new();
    let mut command: Command = place.command();
    let alone =
        crate::support::fr_mount::Ended::run(command.arg("--read-only").arg(dirty.image()).arg(place.mount_point()));
    let said = alone.assert_failed(exit::NO_VOLUME);
    for part in ["journal is on another disk", "UUID", "--no-replay"] {
        assert!(said.contains(part) || alone.stdout().contains(part), "{part:?} is not in {said}");
    }
    mounted(&["--no-replay"], &[dirty.image()]);
}
