//! Security identifiers: who somebody is on Windows ([MS-DTYP] 2.4.2).

use crate::bytes::{array, u32_at};
use std::fmt;
use std::str::FromStr;

/// `SID_REVISION`.
const REVISION: u8 = 1;
/// Bytes before the sub-authorities: revision, their number, the authority.
const HEADER_BYTES: usize = 8;
/// `SID_MAX_SUB_AUTHORITIES`.
const SUB_AUTHORITIES_MAX: usize = 15;
/// The authority of users and groups of Windows NT (`SECURITY_NT_AUTHORITY`).
const NT: u64 = 5;

/// A security identifier, such as S-1-5-21-1111-2222-3333-1001.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sid {
    /// Who gives out the numbers that follow; 48 bits.
    authority: u64,
    /// 15 at most. The last one is the relative identifier (RID).
    sub_authorities: Vec<u32>,
}

impl Sid {
    /// The identifier at the beginning of `bytes`, and how many bytes it takes.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let [revision, count, authority @ ..] = array::<HEADER_BYTES>(bytes, 0)?;
        let count = usize::from(count);
        if revision != REVISION || count > SUB_AUTHORITIES_MAX {
            return None;
        }
        let authority = authority.iter().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        let end = count.checked_mul(4)?.checked_add(HEADER_BYTES)?;
        let parts = bytes.get(HEADER_BYTES..end)?;
        let sub_authorities = parts.chunks_exact(4).filter_map(|part| u32_at(part, 0)).collect();
        Some((Self { authority, sub_authorities }, end))
    }

    /// The identifier with these sub-authorities under `SECURITY_NT_AUTHORITY` (S-1-5-...).
    #[cfg(test)]
    pub(crate) fn nt(sub_authorities: &[u32]) -> Self {
        Self { authority: NT, sub_authorities: sub_authorities.to_vec() }
    }

    /// The authority and the sub-authorities, to be told from well-known ones.
    pub(crate) fn parts(&self) -> (u64, &[u32]) {
        (self.authority, &self.sub_authorities)
    }

    /// The sub-authorities of one that Windows NT gives out (S-1-5-...).
    pub(crate) fn nt_parts(&self) -> Option<&[u32]> {
        (self.authority == NT).then_some(self.sub_authorities.as_slice())
    }

    /// Of an account of a machine or a domain (S-1-5-21-x-y-z-RID), that machine or domain, and the RID.
    pub(crate) fn account(&self) -> Option<(Self, u32)> {
        match self.nt_parts()? {
            [21, domain @ .., rid] if domain.len() == 3 => {
                let domain = self.sub_authorities.get(..4)?.to_vec();
                Some((Self { authority: NT, sub_authorities: domain }, *rid))
            }
            _ => None,
        }
    }
}

/// As Windows writes it ([MS-DTYP] 2.4.2.1): the authority in hexadecimal when it has more than 32 bits.
impl fmt::Display for Sid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u32::try_from(self.authority) {
            Ok(authority) => write!(out, "S-1-{authority}")?,
            Err(_) => write!(out, "S-1-0x{:012X}", self.authority)?,
        }
        self.sub_authorities.iter().try_for_each(|part| write!(out, "-{part}"))
    }
}

impl FromStr for Sid {
    type Err = vfs::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).ok_or_else(|| {
            vfs::Error::new(vfs::ErrorKind::Unsupported, format!("'{text}' is no security identifier (S-1-5-...)"))
        })
    }
}

fn read(text: &str) -> Option<Sid> {
    let mut parts = text.strip_prefix("S-1-")?.split('-');
    let digits = |text: &str, radix: u32| -> Option<u64> {
        let plain = !text.is_empty() && text.chars().all(|digit| digit.is_digit(radix));
        plain.then(|| u64::from_str_radix(text, radix).ok())?
    };
    let authority = parts.next()?;
    let authority = match authority.strip_prefix("0x") {
        Some(hexadecimal) => digits(hexadecimal, 16),
        None => digits(authority, 10),
    };
    let authority = authority.filter(|authority| *authority < 1 << 48)?;
    let number = |part| digits(part, 10).and_then(|part| u32::try_from(part).ok());
    let sub_authorities: Vec<_> = parts.map(number).collect::<Option<_>>()?;
    (sub_authorities.len() <= SUB_AUTHORITIES_MAX).then_some(Sid { authority, sub_authorities })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_from_bytes_and_from_text_alike() {
        let bytes = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x57, 4, 0, 0, 0xAE, 8, 0, 0, 5, 13, 0, 0, 0xE9, 3, 0, 0, 9];
        let (sid, length) = Sid::parse(&bytes).unwrap();
        assert_eq!((sid.to_string().as_str(), length), ("S-1-5-21-1111-2222-3333-1001", 28));
        assert_eq!("S-1-5-21-1111-2222-3333-1001".parse::<Sid>().unwrap(), sid);
        assert_eq!(sid.account().unwrap(), ("S-1-5-21-1111-2222-3333".parse().unwrap(), 1001));
        let wide = Sid::parse(&[1, 1, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 1, 0, 0, 0]).unwrap().0;
        assert_eq!(wide.to_string(), "S-1-0x123456789ABC-1");
        assert_eq!(wide.to_string().parse::<Sid>().unwrap(), wide);
    }

    #[test]
    fn what_is_no_identifier_is_refused() {
        for bytes in
            [&[][..], &[1, 1, 0, 0, 0, 0, 0, 5, 1, 2, 3], &[2, 0, 0, 0, 0, 0, 0, 5], &[1, 16, 0, 0, 0, 0, 0, 5]]
        {
            assert_eq!(Sid::parse(bytes), None, "{bytes:?}");
        }
        let long = format!("S-1-5{}", "-1".repeat(16));
        for text in
            ["", "S-1", "S-1-", "S-2-5-1", "S-1-5-", "S-1-5-+1", "S-1-5-4294967296", "S-1-0x1000000000000-1", &long]
        {
            assert!(text.parse::<Sid>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_accounts_have_a_domain() {
        for text in ["S-1-5-18", "S-1-5-21-1-2-1001", "S-1-5-21-1-2-3-4-1001", "S-1-12-21-1-2-3-1001", "S-1-5-32-544"] {
            assert_eq!(text.parse::<Sid>().unwrap().account(), None, "{text}");
        }
    }
}
