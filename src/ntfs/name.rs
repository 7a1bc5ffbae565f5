//! Names as bytes, and back. NTFS names are up to 255 units of 16 bits that need not be valid UTF-16 and may hold any
//! character; a name on Linux is bytes without `/` and NUL, and not `.` or `..`. The mapping loses nothing, so that every
//! name is reachable and no two become one:
//!
//! - valid UTF-16 is UTF-8; a lone surrogate is the three bytes that UTF-8 would have for it (WTF-8), as with ntfs-3g;
//! - `/` and NUL, which only POSIX names have, are U+F02F and U+F000, where Windows' own Linux subsystem, Cygwin and SFM put
//!   such characters; so is every `.` of names that are `.` or `..`, U+F02E;
//! - where a name really has one of these three characters, they are written in four bytes (as UTF-8 would have them with a
//!   leading zero).

/// Units of a name at most.
pub(crate) const UNITS_MAX: usize = 255;
/// Where characters that a name on Linux cannot have are put.
const PRIVATE: u32 = 0xF000;
const NUL: u32 = 0;
const DOT: u32 = 0x2E;
const SLASH: u32 = 0x2F;

/// The name as bytes.
pub(crate) fn encode(units: &[u16]) -> Vec<u8> {
    let is_dots = matches!(units, [0x2E] | [0x2E, 0x2E]);
    let mut bytes = Vec::with_capacity(units.len());
    for character in char::decode_utf16(units.iter().copied()) {
        match character.map(u32::from) {
            Ok(code @ (NUL | SLASH)) => push(&mut bytes, PRIVATE | code),
            Ok(DOT) if is_dots => push(&mut bytes, PRIVATE | DOT),
            Ok(code) if is_stand_in(code) => bytes.extend_from_slice(&long_form(code)),
            Ok(code) => push(&mut bytes, code),
            Err(lone) => bytes.extend_from_slice(&surrogate_form(lone.unpaired_surrogate())),
        }
    }
    bytes
}

/// The name that these bytes stand for; `None` when they stand for none.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Vec<u16>> {
    let whole = bytes;
    let mut units = Vec::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let valid = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
        };
        for character in valid.chars() {
            match u32::from(character) {
                code if is_stand_in(code) => units.push(u16::try_from(code & 0xFF).ok()?),
                _ => units.extend_from_slice(character.encode_utf16(&mut [0; 2])),
            }
        }
        let rest = bytes.get(valid.len()..)?;
        let (unit, used) = match rest {
            [] => break,
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => (from_surrogate_form(rest)?, 3),
            _ => (STAND_INS.into_iter().find(|code| rest.starts_with(&long_form(*code)))?, 4),
        };
        units.push(u16::try_from(unit).ok()?);
        bytes = rest.get(used..)?;
    }
    // One name has one form: `.` alone, or a pair of surrogates apart, is none.
    Some(units).filter(|units| units.len() <= UNITS_MAX && encode(units) == whole)
}

const STAND_INS: [u32; 3] = [PRIVATE | NUL, PRIVATE | DOT, PRIVATE | SLASH];

fn is_stand_in(code: u32) -> bool {
    STAND_INS.contains(&code)
}

fn push(bytes: &mut Vec<u8>, code: u32) {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// The six lowest bits of `code >> shift`, with the mark of a byte that continues a character.
fn continued(code: u32, shift: u32) -> u8 {
    u8::try_from((code >> shift) & 0x3F).unwrap_or(0) | 0x80
}

fn long_form(code: u32) -> [u8; 4] {
    [0xF0, continued(code, 12), continued(code, 6), continued(code, 0)]
}

fn surrogate_form(unit: u16) -> [u8; 3] {
    [0xED, continued(unit.into(), 6), continued(unit.into(), 0)]
}

fn from_surrogate_form(bytes: &[u8]) -> Option<u32> {
    let bits = |at: usize| bytes.get(at).map(|byte| u32::from(byte & 0x3F));
    Some(0xD000 | bits(1)? << 6 | bits(2)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utf16(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn ordinary_names_are_utf_8() {
        for name in ["a", "Grüße", "日本語-😀.txt", "...", "a:b", ".git", "\u{F03A}"] {
            assert_eq!(encode(&utf16(name)), name.as_bytes());
            assert_eq!(decode(name.as_bytes()).unwrap(), utf16(name));
        }
    }

    #[test]
    fn what_linux_cannot_show_is_mapped_and_back() {
        for (units, bytes) in [
            (&[0xD83D_u16][..], &b"\xED\xA0\xBD"[..]),
            (&[0xDE00, 0xD83D], b"\xED\xB8\x80\xED\xA0\xBD"),
            (&[0x61, 0x2F, 0x62], b"a\xEF\x80\xAFb"),
            (&[0x61, 0], b"a\xEF\x80\x80"),
            (&[0x2E], b"\xEF\x80\xAE"),
            (&[0x2E, 0x2E], b"\xEF\x80\xAE\xEF\x80\xAE"),
            (&[0xF02F], b"\xF0\x8F\x80\xAF"),
            (&[0xF000, 0x61], b"\xF0\x8F\x80\x80a"),
        ] {
            assert_eq!(encode(units), bytes);
            assert_eq!(decode(bytes).unwrap(), units);
        }
    }

    #[test]
    fn bytes_that_are_no_name_are_none() {
        for bytes in [
            &b"."[..],
            b"..",
            b"a/b",
            b"a\0",
            b"\xFF",
            b"\xC0\xAF",
            b"\xED\xA0\xBD\xED\xB8\x80",
            b"\xF0\x8F\x80\xB0",
            b"a\xEF\x80\xAE",
            &[b'a'; 256],
        ] {
            assert_eq!(decode(bytes), None, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_name_is_lost(units in proptest::collection::vec(prop_oneof![any::<u16>(), 0xD7F0_u16..0xE010, 0xEFF0_u16..0xF040, 0_u16..0x40], 1..=255)) {
            let bytes = encode(&units);
            prop_assert!(!bytes.contains(&0) && !bytes.contains(&b'/') && bytes != b"." && bytes != b"..");
            prop_assert_eq!(decode(&bytes), Some(units));
        }

        #[test]
        fn no_two_byte_strings_are_one_name(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Some(units) = decode(&bytes) {
                prop_assert_eq!(encode(&units), bytes);
            }
        }
    }
}
