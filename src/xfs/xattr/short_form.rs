//! Attributes in the inode itself (Linux `libxfs/xfs_attr_sf.h`, `xfs_attr_shortform_verify`).

use super::attribute::{Attribute, Namespace, Value, flag, is_name};
use super::layout::{RawShortEntry, RawShortHeader};
use vfs::Result;
use vfs::reader::corrupt;
use zerocopy::FromBytes;

/// The attributes in a fork, in the order in which they stand there; `what` is it in words.
pub(super) fn parse<'a>(fork: &'a [u8], what: &dyn Fn() -> String) -> Result<Vec<Attribute<'a>>> {
    let bad = |why: &str| corrupt(format!("{}: {why}", what()));
    let (header, _) = RawShortHeader::ref_from_prefix(fork).map_err(|_| bad("no room for a header"))?;
    let total = usize::from(header.totsize.get());
    let list = fork.get(size_of::<RawShortHeader>()..total);
    let mut rest = list.ok_or_else(|| bad(&format!("{total} bytes in room for {}", fork.len())))?;
    let mut found = Vec::with_capacity(header.count.into());
    for _ in 0..header.count {
        let (raw, behind) = RawShortEntry::ref_from_prefix(rest).map_err(|_| bad("fewer than it says"))?;
        let (name, behind) = behind.split_at_checked(raw.namelen.into()).ok_or_else(|| bad("a name is cut off"))?;
        let (value, behind) = behind.split_at_checked(raw.valuelen.into()).ok_or_else(|| bad("a value is cut off"))?;
        let namespace = Namespace::of_flags(raw.flags).filter(|_| raw.flags & !flag::NAMESPACES == 0);
        let namespace = namespace.ok_or_else(|| bad(&format!("flags {:#x}", raw.flags)))?;
        if !is_name(name) {
            return Err(bad("a damaged name"));
        }
        found.push(Attribute { namespace, name, value: Value::Here(value) });
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(bad("more than it says"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(fork: &[u8]) -> Result<Vec<Attribute<'_>>> {
        super::parse(fork, &|| "it".to_owned())
    }

    /// A fork with these attributes (flags, name, value) and some room behind them.
    fn fork(attributes: &[(u8, &[u8], &[u8])]) -> Vec<u8> {
        let mut list = Vec::new();
        for (flags, name, value) in attributes {
            list.extend([name.len() as u8, value.len() as u8, *flags]);
            list.extend_from_slice(name);
            list.extend_from_slice(value);
        }
        let total = (list.len() + 4) as u16;
        [&total.to_be_bytes()[..], &[attributes.len() as u8, 0], &list, &[0xA5; 5]].concat()
    }

    const SAMPLE: &[(u8, &[u8], &[u8])] =
        &[(0, b"colour", b"green"), (2, b"colour", b""), (4, b"selinux", b"x\0"), (8, b"file", &[7; 12])];

    #[test]
    fn attributes_in_the_inode_are_read_in_order_with_their_namespaces() {
        let bytes = fork(SAMPLE);
        let found = parse(&bytes).unwrap();
        let names: Vec<_> = found.iter().filter_map(Attribute::full_name).collect();
        assert_eq!(names, [&b"user.colour"[..], b"trusted.colour", b"security.selinux"]);
        assert_eq!(found[0].value, Value::Here(b"green"));
        assert_eq!(found[1].value, Value::Here(b""));
        assert_eq!(found[3].namespace, Namespace::Parent);
        assert_eq!(parse(&fork(&[])).unwrap(), []);
    }

    #[test]
    fn damage_is_an_error() {
        let with = |at: usize, byte: u8| {
            let mut bytes = fork(SAMPLE);
            bytes[at] = byte;
            parse(&bytes).map(|_| ()).unwrap_err().message
        };
        assert!(with(1, 3).contains("3 bytes"));
        assert!(with(0, 1).contains("in room for"));
        assert!(with(2, 3).contains("more than"));
        assert!(with(2, 5).contains("fewer than"));
        assert!(with(4, 0).contains("damaged name"));
        assert!(with(7, 0).contains("damaged name"));
        assert!(with(6, 1).contains("flags 0x1"));
        assert!(with(6, 6).contains("flags 0x6"));
        assert!(with(6, 0x80).contains("flags 0x80"));
        assert!(with(5, 255).contains("value is cut off"));
        assert!(with(4, 255).contains("name is cut off"));
        for cut in 0..fork(SAMPLE).len() - 5 {
            assert!(parse(&fork(SAMPLE)[..cut]).is_err(), "cut to {cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0_u8..4) {
            let _ = parse(&bytes);
            if let Some(at) = bytes.get_mut(..4) {
                at.copy_from_slice(&[0, 190, count, 0]);
            }
            let _ = parse(&bytes);
        }

        #[test]
        fn one_flipped_bit_makes_it_no_longer_than_its_fork(at in 0_usize..60, bit in 0_u8..8) {
            let mut bytes = fork(SAMPLE);
            let index = at % bytes.len();
            bytes[index] ^= 1 << bit;
            for attribute in parse(&bytes).unwrap_or_default() {
                prop_assert!(is_name(attribute.name));
            }
        }
    }
}
