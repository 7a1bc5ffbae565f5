//! What is known of a session from outside: one file each, locked for as long as the session lives, so that a record
//! whose lock is free is a session that died. Nothing secret is in it.

use crate::Lifetime;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A session: what it shows, where, and what it would leave behind if it were killed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Process id of the daemon.
    pub pid: u32,
    /// The source as the user wrote it.
    pub source: String,
    /// What kind of source it is, in words.
    pub kind: String,
    /// Which VM and point of time it is, where the source says so.
    pub described: Option<String>,
    /// The mount point that the user named.
    pub mount_point: PathBuf,
    /// Start of the session in seconds since 1970.
    pub started_at: u64,
    /// When it ends by itself.
    pub lifetime: Lifetime,
    /// Whether everything is mounted; before, the source is being opened.
    pub is_ready: bool,
    /// What is mounted, or about to be.
    pub volumes: Vec<RecordedVolume>,
    /// Directories that are made for the session and go with it, in the order in which they are made.
    pub made: Vec<PathBuf>,
    /// How many bytes of the disks were read.
    pub bytes_read: u64,
    /// What went wrong since: members of volumes that could not be read.
    pub notices: Vec<String>,
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
    /// A record of this process, from now on, with nothing mounted yet.
    #[must_use]
    pub fn new(source: String, kind: String, mount_point: PathBuf, lifetime: Lifetime) -> Self {
        let started_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            pid: std::process::id(),
            source,
            kind,
            described: None,
            mount_point,
            started_at,
            lifetime,
            is_ready: false,
            volumes: Vec::new(),
            made: Vec::new(),
            bytes_read: 0,
            notices: Vec::new(),
        }
    }
}

/// A record that is kept up to date: dropping it removes the file.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    /// The file as it is now; `None` once it was given up.
    locked: Option<File>,
    record: Record,
}

impl Kept {
    /// Writes a new record into `path`.
    pub(crate) fn new(path: PathBuf, record: Record) -> io::Result<Self> {
        let locked = Some(write(&path, &record)?);
        Ok(Self { path, locked, record })
    }

    /// Changes what the record says; nothing is written when that is what it says already.
    ///
    /// # Errors
    /// When it cannot be written; then it says what it said before.
    pub fn update(&mut self, change: impl FnOnce(&mut Record)) -> io::Result<()> {
        let mut record = self.record.clone();
        change(&mut record);
        if record != self.record {
            // The file that takes the place of this one is locked already: at no moment does the session look dead.
            self.locked = Some(write(&self.path, &record)?);
            self.record = record;
        }
        Ok(())
    }

    /// What it says.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Leaves the record as that of a session that died: something could not be removed, and whoever cleans up later is
    /// to find it.
    pub fn give_up(mut self) {
        self.locked = None;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.locked.is_none() {
            return;
        }
        // The session ends either way; a record that cannot be removed is seen as dead by its free lock.
        let _ = fs::remove_file(&self.path);
        self.locked = None;
        if let Some(directory) = self.path.parent() {
            remove_if_last(directory);
        }
    }
}

/// Removes a directory for records when the last record is gone, unless somebody is about to write another one.
fn remove_if_last(directory: &Path) {
    const ATTEMPTS: usize = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 0..ATTEMPTS {
        let Ok(held) = File::open(directory) else { return };
        match held.try_lock() {
            Ok(()) => {
                // Others' records may be in it.
                let _ = fs::remove_dir(directory);
                return;
            }
            // Whoever holds it removes it, unless that was just before the file went.
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Puts a record into the place of `path` in one step, locked, and gives its file.
fn write(path: &Path, record: &Record) -> io::Result<File> {
    let text = serde_json::to_vec(record).map_err(io::Error::other)?;
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    let written = file.try_lock().map_err(io::Error::from).and_then(|()| file.write_all(&text));
    let written = written.and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    Ok(file)
}

/// The record in this file and whether its session lives; `None` when it is no record, or is gone.
pub(crate) fn read(path: &Path) -> Option<(Record, bool)> {
    /// A record is a few lines; a longer file is none.
    const RECORD_BYTES_MAX: u64 = 1 << 20;
    /// A living session writes its record anew every few seconds at most.
    const ATTEMPTS: usize = 16;
    for _ in 0..ATTEMPTS {
        let file = File::open(path).ok()?;
        let mut text = Vec::new();
        (&file).take(RECORD_BYTES_MAX).read_to_end(&mut text).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        if matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return Some((record, true));
        }
        // Free: its session is dead, unless another file took the place of this one, or it was removed, meanwhile.
        if crate::sys::is_file_at(&file, path) {
            return Some((record, false));
        }
    }
    None
}
