//! The directory that holds the records of one user's sessions. Whoever starts a session, or removes what a dead one
//! left, holds the directory meanwhile: so two that start at the same time see each other, and nobody cleans up twice.

use crate::record::{self, Kept, Record};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

/// What a record's file ends with.
const EXTENSION: &str = "json";
/// What the file ends with that is to take the place of a record.
const NEW: &str = "new";

/// The directory that holds the records of one user's sessions.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

/// A session that has a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What the record says.
    pub record: Record,
    /// Whether it lives: the lock of its record says so, not its process id, which may be somebody else's by now.
    pub alive: bool,
    file: PathBuf,
}

impl Session {
    /// Whether it lives now.
    #[must_use]
    pub fn still_lives(&self) -> bool {
        matches!(record::read(&self.file), Some((_, true)))
    }
}

impl StateDir {
    /// The records in this directory; it is made when the first one is written.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The recorded sessions, oldest first, those that died among them.
    ///
    /// # Errors
    /// When the directory is there and cannot be listed.
    pub fn sessions(&self) -> io::Result<Vec<Session>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut sessions: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|file| file.extension().is_some_and(|extension| extension == EXTENSION))
            .filter_map(|file| record::read(&file).map(|(record, alive)| Session { record, alive, file }))
            .collect();
        sessions.sort_by_key(|session| (session.record.started_at, session.record.pid));
        Ok(sessions)
    }

    /// Holds the directory, waiting for others that do; makes it when it is not there.
    ///
    /// # Errors
    /// When it cannot be made or locked.
    pub fn hold(&self) -> io::Result<Held> {
        /// Whoever removes the directory in between did so because a session ended.
        const ATTEMPTS: usize = 100;
        for _ in 0..ATTEMPTS {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            crate::sys::private(&mut builder);
            builder.create(&self.0)?;
            let directory = match File::open(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            directory.lock()?;
            if crate::sys::is_file_at(&directory, &self.0) {
                return Ok(Held { of: self.clone(), _directory: directory });
            }
        }
        Err(io::Error::other("it is removed again and again"))
    }
}

/// A directory of records that nobody else changes until this is dropped.
#[derive(Debug)]
pub struct Held {
    of: StateDir,
    _directory: File,
}

impl Held {
    /// The recorded sessions, oldest first, those that died among them.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn sessions(&self) -> io::Result<Vec<Session>> {
        self.of.sessions()
    }

    /// Writes a record of this process, which stays until what is returned is dropped.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, record: Record) -> io::Result<Kept> {
        // Not named by the process alone: its number may be that of one that died.
        let name = format!("{}-{}", record.pid, uuid::Uuid::new_v4().simple());
        Kept::new(self.of.0.join(name).with_extension(EXTENSION), record)
    }

    /// Removes the record of a session that died.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn forget(&self, dead: &Session) -> io::Result<()> {
        match fs::remove_file(&dead.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes files that were to become records when their session was killed.
    pub fn sweep(&self) {
        let entries = fs::read_dir(&self.of.0).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in entries.filter(|path| path.extension().is_some_and(|extension| extension == NEW)) {
            // One that is being written is locked.
            if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Succeeds only when no record is left; nothing is to stay behind.
        let _ = fs::remove_dir(&self.of.0);
    }
}

#[cfg(test)]
mod tests;
