//! Which volume had which drive letter, as the Windows installations among the volumes say, and so where links lead.

use guest::{MountedDevices, Partition};
use std::collections::HashMap;
use std::hash::Hash;
use uuid::Uuid;
use vfs::FileSystem;
use volume::{Identity, Volume};

/// What the installations say of all volumes, which are numbers in the list of them.
pub(crate) struct DriveLetters {
    /// By the number of the volume that a Windows is installed on.
    own: HashMap<usize, Table>,
    /// What all installations say alike, for volumes without one.
    agreed: Table,
}

/// What one installation remembers, of volumes that are here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    drives: HashMap<char, usize>,
    volumes: HashMap<Uuid, usize>,
}

/// What a Windows on this volume remembers; `None` where there is none.
///
/// # Errors
/// What kept its registry from being read.
pub(crate) fn installation(file_system: &dyn FileSystem) -> vfs::Result<Option<MountedDevices>> {
    if file_system.info().format == "ntfs" { MountedDevices::find(file_system) } else { Ok(None) }
}

impl DriveLetters {
    /// Puts together what the installations say, of which each volume may have one.
    pub(crate) fn new(volumes: &[&Volume], installations: &[vfs::Result<Option<MountedDevices>>]) -> Self {
        let known: Vec<_> = volumes.iter().map(|volume| (volume.identity, volume.start)).collect();
        let found = installations.iter().enumerate();
        let found = found.filter_map(|(number, found)| Some((number, found.as_ref().ok()?.as_ref()?)));
        let own: HashMap<_, _> = found.map(|(number, found)| (number, Table::new(&known, found))).collect();
        let agreed = own.values().cloned().reduce(|one, other| one.agreeing(&other)).unwrap_or_default();
        Self { own, agreed }
    }

    /// What holds on this volume: what the Windows on it says, else what all of them say.
    fn seen_from(&self, volume: usize) -> &Table {
        self.own.get(&volume).unwrap_or(&self.agreed)
    }

    /// The letters of a volume, in their order.
    pub(crate) fn of(&self, volume: usize) -> Vec<char> {
        let drives = self.seen_from(volume).drives.iter();
        let mut letters: Vec<_> = drives.filter(|(_, found)| **found == volume).map(|(letter, _)| *letter).collect();
        letters.sort_unstable();
        letters
    }

    /// Where links on this volume lead; `mounted` are the names of the volumes that are mounted beside it, and of itself.
    pub(crate) fn places(&self, volume: usize, mounted: &HashMap<usize, String>) -> ntfs::VolumePlaces {
        let table = self.seen_from(volume);
        let place = |found: usize| match mounted.get(&found) {
            Some(_) if found == volume => Some(Vec::new()),
            Some(name) => Some(format!("../{name}").into_bytes()),
            None => None,
        };
        ntfs::VolumePlaces { drives: placed(&table.drives, place), volumes: placed(&table.volumes, place) }
    }
}

impl Table {
    fn new(known: &[(Option<Identity>, u64)], found: &MountedDevices) -> Self {
        Self { drives: numbered(&found.drives, known), volumes: numbered(&found.volumes, known) }
    }

    /// What both say alike.
    fn agreeing(mut self, other: &Self) -> Self {
        self.drives.retain(|letter, volume| other.drives.get(letter) == Some(volume));
        self.volumes.retain(|guid, volume| other.volumes.get(guid) == Some(volume));
        self
    }
}

fn numbered<K: Copy + Eq + Hash>(found: &[(K, Partition)], known: &[(Option<Identity>, u64)]) -> HashMap<K, usize> {
    found.iter().filter_map(|(key, partition)| Some((*key, number(*partition, known)?))).collect()
}

/// The volume that is this partition. Copies of one disk are several: then it is none of them.
fn number(partition: Partition, known: &[(Option<Identity>, u64)]) -> Option<usize> {
    let is_it = |(identity, at): &(Option<Identity>, u64)| match (partition, identity) {
        (Partition::Gpt(guid), Some(Identity::Gpt(unique))) => guid == *unique,
        (Partition::Mbr { disk_signature, start }, Some(Identity::Mbr { disk_signature: own })) => {
            disk_signature == *own && start == *at
        }
        _ => false,
    };
    let mut found = known.iter().enumerate().filter(|(_, volume)| is_it(volume));
    let (number, _) = found.next()?;
    found.next().is_none().then_some(number)
}

