//! NTFS, read-only: [`Ntfs`] shows the files of a volume as Windows would show them, after the replay of its log, which
//! happens in memory. What it does not understand it refuses by name; what is damaged is an error on that object alone.
//!
//! Sources: the kernel's `fs/ntfs3` (`ntfs.h` above all), ntfs-3g's `include/ntfs-3g/layout.h`, and Microsoft's [MS-FSCC].

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]
#![allow(dead_code, reason = "the reader that uses these parts follows")]

mod bytes;
mod fixup;
mod time;
