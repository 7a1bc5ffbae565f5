use super::*;
use crate::md::journal::tests::{Fixture, sha256};
use block::{BlockSize, MemoryDisk};
use proptest::prelude::*;

type Data = Option<Arc<dyn ReadAt>>;

fn recover(fixture: &Fixture, members: &[Data], logs: &[Data]) -> Result<Recovered, Error> {
    let layout = fixture.layout();
    let log = PartialParity {
        layout: layout.as_ref(),
        chunk: fixture.geometry.chunk,
        data_members: fixture.geometry.members - 1,
        members,
        logs,
        signature: Some(crc32c::crc32c(&fixture.uuid)),
        block: 512,
    };
    log.recover()
}

fn parts(fixture: &Fixture, missing: &[u64]) -> (Vec<Data>, Vec<Data>) {
    let is_there = |number: u64| !missing.contains(&number);
    fixture
        .members
        .iter()
        .map(|member| match is_there(member.number) {
            true => (Some(member.data()), Some(member.log())),
            false => (None, None),
        })
        .unzip()
}

#[test]
fn a_member_that_was_lost_with_the_power_is_computed_as_the_kernel_does() {
    let fixture = Fixture::new("ppl");
    let mut entries = 0;
    for (missing, sum) in fixture.combinations() {
        let (members, logs) = parts(&fixture, &missing);
        let recovered = recover(&fixture, &members, &logs).unwrap();
        assert_eq!(sha256(&fixture.volume(recovered.members)), sum, "without {missing:?}");
        assert_eq!(recovered.damaged, 0);
        entries += recovered.entries;
    }
    assert!(entries > 0);
}

/// A write to one unit of a stripe of which only the data arrived, with its log.
#[test]
fn parity_is_what_the_log_and_the_data_say() {
    let fixture = Fixture::new("ppl");
    let (chunk, layout) = (fixture.geometry.chunk, fixture.layout());
    let Source::Stripe(stripe) = layout.piece(chunk).unwrap().source else { panic!("no stripe") };
    let (written, other, p) = (stripe.data[1].place, stripe.data[0].place, stripe.p.unwrap());
    let size = fixture.geometry.component as usize;
    let mut disks = vec![vec![0_u8; size]; 3];
    disks[other.member][other.offset as usize..][..4096].fill(0x0F);
    // Before, the unit held 0xA0, and the parity was that of then.
    disks[p.member][p.offset as usize..][..4096].fill(0x0F ^ 0xA0);
    disks[written.member][written.offset as usize..][..4096].fill(0x55);
    let mut header = vec![0xFF; 512];
    header.extend(crc32c::crc32c(&fixture.uuid).to_le_bytes());
    header.extend([0; 4]);
    header.extend(7_u64.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend([0; 4]);
    header.extend((chunk >> 9).to_le_bytes());
    let partial = vec![0x0F; 4096];
    for number in [4096, 4096, p.member as u32, crc32c::crc32c(&partial)] {
        header.extend(number.to_le_bytes());
    }
    header.resize(HEADER, 0);
    let sum = crc32c::crc32c(&header);
    header[532..536].copy_from_slice(&sum.to_le_bytes());
    header.extend(partial);
    header.resize(64 << 10, 0);
    let disk = |bytes: &Vec<u8>| -> Data { Some(Arc::new(MemoryDisk::new(bytes.clone(), BlockSize::B512))) };
    let mut logs: Vec<Data> = vec![None, None, None];
    logs[p.member] = disk(&header);
    let read = |recovered: Recovered| {
        let mut bytes = [0; 4096];
        fixture.volume(recovered.members).read_exact_at(0, &mut bytes).unwrap();
        bytes
    };
    let mut members: Vec<Data> = disks.iter().map(disk).collect();
    members[other.member] = None;
    let recovered = recover(&fixture, &members, &logs).unwrap();
    assert_eq!((recovered.entries, recovered.damaged), (1, 0));
    assert_eq!(read(recovered), [0x0F; 4096]);
    // Without it the parity of before would be believed.
    assert_eq!(read(recover(&fixture, &members, &[None, None, None]).unwrap()), [0x0F ^ 0xA0 ^ 0x55; 4096]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_is_an_error_or_less_and_never_a_panic(
        changes in proptest::collection::vec((512..700_usize, any::<u8>()), 1..8), signed in any::<bool>(),
    ) {
        let fixture = Fixture::new("ppl");
        let (mut members, mut logs) = parts(&fixture, &[]);
        let mut bytes = vec![0; logs[1].as_ref().unwrap().size() as usize];
        logs[1].as_ref().unwrap().read_exact_at(0, &mut bytes).unwrap();
        for (offset, byte) in changes {
            bytes[offset] = byte;
        }
        if signed {
            bytes[532..536].fill(0);
            let sum = crc32c::crc32c(&bytes[..HEADER]);
            bytes[532..536].copy_from_slice(&sum.to_le_bytes());
        }
        logs[1] = Some(Arc::new(MemoryDisk::new(bytes, BlockSize::B512)));
        members[0] = None;
        if let Ok(recovered) = recover(&fixture, &members, &logs) {
            let volume = fixture.volume(recovered.members);
            let mut bytes = vec![0; volume.size() as usize];
            let _ = volume.read_exact_at(0, &mut bytes);
        }
    }
}
