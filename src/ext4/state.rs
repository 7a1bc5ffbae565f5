//! The state that a file system was left in, as its superblock records it.

use crate::features::Features;
use crate::layout::RawSuperblock;
use vfs::State;

/// Clean, or everything that speaks against it. While a file system with a journal is in use it counts as valid, but
/// needs recovery.
pub(crate) fn states(raw: &RawSuperblock, features: Features) -> Vec<State> {
    const VALID: u16 = 1;
    const ERRORS: u16 = 2;
    const ORPHANS: u16 = 4;
    let state = raw.s_state.get();
    let found = [
        (state & ERRORS != 0 || raw.s_error_count.get() > 0, State::ErrorsRecorded),
        (state & VALID == 0, State::NotClean),
        (features.needs_recovery(), State::JournalToBeReplayed),
        (raw.s_last_orphan.get() != 0 || state & ORPHANS != 0 || features.orphan_present(), State::Orphans),
    ];
    let found: Vec<_> = found.into_iter().filter_map(|(is_so, state)| is_so.then_some(state)).collect();
    if found.is_empty() { vec![State::Clean] } else { found }
}
