//! Parts of a file system that are on volumes of their own: journals, logs, realtime devices. They are recognised by
//! their UUIDs where they have one; else the user says which volume it is.

use block::ReadAt;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use volume::{Scan, Volume};

/// Where a volume is: a disk, and a partition of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the disk, as `volumes` shows it.
    pub disk: usize,
    /// Number of the partition; `None` for a disk that is one volume.
    pub partition: Option<u32>,
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is no volume: write DISK or DISK:PARTITION, with the numbers that 'volumes' shows");
        let (disk, partition) = text.split_once(':').map_or((text, None), |(disk, partition)| (disk, Some(partition)));
        Ok(Self {
            disk: disk.parse().map_err(|_| wrong())?,
            partition: partition.map(|number| number.parse().map_err(|_| wrong())).transpose()?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition {
            Some(partition) => write!(f, "{}:{partition}", self.disk),
            None => write!(f, "{}", self.disk),
        }
    }
}

/// What a volume is to a file system on another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It holds its log.
    Log,
    /// It holds the data of its realtime files.
    Realtime,
}

/// What the user says about a volume: `[FILE SYSTEM=]VOLUME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Companion {
    /// What it is.
    pub role: Role,
    /// Of which file system; `None` for whichever needs one.
    pub of: Option<Position>,
    /// Where it is.
    pub at: Position,
}

impl Companion {
    /// Reads `[FILE SYSTEM=]VOLUME`.
    ///
    /// # Errors
    /// In words for the user.
    pub fn parse(role: Role, text: &str) -> Result<Self, String> {
        let (of, at) = text.split_once('=').map_or((None, text), |(of, at)| (Some(of), at));
        Ok(Self { role, of: of.map(str::parse).transpose()?, at: at.parse()? })
    }
}

/// The first thing that the user said of a volume that does not exist.
pub(crate) fn unknown(companions: &[Companion], found: &Scan) -> Option<Position> {
    let exists = |position: &Position| found.volumes.iter().any(|volume| self::position(volume) == *position);
    companions.iter().flat_map(|companion| companion.of.into_iter().chain([companion.at])).find(|at| !exists(at))
}

fn position(volume: &Volume) -> Position {
    Position { disk: volume.disk, partition: volume.partition }
}

/// The volume that is `role` to the file system on `volume`: the one that the user says is that of this file system, else the
/// one that `is_it` says it is, else the one that the user says is whoever's needs one. A volume that cannot be read is none: whoever needs it is told that it is missing.
pub(crate) fn find(
    role: Role,
    volume: &Volume,
    found: &Scan,
    companions: &[Companion],
    is_it: &dyn Fn(&dyn ReadAt) -> bool,
) -> Option<Arc<dyn ReadAt>> {
    let said = |exact: bool| {
        let fits = |companion: &&Companion| {
            companion.role == role
                && if exact { companion.of == Some(position(volume)) } else { companion.of.is_none() }
        };
        companions.iter().find(fits).map(|companion| companion.at)
    };
    // No part of a file system is all of it: its own bytes would be shown as those of files.
    let others = || found.volumes.iter().filter(|other| position(other) != position(volume));
    let at = |said: Option<Position>| said.map(|at| others().find(|other| position(other) == at));
    let recognised = || others().find(|other| is_it(other.data.as_ref()));
    let other = match at(said(true)) {
        Some(other) => other,
        None => recognised().or_else(|| at(said(false)).flatten()),
    };
    other.map(|other| Arc::clone(&other.data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_named_by_disk_and_partition() {
        let at = |disk, partition| Position { disk, partition };
        assert_eq!("3".parse(), Ok(at(3, None)));
        assert_eq!("3:12".parse(), Ok(at(3, Some(12))));
        for text in ["", "a", "1:", ":1", "1:2:3", "-1"] {
            let error = text.parse::<Position>().unwrap_err();
            assert!(error.contains("DISK:PARTITION"), "{error}");
        }
        assert_eq!((at(3, Some(12)).to_string(), at(3, None).to_string()), ("3:12".to_owned(), "3".to_owned()));
    }

    #[test]
    fn a_companion_may_say_whose_it_is() {
        let companion = Companion::parse(Role::Log, "0:2=1").unwrap();
        assert_eq!(companion.of, Some(Position { disk: 0, partition: Some(2) }));
        assert_eq!(companion.at, Position { disk: 1, partition: None });
        assert_eq!(Companion::parse(Role::Realtime, "1").unwrap().of, None);
        assert!(Companion::parse(Role::Log, "1=").is_err());
    }
}
