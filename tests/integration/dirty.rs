//! A machine that was running when the recovery point was taken: its file systems are shown as after the replay of their
//! journals, through the mount, and nothing is written.

use crate::support::comparison::{assert_same, mounted, script};
use crate::support::fr_mount::{Place, exit};
use crate::support::report::Report;
use crate::support::{Need, fr_mount, skip_unless};
use std::path::PathBuf;
use std::process::Command;

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS, Need::PYTHON];

/// A disk image whose journal has to be replayed.
struct Dirty {
    directory: tempfile::TempDir,
}

impl Dirty {
    fn new(kind: &str) -> Self {
        let dirty = Self { directory: tempfile::tempdir().unwrap() };
        script("ext4/dirty.py", &["image", kind, dirty.image().to_str().unwrap()]);
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
        let lines = script("ext4/dirty.py", &[how, self.image().to_str().unwrap()]);
        lines.lines().skip(1).map(str::to_owned).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.image()).unwrap()
    }
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
