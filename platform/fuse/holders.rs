//! Who uses a mount.

use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// More are not told.
const HOLDERS_MAX: usize = 32;

/// How a process uses a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Use {
    /// It is in a directory there.
    WorkingDirectory,
    /// Its root directory is there.
    Root,
    /// It has a file open there, with this path in the mount.
    OpenFile(PathBuf),
    /// It has a file mapped into its memory there.
    Mapping,
}

/// A process that uses a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Process identifier.
    pub pid: u32,
    /// Name of the command.
    pub command: String,
    /// What it does there.
    pub uses: Use,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}): ", self.command, self.pid)?;
        match &self.uses {
            Use::WorkingDirectory => f.write_str("working directory"),
            Use::Root => f.write_str("root directory"),
            Use::OpenFile(path) => write!(f, "open file {}", path.display()),
            Use::Mapping => f.write_str("mapped file"),
        }
    }
}

/// The processes that use what is mounted at `mount_point`, as far as this user may know; some of them, if there are
/// many.
#[must_use]
pub fn holders(mount_point: &Path) -> Vec<Holder> {
    let mount_point = std::path::absolute(mount_point).unwrap_or_else(|_| mount_point.to_owned());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| holder(pid, &mount_point)).take(HOLDERS_MAX).collect()
}

fn holder(pid: u32, mount_point: &Path) -> Option<Holder> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let uses = uses(&process, mount_point)?;
    let command = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let command = command.trim().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    Some(Holder { pid, command, uses })
}

/// The first of its uses. Links in /proc are read and never followed: a mount may not answer.
fn uses(process: &Path, mount_point: &Path) -> Option<Use> {
    let within = |link: PathBuf| {
        let target = fs::read_link(link).ok()?;
        target.strip_prefix(mount_point).map(Path::to_owned).ok()
    };
    if within(process.join("cwd")).is_some() {
        return Some(Use::WorkingDirectory);
    }
    if within(process.join("root")).is_some() {
        return Some(Use::Root);
    }
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    if let Some(file) = { descriptors }.find_map(|descriptor| within(descriptor.path())) {
        return Some(Use::OpenFile(file));
    }
    let maps = fs::read(process.join("maps")).ok()?;
    let mapped = |line: &[u8]| {
        let path = line.iter().position(|byte| *byte == b'/').and_then(|from| line.get(from..))?;
        Path::new(std::ffi::OsStr::from_bytes(path)).starts_with(mount_point).then_some(())
    };
    maps.split(|byte| *byte == b'\n').find_map(mapped).map(|()| Use::Mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_an_open_file_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let ours = |holders: Vec<Holder>| holders.into_iter().find(|holder| holder.pid == std::process::id());
        assert_eq!(ours(holders(&path)), None);
        let _file = fs::File::create(path.join("file")).unwrap();
        let holder = ours(holders(&path)).unwrap();
        assert_eq!(holder.uses, Use::OpenFile("file".into()));
        assert!(holder.to_string().ends_with("open file file"), "{holder}");
    }
}
