//! Every disk through every manager.

use crate::{Assembly, Device, Error, Gpt, Mbr, Volume, VolumeManager};
use std::fmt;

/// What partition table a disk has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// None: the disk is one volume.
    None,
    /// One of this manager.
    Managed(&'static str),
    /// One that cannot be used.
    Damaged,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no table",
            Self::Managed(name) => name,
            Self::Damaged => "damaged table",
        })
    }
}

/// What is on a list of disks.
pub struct Scan {
    /// Every volume, by disk and then by number of the partition.
    pub volumes: Vec<Volume>,
    /// The partition table of each disk, in the order of the disks.
    pub tables: Vec<Table>,
    /// What the user should know.
    pub notices: Vec<String>,
}

/// Finds the volumes on `disks`. A disk that cannot be read or whose table is damaged has none, and a notice says so.
#[must_use]
pub fn scan(disks: &[Device]) -> Scan {
    let mut scan = Scan { volumes: Vec::new(), tables: Vec::new(), notices: Vec::new() };
    for (index, device) in disks.iter().enumerate() {
        let (table, assembly) = match scan_disk(index, device) {
            Ok(found) => found,
            Err(error) => {
                let notices = vec![format!("its partition table cannot be used: {error}")];
                (Table::Damaged, Assembly { notices, ..Assembly::default() })
            }
        };
        let mut volumes = assembly.volumes;
        volumes.sort_by_key(|volume| volume.partition);
        scan.volumes.extend(volumes);
        scan.tables.push(table);
        scan.notices.extend(assembly.notices.into_iter().map(|notice| format!("disk {index}: {notice}")));
    }
    scan
}

/// A GPT is looked for first: the MBR in front of it is there to keep others away.
fn scan_disk(index: usize, device: &Device) -> Result<(Table, Assembly), Error> {
    const MANAGERS: [&dyn VolumeManager; 2] = [&Gpt, &Mbr];
    for manager in MANAGERS {
        if manager.probe(device)?.is_some() {
            return Ok((Table::Managed(manager.name()), manager.assemble(&[(index, device)])?));
        }
    }
    Ok((Table::None, Assembly { volumes: vec![Volume::whole(index, device)], notices: Vec::new() }))
}
