//! What is seen through a mount, in the words of tests/recipes/manifest.py, against what a kernel showed.

use super::fr_mount::{Place, fr_mount};
use super::process::{program, run};
use super::report::Report;
use std::path::{Path, PathBuf};

/// A path below tests/fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Runs a script of tests/fixtures; what it printed.
pub(crate) fn script(name: &str, arguments: &[&str]) -> String {
    run(program("python3").arg(fixture(name)).args(arguments))
}

/// Mounts these images and gives the lines of names in the first one's volume.
pub(crate) fn mounted(options: &[&str], images: &[PathBuf]) -> (Report, Vec<String>) {
    let place = Place::new();
    let args = ["--json", "--read-only"].iter().chain(options).map(PathBuf::from);
    let args = args.chain(images.iter().cloned()).chain([place.mount_point()]);
    let report: Report = fr_mount(&place, args).assert_ok().json();
    let path = report.volumes[0].mount_path.clone().expect("the first volume is not mounted");
    let lines = script("ext4/make.py", &["tree", path.to_str().unwrap()]).lines().map(str::to_owned).collect();
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
pub(crate) fn assert_same(kernel: &[String], ours: &[String]) {
    let (kernel, ours): (Vec<_>, Vec<_>) =
        (kernel.iter().map(|line| comparable(line)).collect(), ours.iter().map(|line| comparable(line)).collect());
    let differing: Vec<_> = kernel.iter().zip(&ours).filter(|(kernel, ours)| kernel != ours).take(3).collect();
    assert!(differing.is_empty() && kernel.len() == ours.len(), "kernel and ours differ: {differing:#?}");
}
