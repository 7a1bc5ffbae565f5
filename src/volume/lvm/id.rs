//! The identities that LVM2 gives to what it makes.

use std::fmt;
use std::sync::Arc;

/// The UUID of a physical volume, a volume group or a logical volume: 32 characters (`lib/id/id.c`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(Arc<str>);

impl Id {
    /// How many characters it has.
    pub(super) const LENGTH: usize = 32;
    /// The lengths of the groups in which it is shown.
    const GROUPS: [usize; 7] = [6, 4, 4, 4, 4, 4, 6];

    /// An identity as it lies on a disk, or with hyphens in it as in metadata; `None` when it is none.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'#');
        let plain: Vec<u8> = text.iter().copied().filter(|byte| *byte != b'-').collect();
        if plain.len() != Self::LENGTH || !plain.iter().all(is_allowed) {
            return None;
        }
        String::from_utf8(plain).ok().map(|plain| Self(Arc::from(plain)))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest: &str = &self.0;
        for (number, length) in Self::GROUPS.into_iter().enumerate() {
            let (group, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            write!(f, "{}{group}", if number > 0 { "-" } else { "" })?;
            rest = after;
        }
        Ok(())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
