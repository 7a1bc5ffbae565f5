//! What members could not give, while others could or could not help: the user has to know of it.

use block::ReadError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Errors of members, collected while volumes are read.
#[derive(Debug, Default)]
pub struct Faults(Mutex<BTreeMap<String, Fault>>);

/// What happened on one member.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The first error.
    pub first: ReadError,
    /// How often reads failed there.
    pub count: u64,
}

impl Faults {
    /// Members that are remembered; there are never so many.
    const MEMBERS_MAX: usize = 4096;

    /// Remembers that `member` could not be read.
    pub fn record(&self, member: &str, error: &ReadError) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = faults.get_mut(member) {
            fault.count = fault.count.saturating_add(1);
        } else if faults.len() < Self::MEMBERS_MAX {
            tracing::warn!(member, %error, "a member of a volume could not be read");
            faults.insert(member.to_owned(), Fault { first: error.clone(), count: 1 });
        }
    }

    /// What happened until now, by member.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
