//! Whether all of a volume is there, from what it is made of.

use crate::Health;

/// One piece after another.
pub(super) fn of_pieces(parts: &[Health]) -> Health {
    let worst = parts.iter().max().copied().unwrap_or_default();
    if worst == Health::Unreadable && parts.iter().any(|part| *part != Health::Unreadable) {
        return Health::Partial;
    }
    worst
}

/// Members of which `spare` may be missing.
pub(super) fn of_redundant(parts: &[Health], spare: usize) -> Health {
    let lost = parts.iter().filter(|part| !is_complete(**part)).count();
    if lost > spare {
        return match of_pieces(parts) {
            Health::Unreadable => Health::Unreadable,
            _ => Health::Partial,
        };
    }
    let is_whole = parts.iter().all(|part| *part == Health::Whole);
    if is_whole { Health::Whole } else { Health::Degraded }
}

/// Whether all of it can be read.
pub(super) const fn is_complete(health: Health) -> bool {
    matches!(health, Health::Whole | Health::Degraded)
}
