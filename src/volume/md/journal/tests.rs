use super::*;
use crate::map::{Faults, Leg, Map};
use crate::md::geometry::{Geometry, Level};
use crate::md::tests::packed::{directory, unpacked};
use block::{BlockSize, MemoryDisk, Slice};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// An array with metadata 1.2 that the kernel made, with what it read of it.
pub(in crate::md) struct Fixture {
    pub(in crate::md) index: Value,
    pub(in crate::md) geometry: Geometry,
    pub(in crate::md) uuid: [u8; 16],
    /// By role.
    pub(in crate::md) members: Vec<Member>,
    pub(in crate::md) journal: Option<Member>,
}

#[derive(Clone)]
pub(in crate::md) struct Member {
    /// Its number in the index.
    pub(in crate::md) number: u64,
    pub(in crate::md) device: Arc<dyn ReadAt>,
    superblock: Vec<u8>,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + N].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

impl Member {
    /// What is behind `data_offset`.
    pub(in crate::md) fn data(&self) -> Arc<dyn ReadAt> {
        let (start, size) = (number::<8>(&self.superblock, 128) << 9, number::<8>(&self.superblock, 136) << 9);
        Arc::new(Slice::new(Arc::clone(&self.device), start, size).unwrap())
    }

    /// Its partial parity log.
    pub(in crate::md) fn log(&self) -> Arc<dyn ReadAt> {
        let offset = i64::from(number::<2>(&self.superblock, 96) as u16 as i16);
        let start = u64::try_from(8 + offset).unwrap() << 9;
        Arc::new(Slice::new(Arc::clone(&self.device), start, number::<2>(&self.superblock, 98) << 9).unwrap())
    }

    fn tail(&self) -> u64 {
        number::<8>(&self.superblock, 152)
    }
}

impl Fixture {
    pub(in crate::md) fn new(name: &str) -> Self {
        let index: Vec<Value> =
            serde_json::from_slice(&std::fs::read(directory("md").join("index.json")).unwrap()).unwrap();
        let index = index.into_iter().find(|case| case["name"] == name).unwrap();
        let image = bytes::Bytes::from(unpacked(&directory("md").join(format!("{name}.img.zst"))));
        let (mut start, mut members, mut journal) = (0, std::collections::BTreeMap::new(), None);
        let (mut geometry, mut uuid) = (None, [0; 16]);
        for (position, size) in index["members"].as_array().unwrap().iter().enumerate() {
            let end = start + size.as_u64().unwrap() as usize;
            let bytes = image.slice(start..end);
            start = end;
            let superblock = bytes[4096..4096 + 1024].to_vec();
            let role = number::<2>(&superblock, 256 + 2 * number::<4>(&superblock, 160) as usize);
            uuid.copy_from_slice(&superblock[16..32]);
            geometry.get_or_insert(Geometry {
                level: Level::Raid5,
                layout: Some(number::<4>(&superblock, 76) as u32),
                chunk: number::<4>(&superblock, 88) << 9,
                members: number::<4>(&superblock, 92),
                component: number::<8>(&superblock, 80) << 9,
            });
            let member = Member {
                number: position as u64,
                device: Arc::new(MemoryDisk::new(bytes, BlockSize::B512)),
                superblock,
            };
            match role {
                0xFFFD => journal = Some(member),
                role => drop(members.insert(role, member)),
            }
        }
        Self { index, geometry: geometry.unwrap(), uuid, members: members.into_values().collect(), journal }
    }

    pub(in crate::md) fn layout(&self) -> Box<dyn Layout> {
        self.geometry.layout(&vec![self.geometry.component; self.members.len()]).unwrap()
    }

    /// The array of these members.
    pub(in crate::md) fn volume(&self, members: Vec<Option<Arc<dyn ReadAt>>>) -> Arc<dyn ReadAt> {
        let leg = |data: Option<Arc<dyn ReadAt>>| Leg { name: String::new(), data };
        Arc::new(Map::new(self.layout(), members.into_iter().map(leg).collect(), &Arc::new(Faults::default())))
    }

    /// The combinations of missing members, and what the kernel read without them.
    pub(in crate::md) fn combinations(&self) -> Vec<(Vec<u64>, String)> {
        let sum = |value: &Value| value["sha256"].as_str().unwrap().to_owned();
        let mut all = vec![(Vec::new(), sum(&self.index))];
        for case in self.index["without"].as_array().unwrap() {
            let missing = case["missing"].as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect();
            all.push((missing, sum(case)));
        }
        all
    }
}

