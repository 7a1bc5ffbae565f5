//! NTFS, read-only: [`Ntfs`] shows the files of a volume as Windows would show them, after the replay of its log, which
//! happens in memory. What it does not understand it refuses by name; what is damaged is an error on that object alone.
//!
//! Sources: the kernel's `fs/ntfs3` (`ntfs.h` above all), ntfs-3g's `include/ntfs-3g/layout.h`, and Microsoft's [MS-FSCC].

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod attribute_list;
mod boot;
mod bytes;
pub mod compression;
mod content;
mod data;
mod device;
mod directory;
mod ea;
mod file;
mod file_name;
mod filesystem;
mod fixup;
mod index;
mod interix;
mod log;
mod mft;
mod name;
mod options;
mod record;
mod recovery;
mod reparse;
mod runlist;
mod secure;
mod security;
mod shape;
mod space;
mod standard_information;
mod store;
mod stream;
mod time;
mod upcase;
mod volume_information;
mod wof;
mod xattr;

#[cfg(test)]
mod tests;

pub use boot::{probe, probe_copy};
pub use filesystem::Ntfs;
#[doc(hidden)]
pub use log::try_all as try_all_of_log;
pub use options::OpenOptions;
#[doc(hidden)]
pub use reparse::try_all as try_all_of_reparse;
pub use reparse::{VolumeMap, VolumePlaces};
#[doc(hidden)]
pub use security::try_all as try_all_of_security;
pub use security::{HostNames, SecurityOptions, UserMapping};
