//! What differs between operating systems.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::{guard_memory, open_descriptor, others_can_read, since_boot};
