//! Images and manifests that scripts made, now or when they were committed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The directory of the fixtures of a format.
pub(crate) fn directory(format: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")).join(format)
}

/// Images that others made, if they are there; says aloud when they are not.
#[allow(dead_code, reason = "not every format has images there")]
pub(crate) fn corpus() -> Option<PathBuf> {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpus"));
    if !corpus.exists() {
        eprintln!("SKIPPED: the shared corpus is not there; the images of this repository alone were looked at.");
    }
    Some(corpus.to_owned()).filter(|corpus| corpus.exists())
}

/// The bytes of a file that is packed.
pub(crate) fn unpacked(path: &Path) -> Vec<u8> {
    let packed = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut reader = zstd::Decoder::new(&packed[..]).unwrap();
    reader.window_log_max(27).unwrap();
    let mut data = Vec::new();
    std::io::copy(&mut reader, &mut data).unwrap();
    data
}

/// The lines of a text that is packed.
pub(crate) fn unpacked_lines(path: &Path) -> Vec<String> {
    lines(&String::from_utf8(unpacked(path)).unwrap())
}

pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// Fails with the first few lines that differ.
pub(crate) fn assert_same(what: &str, kernel: &[String], ours: &[String]) {
    let differing: Vec<_> = kernel.iter().zip(ours).filter(|(kernel, ours)| kernel != ours).take(5).collect();
    assert!(differing.is_empty(), "{what}: kernel and ours differ:\n{differing:#?}");
    assert_eq!(kernel.len(), ours.len(), "{what}: number of lines");
}

/// Runs a script beside the fixtures of a format; what it printed.
pub(crate) fn script(format: &str, name: &str, arguments: &[&str]) -> Output {
    Command::new("python3").arg(directory(format).join(name)).args(arguments).output().unwrap()
}

/// Fails unless the script succeeded; what it printed.
pub(crate) fn check(what: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: the script failed:\n{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Says aloud that something is not tested; a failure where everything has to be.
pub(crate) fn skipped(why: &str) {
    let message = format!("SKIPPED: {why}");
    assert!(std::env::var_os("FR_REQUIRE_ALL").is_none_or(|value| value != "1"), "{message}");
    eprintln!("{message}");
}

/// Whether images can be made and mounted here, tried with a `make.py` of this format: not guessed.
pub(crate) fn can_mount(format: &str, trial: &[&str]) -> bool {
    let made = script(format, "make.py", trial);
    if !made.status.success() {
        let why = String::from_utf8_lossy(&made.stderr).into_owned();
        let why = why.lines().last().unwrap_or("no message").to_owned();
        skipped(&format!(
            "nothing was compared with the kernel, since images cannot be made and mounted here ({why}): run this test \
             as root, with loop devices, the format's own tools, acl and python3"
        ));
    }
    made.status.success()
}
