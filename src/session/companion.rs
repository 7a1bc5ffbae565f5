//! Parts of a file system that are on volumes of their own: journals, logs, realtime devices. They are recognised by
//! their UUIDs where they have one; else the user says which volume it is.

use block::ReadAt;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use volume::{Node, Scan};

/// Where a volume is, as `volumes` shows it: `0` is a disk, `0:2` a partition of it, `vg0/log` a logical volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position(String);

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A partition's number is the last part; what is before it may be a disk, an array or a logical volume.
        let (on, partition) = text.rsplit_once(':').map_or((text, None), |(on, partition)| (on, Some(partition)));
        let on_is_named =
            numbers(on) || on.split_once('/').is_some_and(|(group, name)| !group.is_empty() && !name.is_empty());
        if on_is_named && partition.is_none_or(numbers) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("'{text}' is no volume: write DISK, DISK:PARTITION or GROUP/NAME, as 'volumes' shows them"))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub(crate) fn unknown<'a>(companions: &'a [Companion], found: &Scan) -> Option<&'a Position> {
    let exists = |position: &Position| found.volumes().any(|volume| volume.position == position.0);
    companions.iter().flat_map(|companion| companion.of.iter().chain([&companion.at])).find(|at| !exists(at))
}

/// The volume that is `role` to the file system on `volume`: the one that the user says is that of this file system, else the
/// one that `is_it` says it is, else the one that the user says is whoever's needs one. A volume that cannot be read is none: whoever needs it is told that it is missing.
pub(crate) fn find(
    role: Role,
    volume: &Node,
    found: &Scan,
    companions: &[Companion],
    is_it: &dyn Fn(&dyn ReadAt) -> bool,
) -> Option<Arc<dyn ReadAt>> {
    let said = |exact: bool| {
        let own = exact.then_some(volume.position.as_str());
        let fits =
            |companion: &&Companion| companion.role == role && companion.of.as_ref().map(|of| of.0.as_str()) == own;
        companions.iter().find(fits).map(|companion| &companion.at)
    };
    // No part of a file system is all of it: its own bytes would be shown as those of files.
    let others = || found.volumes().filter(|other| other.position != volume.position);
    let at = |said: Option<&Position>| said.map(|at| others().find(|other| other.position == at.0));
    let recognised = || others().find(|other| is_it(other.volume.data.as_ref()));
    let other = match at(said(true)) {
        Some(other) => other,
        None => recognised().or_else(|| at(said(false)).flatten()),
    };
    other.map(|other| Arc::clone(&other.volume.data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_named_by_where_they_are() {
        for text in ["3", "3:12", "vg0/log", "md/data:1"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        for text in ["", "a", "1:", ":1", "1:2:3", "-1", "vg0/", "/log", "vg0/log:x"] {
            let error = text.parse::<Position>().unwrap_err();
            assert!(error.contains("DISK:PARTITION"), "{error}");
        }
    }

    #[test]
    fn a_companion_may_say_whose_it_is() {
        let companion = Companion::parse(Role::Log, "0:2=1").unwrap();
        assert_eq!(companion.of, Some(Position("0:2".into())));
        assert_eq!(companion.at, Position("1".into()));
        assert_eq!(Companion::parse(Role::Realtime, "1").unwrap().of, None);
        assert!(Companion::parse(Role::Log, "1=").is_err());
    }
}
