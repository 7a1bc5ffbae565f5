//! What differs between operating systems: private files, signals, clocks, limits.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    Signals, append_private, create_private_directory, create_private_file, raise_file_limit, user_number,
};
