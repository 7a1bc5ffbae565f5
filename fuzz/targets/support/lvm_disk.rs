//! Physical volumes of LVM2 with right checksums, whatever is in them.

pub const BYTES: u64 = 4 << 20;
/// Where the metadata area is, and how long.
pub const AREA: usize = 4096;
pub const AREA_BYTES: usize = 128 << 10;
pub const DATA: u64 = 1 << 20;
/// What the header of a metadata area takes.
const HEADER: usize = 512;

/// The checksum of LVM2 (`lib/misc/crc.c`).
pub fn checksum(data: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!0xf597_a6cf);
    hasher.update(data);
    !hasher.finalize()
}

/// The label of physical volume `number`, in its second sector, and the header of an area with `text`: everything that is on
/// it before its data.
pub fn physical_volume(number: u8, text: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; AREA + HEADER];
    let label = &mut disk[512..1024];
    label[..8].copy_from_slice(b"LABELONE");
    label[8] = 1;
    label[20] = 32;
    label[24..32].copy_from_slice(b"LVM2 001");
    label[32..64].fill(b'0' + number);
    let areas = [DATA, 0, 0, 0, AREA as u64, AREA_BYTES as u64, 0, 0];
    for (at, number) in (64..).step_by(8).zip([BYTES].iter().chain(&areas)) {
        label[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    let header = &mut disk[AREA..];
    header[4..20].copy_from_slice(b" LVM2 x[5A%r0N*>");
    header[20] = 1;
    let numbers = [AREA as u64, AREA_BYTES as u64, HEADER as u64, text.len() as u64];
    for (at, number) in (24..).step_by(8).zip(numbers) {
        header[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    disk.extend(text.iter().take(AREA_BYTES - HEADER));
    fix_sums(&mut disk);
    disk
}

/// Makes the checksums of labels, of the area's header and of its text right.
pub fn fix_sums(disk: &mut [u8]) {
    for label in disk.chunks_exact_mut(512).take(4).filter(|sector| sector.starts_with(b"LABELONE")) {
        let sum = checksum(&label[20..]);
        label[16..20].copy_from_slice(&sum.to_le_bytes());
    }
    let Some(area) = disk.get_mut(AREA..).filter(|area| area.len() >= HEADER) else { return };
    let number = |at: usize| u64::from_le_bytes(area[at..at + 8].try_into().unwrap());
    let (start, length) = (number(40) as usize, number(48) as usize);
    if let Some(text) = start.checked_add(length).and_then(|end| area.get(start..end)) {
        let sum = checksum(text);
        area[56..60].copy_from_slice(&sum.to_le_bytes());
    }
    let sum = checksum(&area[4..HEADER]);
    area[..4].copy_from_slice(&sum.to_le_bytes());
}
