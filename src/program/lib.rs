//! What `fr-mount` and `fr-serve` have in common as programs, whatever they do: where secrets come from, memory that
//! others cannot look into, a clock that nobody sets, manual pages and completions.

mod docs;
pub mod secret;
mod sys;

pub use docs::write_docs;
pub use sys::{guard_memory, open_descriptor, others_can_read, since_boot};

/// What the user gave cannot be used; the message says what it was and what to give instead.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);