fn placed<K: Copy + Eq + Hash>(
    table: &HashMap<K, usize>,
    place: impl Fn(usize) -> Option<Vec<u8>>,
) -> HashMap<K, Vec<u8>> {
    table.iter().filter_map(|(key, volume)| Some((*key, place(*volume)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use block::{BlockSize, MemoryDisk};
    use std::sync::Arc;
    use volume::VolumeKind;

    fn volume(identity: Option<Identity>, start: u64) -> Volume {
        let data = Arc::new(MemoryDisk::new(vec![0; 512], BlockSize::B512));
        Volume { identity, start, ..Volume::new("1", VolumeKind::WholeDisk, BlockSize::B512, data) }
    }

    fn gpt(number: u128) -> Identity {
        Identity::Gpt(Uuid::from_u128(number))
    }

    const MBR: Identity = Identity::Mbr { disk_signature: 0xDEAD_BEEF };

    fn partition(number: u128) -> Partition {
        Partition::Gpt(Uuid::from_u128(number))
    }

    fn remembers(drives: &[(char, Partition)]) -> MountedDevices {
        let volumes = drives.iter().map(|(letter, partition)| (Uuid::from_u128(u32::from(*letter).into()), *partition));
        MountedDevices { drives: drives.to_vec(), volumes: volumes.collect() }
    }

    fn names(names: &[(usize, &str)]) -> HashMap<usize, String> {
        names.iter().map(|(number, name)| (*number, (*name).to_owned())).collect()
    }

    #[test]
    fn volumes_have_the_letters_that_the_one_windows_gave_them() {
        let volumes =
            [volume(Some(gpt(1)), 0), volume(Some(MBR), 1 << 20), volume(Some(MBR), 1 << 21), volume(None, 0)];
        let data = Partition::Mbr { disk_signature: 0xDEAD_BEEF, start: 1 << 20 };
        let letters = remembers(&[('C', partition(1)), ('D', data), ('E', data), ('F', partition(9))]);
        let letters = DriveLetters::new(&volumes.each_ref(), &[Ok(Some(letters))]);
        assert_eq!(
            (0..4).map(|number| letters.of(number)).collect::<Vec<_>>(),
            [vec!['C'], vec!['D', 'E'], vec![], vec![]]
        );
        let places = letters.places(1, &names(&[(0, "System"), (1, "data")]));
        assert_eq!(places.drives[&'C'], b"../System");
        assert_eq!(places.drives[&'D'], b"");
        assert_eq!(places.volumes[&Uuid::from_u128(u32::from('C').into())], b"../System");
        assert!(!places.drives.contains_key(&'F'));
    }

    #[test]
    fn links_do_not_lead_to_volumes_that_are_not_mounted() {
        let volumes = [volume(Some(gpt(1)), 0), volume(Some(gpt(2)), 0)];
        let letters =
            DriveLetters::new(&volumes.each_ref(), &[Ok(Some(remembers(&[('C', partition(1)), ('D', partition(2))])))]);
        let places = letters.places(0, &names(&[(0, "C")]));
        assert_eq!(places.drives, HashMap::from([('C', Vec::new())]));
    }

    #[test]
    fn each_windows_has_its_own_letters_and_others_what_all_say() {
        let volumes = [1, 2, 3].map(|number| volume(Some(gpt(number)), 0));
        let one = remembers(&[('C', partition(1)), ('D', partition(2)), ('E', partition(3))]);
        let two = remembers(&[('C', partition(2)), ('D', partition(1)), ('E', partition(3))]);
        let letters = DriveLetters::new(&volumes.each_ref(), &[Ok(Some(one)), Ok(Some(two)), Ok(None)]);
        assert_eq!([letters.of(0), letters.of(1), letters.of(2)], [['C'], ['C'], ['E']]);
        let mounted = names(&[(0, "a"), (1, "b"), (2, "c")]);
        assert_eq!(letters.places(0, &mounted).drives[&'D'], b"../b");
        assert_eq!(letters.places(1, &mounted).drives[&'D'], b"../a");
        assert_eq!(letters.places(2, &mounted).drives, HashMap::from([('E', Vec::new())]));
    }

    #[test]
    fn a_partition_that_two_disks_have_is_neither_of_them() {
        let volumes = [volume(Some(gpt(1)), 0), volume(Some(gpt(1)), 0)];
        let letters = DriveLetters::new(&volumes.each_ref(), &[Ok(Some(remembers(&[('C', partition(1))])))]);
        assert_eq!([letters.of(0), letters.of(1)], [vec![], vec![]] as [Vec<char>; 2]);
    }
}