pub(in crate::md) fn sha256(data: &Arc<dyn ReadAt>) -> String {
    let mut bytes = vec![0; data.size() as usize];
    data.read_exact_at(0, &mut bytes).unwrap();
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn replay(fixture: &Fixture, layout: &dyn Layout, data: Arc<dyn ReadAt>) -> Result<Replayed, Error> {
    let journal = Journal {
        data,
        tail: fixture.journal.as_ref().unwrap().tail(),
        uuid: fixture.uuid,
        layout,
        chunk: fixture.geometry.chunk,
        data_members: fixture.geometry.members - 1,
        parities: 1,
    };
    journal.replay()
}

#[test]
fn arrays_with_journals_are_read_as_the_kernel_reads_them_after_its_recovery() {
    for name in ["journal", "journal-write-through", "journal-write-back"] {
        let fixture = Fixture::new(name);
        let journal = fixture.journal.clone().unwrap();
        let layout = fixture.layout();
        let mut without_journal = Vec::new();
        for (missing, sum) in fixture.combinations() {
            let is_there = |member: &Member| !missing.contains(&member.number);
            let members: Vec<_> =
                fixture.members.iter().map(|member| is_there(member).then(|| member.data())).collect();
            if !is_there(&journal) {
                assert_eq!(sha256(&fixture.volume(members)), sum, "{name} without its journal");
                without_journal.push(sum);
                continue;
            }
            let replayed = replay(&fixture, layout.as_ref(), journal.data()).unwrap();
            let over = |(slot, data): (usize, Option<Arc<dyn ReadAt>>)| data.map(|data| replayed.member(slot, &data));
            let members = members.into_iter().enumerate().map(over).collect();
            let volume = replayed.volume(fixture.volume(members));
            assert_eq!(sha256(&volume), sum, "{name} without {missing:?}: {:?}", replayed.notices);
        }
        let whole = fixture.index["sha256"].as_str().unwrap();
        // It would not be a test if nothing were in the journal alone.
        assert_eq!(without_journal.iter().any(|sum| sum != whole), name == "journal-write-back", "{name}");
    }
}

#[test]
fn a_journal_without_a_block_at_its_tail_holds_nothing() {
    let fixture = Fixture::new("journal-write-back");
    let layout = fixture.layout();
    let empty: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(vec![0; 1 << 20], BlockSize::B512));
    let replayed = replay(&fixture, layout.as_ref(), empty).unwrap();
    assert_eq!((replayed.members.len(), replayed.volume.len()), (0, 0));
    assert!(replayed.notices[0].contains("nothing that can be read"));
    let nothing: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(Vec::new(), BlockSize::B512));
    assert!(replay(&fixture, layout.as_ref(), nothing).unwrap().members.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Checksums are put right, so that what is behind them is reached.
    #[test]
    fn damage_is_an_error_or_less_and_never_a_panic(
        changes in proptest::collection::vec((0..4096_usize, any::<u8>()), 1..8), rounds in 1..40_u64,
    ) {
        let fixture = Fixture::new("journal-write-back");
        let layout = fixture.layout();
        let journal = fixture.journal.clone().unwrap();
        let data = journal.data();
        let mut bytes = vec![0; data.size() as usize];
        data.read_exact_at(0, &mut bytes).unwrap();
        let seed = crc32c::crc32c(&fixture.uuid);
        let starts: Vec<_> = (0..bytes.len() / 4096).map(|block| block * 4096).filter(|at| bytes[*at..*at + 4] == MAGIC.to_le_bytes()).collect();
        let at = starts[(rounds as usize) % starts.len()];
        for (offset, byte) in changes {
            bytes[at + offset] = byte;
        }
        bytes[at + 4..at + 8].fill(0);
        let sum = !crc32c::crc32c_append(seed, &bytes[at..at + 4096]);
        bytes[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
        let damaged: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(bytes, BlockSize::B512));
        if let Ok(replayed) = replay(&fixture, layout.as_ref(), damaged) {
            let members: Vec<_> = fixture.members.iter().map(|member| Some(member.data())).collect();
            let volume = replayed.volume(fixture.volume(members));
            let mut bytes = vec![0; volume.size() as usize];
            let _ = volume.read_exact_at(0, &mut bytes);
        }
    }
}
