//! A name that is looked for.

use crate::da_tree;
use vfs::NodeId;

/// The name, and what was found of it so far.
pub(super) struct Sought<'a> {
    name: &'a [u8],
    hash: u32,
    /// What it is in lower case, where case is ignored.
    folded: Option<Vec<u8>>,
    /// The first node whose name differs in case only.
    alike: Option<NodeId>,
}

impl<'a> Sought<'a> {
    pub(super) fn new(name: &'a [u8], ignores_case: bool) -> Self {
        let folded = ignores_case.then(|| fold(name));
        let hash = da_tree::hash(folded.as_deref().unwrap_or(name));
        Self { name, hash, folded, alike: None }
    }

    /// The hash that the index has it under.
    pub(super) const fn hash(&self) -> u32 {
        self.hash
    }

    /// Whether `name`, of an entry, is one that the index has under this hash.
    pub(super) fn has_hash_of(&self, name: &[u8]) -> bool {
        let hash = if self.folded.is_some() { da_tree::hash(&fold(name)) } else { da_tree::hash(name) };
        hash == self.hash
    }

    /// Whether an entry has this very name; one that differs in case only is remembered.
    pub(super) fn is_exactly(&mut self, name: &[u8], node: NodeId) -> bool {
        if name == self.name {
            return true;
        }
        let is_alike = |folded: &Vec<u8>| name.len() == folded.len() && fold(name) == *folded;
        if self.alike.is_none() && self.folded.as_ref().is_some_and(is_alike) {
            self.alike = Some(node);
        }
        false
    }

    /// The first node whose name differs in case only, if case does not count.
    pub(super) const fn alike(&self) -> Option<NodeId> {
        self.alike
    }

    /// Whether everybody who wrote the index gave the name the same hash. Where case is ignored, `xfs_repair` and
    /// `mkfs.xfs` before version 6.4 folded ASCII only.
    pub(super) fn is_hashed_by_all_alike(&self) -> bool {
        self.folded.is_none() || self.name.is_ascii()
    }
}

/// The name in lower case: ASCII, and the letters of ISO 8859-1 (Linux `xfs_ascii_ci_xfrm`; `tolower` before that was
/// the same).
fn fold(name: &[u8]) -> Vec<u8> {
    let lower = |byte: &u8| match byte {
        b'A'..=b'Z' | 0xC0..=0xD6 | 0xD8..=0xDE => byte | 0x20,
        _ => *byte,
    };
    name.iter().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_latin_1_are_folded_and_what_stands_between_them_is_not() {
        assert_eq!(fold(b"@AZ[`az{"), b"@az[`az{");
        assert_eq!(
            fold(&[0xBF, 0xC0, 0xD6, 0xD7, 0xD8, 0xDE, 0xDF, 0xE0, 0xFF]),
            [0xBF, 0xE0, 0xF6, 0xD7, 0xF8, 0xFE, 0xDF, 0xE0, 0xFF]
        );
    }

    #[test]
    fn case_counts_unless_the_file_system_ignores_it() {
        let (one, two) = (NodeId(1), NodeId(2));
        let mut sought = Sought::new(b"Name", false);
        assert!(!sought.is_exactly(b"name", one) && sought.alike().is_none());
        assert!(!sought.has_hash_of(b"name") && sought.has_hash_of(b"Name"));
        let mut sought = Sought::new(b"Name", true);
        assert!(!sought.is_exactly(b"names", one) && !sought.is_exactly(b"NAME", one));
        assert!(!sought.is_exactly(b"name", two) && sought.is_exactly(b"Name", two));
        assert_eq!(sought.alike(), Some(one));
        assert!(sought.has_hash_of(b"nAME") && sought.hash() == da_tree::hash(b"name"));
    }
}
