//! Which user or group of Linux a SID is, where no mapping file says so.
//!
//! Accounts get the number that sssd gives them with its default settings (`ldap_id_mapping`; sssd `sss_idmap.c`,
//! `sss_idmap_calculate_range`): a hash of the domain's SID selects one of 10,000 ranges of 200,000 numbers above 200,000, and
//! the RID is the place in it. So a host that is a member of the same domain, where the users are who they were on Windows,
//! needs no mapping; accounts of two machines or domains are different users, as long as their hashes differ; and no small
//! number, which a local user of the host could have, is ever somebody of the volume.

use super::sid::Sid;

/// Numbers below belong to the host (sssd `ldap_idmap_range_min`).
const FIRST_ID: u32 = 200_000;
/// `ldap_idmap_range_size`.
const RANGE_IDS: u32 = 200_000;
/// How many ranges there are up to `ldap_idmap_range_max`.
const RANGES: u32 = 10_000;
/// sssd's seed of the hash.
const SEED: u32 = 0xDEAD_BEEF;

/// Who stands for nobody: `nobody` and `nogroup`, the number that the kernel shows for ids without a mapping
/// (`/proc/sys/kernel/overflowuid`).
pub(crate) const NOBODY: u32 = 65_534;

/// Who a SID is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// What runs or administers Windows: root.
    System,
    /// Whoever can log in: everybody else.
    Everybody,
    /// An account, which is a user or a group; nothing in a SID says which.
    Account(u32),
    /// Somebody whom nobody on this host is.
    Nobody,
}

/// Who a SID is ([MS-DTYP] 2.4.2.4, well-known SIDs).
pub(crate) fn of(sid: &Sid) -> Identity {
    if let Some((domain, rid)) = sid.account() {
        return Identity::Account(account(&domain, rid));
    }
    match sid.parts() {
        // World.
        (1, [0])
        // INTERACTIVE, AUTHENTICATED USERS, BUILTIN\USERS.
        | (5, [4 | 11] | [32, 545]) => Identity::Everybody,
        // LOCAL SYSTEM, LOCAL SERVICE, NETWORK SERVICE, BUILTIN\ADMINISTRATORS, NT SERVICE\TrustedInstaller.
        (5, [18..=20] | [32, 544] | TRUSTED_INSTALLER) => Identity::System,
        _ => Identity::Nobody,
    }
}

/// NT SERVICE\TrustedInstaller, who owns the files of Windows: a hash of its name.
const TRUSTED_INSTALLER: &[u32] = &[80, 956_008_885, 3_418_522_649, 1_831_038_044, 1_853_292_631, 2_271_478_464];

/// The number of an account. RIDs beyond the range have a range for every 200,000 of them, as in sssd.
fn account(domain: &Sid, rid: u32) -> u32 {
    let (range_of_rid, place) = (rid / RANGE_IDS, rid % RANGE_IDS);
    let domain = match range_of_rid.saturating_mul(RANGE_IDS) {
        0 => domain.to_string(),
        first => format!("{domain}-{first}"),
    };
    let range = murmur3(domain.as_bytes(), SEED) % RANGES;
    // 200,000 + 9,999 * 200,000 + 199,999 is below 2^31.
    range.saturating_mul(RANGE_IDS).saturating_add(FIRST_ID).saturating_add(place)
}

/// `MurmurHash3_x86_32`.
fn murmur3(bytes: &[u8], seed: u32) -> u32 {
    let scrambled = |block: u32| block.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593);
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = blocks.iter().fold(seed, |hash, block| {
        let mixed = (hash ^ scrambled(u32::from_le_bytes(*block))).rotate_left(13);
        mixed.wrapping_mul(5).wrapping_add(0xE654_6B64)
    });
    hash ^= scrambled(tail.iter().rev().fold(0, |block, byte| (block << 8) | u32::from(*byte)));
    hash ^= u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(text: &str) -> Identity {
        of(&text.parse().unwrap())
    }

    #[test]
    fn the_hash_is_murmur3() {
        // Vectors of the public reference implementation (SMHasher).
        assert_eq!(murmur3(b"", 0), 0);
        assert_eq!(murmur3(b"", 1), 0x514E_28B7);
        assert_eq!(murmur3(b"test", 0), 0xBA6B_D213);
        assert_eq!(murmur3(b"Hello, world!", 0), 0xC036_3E43);
        assert_eq!(murmur3(b"The quick brown fox jumps over the lazy dog", 0x9747_B28C), 0x2FA8_26CD);
    }

    #[test]
    fn accounts_have_the_numbers_that_sssd_gives_them() {
        // From sssd's own tests (src/tests/cmocka/test_sss_idmap.c).
        assert_eq!(identity("S-1-5-21-123-456-789-0"), Identity::Account(1_842_600_000));
        assert_eq!(identity("S-1-5-21-123-456-789-199999"), Identity::Account(1_842_799_999));
        assert_eq!(identity("S-1-5-21-123-456-789-4000000"), Identity::Account(575_600_000));
    }

    #[test]
    fn no_account_is_root_or_a_local_user() {
        for (domain, rid) in [(1, 0), (2, 500), (3, u32::MAX), (u32::MAX, 199_999)] {
            let Identity::Account(id) = of(&Sid::nt(&[21, domain, domain, domain, rid])) else { panic!() };
            assert!((FIRST_ID..=2_000_199_999).contains(&id), "{id}");
        }
    }

    #[test]
    fn well_known_identifiers_are_root_everybody_or_nobody() {
        let installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
        for root in ["S-1-5-18", "S-1-5-19", "S-1-5-20", "S-1-5-32-544", installer] {
            assert_eq!(identity(root), Identity::System, "{root}");
        }
        for everybody in ["S-1-1-0", "S-1-5-11", "S-1-5-4", "S-1-5-32-545"] {
            assert_eq!(identity(everybody), Identity::Everybody, "{everybody}");
        }
        // Nobody, creator owner, owner rights, anonymous, network, guests, another service, an app, Entra ID.
        for nobody in
            ["S-1-0-0", "S-1-3-0", "S-1-3-4", "S-1-5-7", "S-1-5-2", "S-1-5-32-546", "S-1-5-80-1", "S-1-15-2-1"]
        {
            assert_eq!(identity(nobody), Identity::Nobody, "{nobody}");
        }
        assert_eq!(identity("S-1-12-1-1-2-3-4"), Identity::Nobody);
    }
}
