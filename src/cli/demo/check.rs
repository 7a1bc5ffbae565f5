//! `fr-mount demo --check`: every file of the mounted sample against its known hash, none missing, none too many.

use super::sample::CHECKSUMS;
use crate::exit::{Failure, FailureKind};
use crate::output::Output;
use session::{Report, VolumeState};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Compares every regular file below the mounted volumes with the list. What the sample's owner closed to this user
/// stays closed: the kernel enforces permissions, for everybody but root.
pub(super) fn every_file(report: &Report, output: Output) -> Result<(), Failure> {
    let mut expected = expected(CHECKSUMS)?;
    let (mut problems, mut checked, mut closed) = (Vec::new(), 0_usize, 0_usize);
    for volume in report.volumes.iter().filter(|volume| volume.state == VolumeState::Mounted) {
        let Some(path) = volume.mount_path.as_deref().map(Path::new) else { continue };
        let name = |file: &Path| format!("{}/{}", volume.name, file.strip_prefix(path).unwrap_or(file).display());
        let found = files(path)?;
        for directory in &found.closed {
            let below = format!("{}/", name(directory));
            let before = expected.len();
            expected.retain(|file, _| !file.starts_with(&below));
            closed = closed.saturating_add(before.saturating_sub(expected.len()));
        }
        for file in &found.files {
            let name = name(file);
            match (expected.remove(&name), hash(file)) {
                (Some(_), Err(error)) if error.kind() == ErrorKind::PermissionDenied => {
                    closed = closed.saturating_add(1);
                }
                (_, Err(error)) => problems.push(format!("{name}: {}", block::io_reason(&error))),
                (None, Ok(_)) => problems.push(format!("{name}: it is not in the list")),
                (Some(hash), Ok(found)) if hash != found => problems.push(format!("{name}: its content is wrong")),
                (Some(_), Ok(_)) => checked = checked.saturating_add(1),
            }
        }
    }
    problems.extend(expected.into_keys().map(|name| format!("{name}: it is missing")));
    if !problems.is_empty() || checked == 0 {
        let message = format!("the sample's files are not right:\n  {}", problems.join("\n  "));
        return Err(Failure::new(FailureKind::CheckFailed, message));
    }
    output.line(&format!("\n4. checked {checked} files: all are there and have the right content"));
    if closed > 0 {
        output
            .line(&format!("   {closed} more are closed to this user, as they are on the server; root can check them"));
    }
    Ok(())
}

/// The list: path to hash.
fn expected(list: &str) -> Result<BTreeMap<String, String>, Failure> {
    let entry = |line: &str| {
        let (hash, path) = line.split_once("  ")?;
        Some((path.trim_start_matches("./").to_owned(), hash.to_owned()))
    };
    let entries: Option<_> = list.lines().map(entry).collect();
    entries.ok_or_else(|| Failure::new(FailureKind::Internal, "the sample's list of hashes is damaged"))
}

/// What is below a directory.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    /// Directories that this user may not list.
    closed: Vec<PathBuf>,
}

/// Every regular file below `root`, symbolic links not followed.
fn files(root: &Path) -> Result<Found, Failure> {
    let failed = |path: &Path, error: &io::Error| {
        let message = format!("cannot list '{}': {}", path.display(), block::io_reason(error));
        Failure::new(FailureKind::CheckFailed, message)
    };
    let (mut found, mut directories) = (Found::default(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                found.closed.push(directory);
                continue;
            }
            Err(error) => return Err(failed(&directory, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed(&directory, &error))?;
            let kind = entry.file_type().map_err(|error| failed(&directory, &error))?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                found.files.push(entry.path());
            }
        }
    }
    Ok(found)
}

fn hash(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 128 << 10];
    loop {
        let length = file.read(&mut block)?;
        let Some(read) = block.get(..length).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
    }
    Ok(hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use session::{PartitionReport, VolumeReport};

    const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_list_names_files_of_each_volume() {
        let list = expected(CHECKSUMS).unwrap();
        for volume in ["system/", "data/", "archive/"] {
            assert!(list.keys().any(|path| path.starts_with(volume)), "{volume}");
        }
        assert!(list.values().all(|hash| hash.len() == 64));
    }

    #[test]
    fn a_missing_a_foreign_and_a_wrong_file_are_all_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("foreign"), "").unwrap();
        let partition = PartitionReport { number: Some(1), kind: String::new(), name: None, start: 0 };
        let volume = VolumeReport {
            name: "data".into(),
            position: "0:1".into(),
            disk: Some(0),
            health: "whole".into(),
            partition,
            bytes: 0,
            format: None,
            label: None,
            drive_letters: Vec::new(),
            uuid: None,
            file_system: None,
            state: VolumeState::Mounted,
            mount_path: Some(dir.path().display().to_string()),
            notices: vec![],
        };
        let report = Report { volumes: vec![volume], ..Report::default() };
        let failure = every_file(&report, Output { json: true }).unwrap_err();
        assert_eq!(failure.kind, FailureKind::CheckFailed);
        assert!(failure.message.contains("data/foreign: it is not in the list"), "{failure}");
        assert!(failure.message.contains("it is missing"), "{failure}");
    }

    #[test]
    fn a_hash_is_the_sha256_of_the_content() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(hash(file.path()).unwrap(), EMPTY_SHA256);
    }
}
