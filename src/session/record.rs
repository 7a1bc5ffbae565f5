//! The record of running sessions: one file each, locked for as long as the session lives, so that a record whose
//! lock is free is a session that died. Nothing secret is in it.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What is known of a session from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Process id of the daemon.
    pub pid: u32,
    /// The source as the user wrote it.
    pub source: String,
    /// The mount point that the user named.
    pub mount_point: PathBuf,
    /// Start of the session in seconds since 1970.
    pub started_at: u64,
    /// What is mounted.
    pub volumes: Vec<RecordedVolume>,
    /// What went wrong since: members of volumes that could not be read.
    #[serde(default)]
    pub notices: Vec<String>,
    /// Whether the daemon is still alive: its lock says so, not what the file says.
    pub alive: bool,
}

/// A mounted volume of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedVolume {
    /// The volume's name.
    pub name: String,
    /// Where it is mounted.
    pub path: PathBuf,
}

impl Record {
    /// A record of this process, from now on.
    #[must_use]
    pub fn new(source: String, mount_point: PathBuf, volumes: Vec<RecordedVolume>) -> Self {
        let started_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self { pid: std::process::id(), source, mount_point, started_at, volumes, notices: Vec::new(), alive: true }
    }
}

/// The directory that holds the records of one user's sessions.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

/// A record that is kept: dropping it removes the file.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    locked: File,
    record: Record,
}

impl Kept {
    /// Replaces what the record says went wrong.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_notices(&mut self, notices: Vec<String>) -> io::Result<()> {
        self.record.notices = notices;
        self.write()
    }

    fn write(&mut self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.record).map_err(io::Error::other)?;
        self.locked.rewind()?;
        // In one piece, and cut afterwards: who reads it meanwhile finds a record, or one with something behind it.
        self.locked.write_all(&text)?;
        self.locked.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The session ends either way; a record that cannot be removed is seen as dead by its free lock.
        let _ = fs::remove_file(&self.path);
        if let Some(dir) = self.path.parent() {
            // Succeeds only for the last session; nothing is to stay behind.
            let _ = fs::remove_dir(dir);
        }
    }
}

impl StateDir {
    /// The records in this directory; it is made when the first one is written.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Writes the record of this process and locks it until what is returned is dropped.
    ///
    /// # Errors
    /// When the directory cannot be made or written.
    pub fn keep(&self, record: &Record) -> io::Result<Kept> {
        self.make()?;
        let path = self.path(record);
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other("another process holds this session's record"),
        })?;
        let mut kept = Kept { path, locked: file, record: record.clone() };
        kept.write()?;
        Ok(kept)
    }

    fn make(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        crate::sys::private(&mut builder);
        builder.create(&self.0)
    }

    /// Removes the record of a session that died.
    ///
    /// # Errors
    /// When the record is there and cannot be removed.
    pub fn forget(&self, dead: &Record) -> io::Result<()> {
        match fs::remove_file(self.path(dead)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Succeeds only for the last record; nothing is to stay behind.
        let _ = fs::remove_dir(&self.0);
        Ok(())
    }

    fn path(&self, record: &Record) -> PathBuf {
        self.0.join(format!("{}.json", record.pid))
    }

    /// The recorded sessions, oldest first, those that died among them.
    ///
    /// # Errors
    /// When the directory is there and cannot be listed.
    pub fn sessions(&self) -> io::Result<Vec<Record>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut records: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .filter_map(|path| read(&path))
            .collect();
        records.sort_by_key(|record| (record.started_at, record.pid));
        Ok(records)
    }
}

/// The record in this file; `None` when it is no record, or is being written.
fn read(path: &Path) -> Option<Record> {
    /// A record is a few lines; a longer file is none.
    const RECORD_BYTES_MAX: u64 = 1 << 20;
    let file = File::open(path).ok()?;
    let mut text = Vec::new();
    (&file).take(RECORD_BYTES_MAX).read_to_end(&mut text).ok()?;
    let mut record: Record = serde_json::from_slice(&text).ok()?;
    record.alive = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let volumes = vec![RecordedVolume { name: "data".into(), path: "/mnt/data".into() }];
        Record::new("iscsis://host/iqn.2024-01.t:d".into(), "/mnt".into(), volumes)
    }

    #[test]
    fn a_kept_record_is_alive_and_goes_with_its_session() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("state"));
        let kept = state.keep(&record()).unwrap();
        let sessions = state.sessions().unwrap();
        assert_eq!(sessions, [record()]);
        assert!(sessions[0].alive);
        drop(kept);
        assert_eq!(state.sessions().unwrap(), []);
        assert!(!dir.path().join("state").exists());
    }

    #[test]
    fn what_goes_wrong_later_is_in_the_record() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().to_owned());
        let mut kept = state.keep(&record()).unwrap();
        for notices in [vec!["disk 1 cannot be read".to_owned(), "disk 2 neither".to_owned()], Vec::new()] {
            kept.set_notices(notices.clone()).unwrap();
            assert_eq!(state.sessions().unwrap(), [Record { notices, ..record() }]);
        }
    }

    #[test]
    fn the_record_of_a_dead_session_stays_until_it_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().to_owned());
        fs::write(dir.path().join("1.json"), serde_json::to_vec(&record()).unwrap()).unwrap();
        fs::write(dir.path().join("2.json"), b"no record").unwrap();
        let sessions = state.sessions().unwrap();
        assert_eq!(sessions.len(), 1);
        assert!(!sessions[0].alive);
        fs::rename(dir.path().join("1.json"), state.path(&sessions[0])).unwrap();
        state.forget(&sessions[0]).unwrap();
        assert_eq!(state.sessions().unwrap(), []);
        state.forget(&sessions[0]).unwrap();
    }

    #[test]
    fn no_directory_means_no_session() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(StateDir::new(dir.path().join("none")).sessions().unwrap(), []);
    }
}
