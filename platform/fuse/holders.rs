//! Who uses a mount.

use crate::kernel;
use std::ffi::OsStr;
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

/// Who keeps a mount from being unmounted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// A process.
    Process {
        /// Process identifier.
        pid: u32,
        /// Name of the command.
        command: String,
        /// What it does there.
        uses: Use,
    },
    /// Something is mounted on a directory there.
    Mount {
        /// Where.
        at: PathBuf,
        /// What.
        source: String,
    },
    /// A file there is the disk of a loop device.
    LoopDevice {
        /// Such as `/dev/loop0`.
        device: PathBuf,
        /// The file's path in the mount.
        file: PathBuf,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, command, uses } => {
                write!(f, "{command} (pid {pid}): ")?;
                match uses {
                    Use::WorkingDirectory => f.write_str("working directory"),
                    Use::Root => f.write_str("root directory"),
                    Use::OpenFile(path) => write!(f, "open file {}", path.display()),
                    Use::Mapping => f.write_str("mapped file"),
                }
            }
            Self::Mount { at, source } => write!(f, "'{source}' is mounted at '{}'", at.display()),
            Self::LoopDevice { device, file } => write!(f, "{} shows the file {}", device.display(), file.display()),
        }
    }
}

/// Who uses what is mounted at `mount_point`, as far as this user may know; some of them, if there are many.
#[must_use]
pub fn holders(mount_point: &Path) -> Vec<Holder> {
    let mount_point = std::path::absolute(mount_point).unwrap_or_else(|_| mount_point.to_owned());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let processes = pids.filter_map(|pid| process(pid, &mount_point));
    processes.chain(mounts(&mount_point)).chain(loop_devices(&mount_point)).take(HOLDERS_MAX).collect()
}

fn mounts(mount_point: &Path) -> impl Iterator<Item = Holder> {
    let below = kernel::mounts().unwrap_or_default().into_iter();
    let below =
        below.filter(move |entry| entry.mount_point != mount_point && entry.mount_point.starts_with(mount_point));
    below.map(|entry| Holder::Mount { at: entry.mount_point, source: entry.source })
}

fn loop_devices(mount_point: &Path) -> impl Iterator<Item = Holder> {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices.filter_map(move |device| {
        let file = fs::read(device.path().join("loop/backing_file")).ok()?;
        let file = Path::new(OsStr::from_bytes(file.trim_ascii_end()));
        let file = file.strip_prefix(mount_point).ok()?.to_owned();
        Some(Holder::LoopDevice { device: Path::new("/dev").join(device.file_name()), file })
    })
}

fn process(pid: u32, mount_point: &Path) -> Option<Holder> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let uses = uses(&process, mount_point)?;
    let command = fs::read(process.join("comm")).unwrap_or_default();
    let command = String::from_utf8_lossy(command.trim_ascii());
    let command = command.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    Some(Holder::Process { pid, command, uses })
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
        Path::new(OsStr::from_bytes(path)).starts_with(mount_point).then_some(())
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
        let ours = |holders: Vec<Holder>| {
            let mut uses = holders.into_iter().filter_map(|holder| match holder {
                Holder::Process { pid, uses, .. } if pid == std::process::id() => Some(uses),
                _ => None,
            });
            uses.next()
        };
        assert_eq!(ours(holders(&path)), None);
        let _file = fs::File::create(path.join("file")).unwrap();
        assert_eq!(ours(holders(&path)), Some(Use::OpenFile("file".into())));
    }

    #[test]
    fn holders_are_told_in_words() {
        let process = |uses| Holder::Process { pid: 5, command: "less".to_owned(), uses };
        assert_eq!(process(Use::OpenFile("log.txt".into())).to_string(), "less (pid 5): open file log.txt");
        assert_eq!(process(Use::WorkingDirectory).to_string(), "less (pid 5): working directory");
        let mount = Holder::Mount { at: "/mnt/data/sub".into(), source: "tmpfs".to_owned() };
        assert_eq!(mount.to_string(), "'tmpfs' is mounted at '/mnt/data/sub'");
        let device = Holder::LoopDevice { device: "/dev/loop0".into(), file: "disk.img".into() };
        assert_eq!(device.to_string(), "/dev/loop0 shows the file disk.img");
    }
}
