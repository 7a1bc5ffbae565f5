//! Any bytes as a security descriptor, as extended attributes, as a mapping file, and as an entry of `$SDS`, whose header is
//! made right first, or nothing behind the hash would ever be reached.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// Bytes of an entry of `$SDS` before its descriptor.
const HEADER: usize = 20;

fuzz_target!(|data: &[u8]| {
    ntfs::try_all_of_security(data);
    if data.len() > HEADER {
        let mut entry = data.to_vec();
        let hash = entry[HEADER..].chunks_exact(4).fold(0_u32, |hash, number| {
            u32::from_le_bytes(number.try_into().unwrap()).wrapping_add(hash.rotate_left(3))
        });
        entry[..4].copy_from_slice(&hash.to_le_bytes());
        entry[8..16].fill(0);
        entry[16..HEADER].copy_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        ntfs::try_all_of_security(&entry);
    }
});
