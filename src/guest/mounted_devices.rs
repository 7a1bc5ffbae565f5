//! Which volume had which drive letter: the key `MountedDevices` of a Windows' registry, where its mount manager remembers
//! them (Microsoft, "Supporting Mount Manager Requests in a Storage Class Driver").

use crate::hive::{Hive, ReadHive};
use uuid::Uuid;
use vfs::{ErrorKind, FileSystem, FileType, NodeId, Result, Stream};

/// A partition as Windows remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Partition {
    /// By its unique GUID (GPT).
    Gpt(Uuid),
    /// By the signature of its disk and its first byte (MBR).
    Mbr {
        /// The disk's signature.
        disk_signature: u32,
        /// The partition's first byte on the disk.
        start: u64,
    },
}

/// What a Windows remembers of its volumes. Removable and dynamic disks, which it remembers in other ways, are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountedDevices {
    /// Drive letters, in upper case.
    pub drives: Vec<(char, Partition)>,
    /// The GUIDs that links name volumes by (`\??\Volume{…}\`).
    pub volumes: Vec<(Uuid, Partition)>,
}

/// Directories that a Windows is installed in; the second one up to Windows 2000.
const DIRECTORIES: [&[u8]; 2] = [b"Windows", b"WINNT"];
const HIVE: [&[u8]; 3] = [b"System32", b"config", b"SYSTEM"];

impl MountedDevices {
    /// What the Windows on this volume remembers; `None` where none is installed.
    ///
    /// # Errors
    /// What kept its registry from being read.
    pub fn find(fs: &dyn FileSystem) -> Result<Option<Self>> {
        for directory in DIRECTORIES {
            if let Some(hive) = hive(fs, directory)? {
                return Self::read(&|offset, buf| fs.read_at(hive, Stream::Main, offset, buf)).map(Some);
            }
        }
        Ok(None)
    }

    /// What the hive `SYSTEM` says.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when it is no hive, or what kept it from being read.
    pub fn read(hive: &ReadHive<'_>) -> Result<Self> {
        let hive = Hive::open(hive)?;
        let mut found = Self::default();
        let Some(key) = hive.subkey(&hive.root()?, "MountedDevices")? else { return Ok(found) };
        for value in hive.values(&key)? {
            let (drive, volume) = (drive(&value.name), volume(&value.name));
            if drive.is_none() && volume.is_none() {
                continue;
            }
            let gpt = hive.data::<24>(&value)?.as_ref().and_then(gpt);
            let mbr = hive.data::<12>(&value)?.as_ref().map(mbr);
            let Some(partition) = gpt.or(mbr) else { continue };
            found.drives.extend(drive.map(|letter| (letter, partition)));
            found.volumes.extend(volume.map(|guid| (guid, partition)));
        }
        Ok(found)
    }
}

/// The hive of the Windows in this directory.
fn hive(fs: &dyn FileSystem, directory: &[u8]) -> Result<Option<NodeId>> {
    let mut node = fs.root();
    for name in std::iter::once(directory).chain(HIVE) {
        match fs.lookup(node, name) {
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            found => node = found?,
        }
    }
    Ok((fs.attr(node)?.file_type == FileType::Regular).then_some(node))
}

/// The letter in `\DosDevices\C:`.
fn drive(name: &str) -> Option<char> {
    let rest = without(name, r"\DosDevices\")?.strip_suffix(':')?;
    let letter = rest.chars().next().filter(|letter| rest.len() == 1 && letter.is_ascii_alphabetic())?;
    Some(letter.to_ascii_uppercase())
}

/// The GUID in `\??\Volume{…}`.
fn volume(name: &str) -> Option<Uuid> {
    let guid = without(name, r"\??\Volume{")?.strip_suffix('}')?;
    Uuid::try_parse(guid).ok().filter(|_| guid.len() == 36)
}

fn without<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn gpt(data: &[u8; 24]) -> Option<Partition> {
    let guid = data.strip_prefix(b"DMIO:ID:")?.try_into().ok()?;
    Some(Partition::Gpt(Uuid::from_bytes_le(guid)))
}

fn mbr(data: &[u8; 12]) -> Partition {
    let [a, b, c, d, start @ ..] = *data;
    Partition::Mbr { disk_signature: u32::from_le_bytes([a, b, c, d]), start: u64::from_le_bytes(start) }
}

#[cfg(test)]
mod tests;
