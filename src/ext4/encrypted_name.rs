//! Encrypted names and link targets as the kernel shows them without the key (Linux `fs/crypto/fname.c`,
//! `struct fscrypt_nokey_name`): base64url of the hash in the directory's index, the first 149 bytes of the ciphertext and,
//! for a longer one, the SHA-256 of the rest.

use crate::bytes::{array, u16_at, u32_at};
use crate::file;
use crate::filesystem::Ext4;
use crate::hash::NameHash;
use crate::inode::Inode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use vfs::Result;
use vfs::reader::corrupt;

/// The shortest ciphertext (Linux `FSCRYPT_FNAME_MIN_MSG_LEN`).
const CIPHERTEXT_BYTES_MIN: usize = 16;
/// Bytes of the ciphertext that are shown as they are.
const SHOWN_BYTES_MAX: usize = 149;
/// Bytes of the hash before them, major then minor: in the byte order of the machine, which is taken for little-endian.
const HASH_BYTES: usize = 8;
const DIGEST_BYTES: usize = 32;
/// `struct fscrypt_symlink_data`: the length of the ciphertext, in 16 bits, then the ciphertext.
const TARGET_LENGTH_BYTES: usize = 2;

/// The name that is shown for `ciphertext`; `None` for one that is too short to be any.
pub(crate) fn shown(ciphertext: &[u8], hash: NameHash) -> Option<Vec<u8>> {
    if ciphertext.len() < CIPHERTEXT_BYTES_MIN {
        return None;
    }
    let (first, rest) = ciphertext.split_at(ciphertext.len().min(SHOWN_BYTES_MAX));
    let mut name = [&hash.major.to_le_bytes()[..], &hash.minor.to_le_bytes(), first].concat();
    if !rest.is_empty() {
        name.extend(Sha256::digest(rest));
    }
    Some(URL_SAFE_NO_PAD.encode(name).into_bytes())
}

/// The shown target of an encrypted symbolic link (Linux `fscrypt_get_symlink`).
pub(crate) fn target(fs: &Ext4, inode: &Inode) -> Result<Vec<u8>> {
    let bad = || corrupt(format!("{}: an encrypted link target that cannot be one", inode.name()));
    let superblock = &fs.device.superblock;
    let size = usize::try_from(inode.attr.size).map_err(|_| bad())?;
    let mut data;
    if inode.is_fast_symlink(superblock) {
        data = inode.i_block.get(..size).ok_or_else(bad)?.to_vec();
    } else {
        data = vec![0; size.min(superblock.block_len())];
        file::read(fs, inode, 0, &mut data)?;
    }
    let length = u16_at(&data, 0).map(usize::from).ok_or_else(bad)?;
    let ciphertext = data.get(TARGET_LENGTH_BYTES..).and_then(|data| data.get(..length)).ok_or_else(bad)?;
    shown(ciphertext, NameHash::default()).ok_or_else(bad)
}

/// What a shown name says of the ciphertext.
pub(crate) struct NoKeyName {
    /// The major hash that the name was listed with.
    pub(crate) hash: u32,
    /// The beginning of the ciphertext, or all of it.
    first: Vec<u8>,
    /// The SHA-256 of the rest, if there is any.
    rest: Option<[u8; DIGEST_BYTES]>,
}

impl NoKeyName {
    /// The meaning of `name`; `None` for one that is never shown (Linux `fscrypt_setup_filename`).
    pub(crate) fn parse(name: &[u8]) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(name).ok()?;
        let hash = u32_at(&bytes, 0)?;
        let ciphertext = bytes.get(HASH_BYTES..)?;
        let (first, rest) = ciphertext.split_at(ciphertext.len().min(SHOWN_BYTES_MAX));
        let rest = match rest.len() {
            0 => None,
            DIGEST_BYTES => Some(array(rest, 0)?),
            _ => return None,
        };
        (first.len() >= CIPHERTEXT_BYTES_MIN).then(|| Self { hash, first: first.to_vec(), rest })
    }

    /// The ciphertext, if the name shows all of it.
    pub(crate) fn ciphertext(&self) -> Option<&[u8]> {
        self.rest.is_none().then_some(&self.first)
    }

    /// Whether this is shown for `ciphertext` (Linux `fscrypt_match_name`): the hash does not count.
    pub(crate) fn stands_for(&self, ciphertext: &[u8]) -> bool {
        match self.rest {
            None => self.first == ciphertext,
            Some(digest) => ciphertext.split_at_checked(SHOWN_BYTES_MAX).is_some_and(|(first, rest)| {
                first == self.first && !rest.is_empty() && Sha256::digest(rest).as_slice() == digest
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: NameHash = NameHash { major: 0x0403_0201, minor: 0x0807_0605 };

    fn ciphertext(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7) as u8).collect()
    }

    #[test]
    fn a_shown_name_stands_for_its_ciphertext_alone() {
        for length in [16, 17, 148, 149, 150, 200, 255] {
            let bytes = ciphertext(length);
            let name = shown(&bytes, HASH).unwrap();
            assert!(name.len() <= 252);
            let parsed = NoKeyName::parse(&name).unwrap();
            assert_eq!(parsed.hash, HASH.major);
            assert_eq!(parsed.ciphertext(), (length <= 149).then_some(&bytes[..]));
            assert!(parsed.stands_for(&bytes));
            for at in 0..length {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert!(!parsed.stands_for(&other));
            }
            assert!(!parsed.stands_for(&bytes[..length - 1]) && !parsed.stands_for(&ciphertext(length + 1)));
        }
    }

    #[test]
    fn the_form_is_base64url_without_padding_of_hash_bytes_and_digest() {
        let name = shown(&ciphertext(16), HASH).unwrap();
        assert_eq!(name, b"AQIDBAUGBwgABw4VHCMqMTg_Rk1UW2Jp");
        assert_eq!(shown(&[0xFF; 149], NameHash::default()).unwrap().len(), 210);
        assert_eq!(shown(&[0xFF; 150], NameHash::default()).unwrap().len(), 252);
        assert_eq!(shown(&ciphertext(15), HASH), None);
    }

    #[test]
    fn names_that_are_never_shown_mean_nothing() {
        let long = "A".repeat(400);
        // Nothing, the hash alone, padding, other alphabets, bits left over, and a digest cut short or too long.
        for name in [
            "",
            "A",
            "AQIDBAUGBwg",
            "AQIDBAUGBwgABw==",
            "AQIDBAUGBwg+/w",
            "AQIDBAUGBwgB",
            "notes.txt",
            &long[..215],
            &long,
        ] {
            assert!(NoKeyName::parse(name.as_bytes()).is_none(), "{name}");
        }
        // The entries for the directory and its parent, which are not encrypted, have no other name.
        for dots in [&b"."[..], b".."] {
            let name = URL_SAFE_NO_PAD.encode([&[0; HASH_BYTES], dots].concat());
            assert!(NoKeyName::parse(name.as_bytes()).is_none(), "{name}");
        }
        let shortest = shown(&ciphertext(16), HASH).unwrap();
        assert!(NoKeyName::parse(&shortest).is_some());
        assert!(NoKeyName::parse(&shortest[..31]).is_none());
        assert!(NoKeyName::parse(&[&shortest[..], b"A"].concat()).is_none());
        assert!(NoKeyName::parse(&[&shortest[..], b"AB"].concat()).is_none(), "bits left over");
    }
}
