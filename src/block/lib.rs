//! Bytes of a disk: whole blocks come from a [`Disk`], any bytes come from a [`ReadAt`], and the [`Cache`] stands
//! between the two. What the bytes mean is not known here.
//!
//! A [`Disk`] is asynchronous (reads are submitted, answers arrive by callback) so that one caller can keep many
//! reads in flight. A [`ReadAt`] is synchronous. The one place where a synchronous reader waits for an asynchronous
//! disk, with a deadline, is `flight.rs`.

#![cfg_attr(
    test,
    allow(clippy::as_conversions, clippy::arithmetic_side_effects, reason = "tests compute on known data")
)]

mod cache;
mod disk;
mod error;
mod flight;
mod geometry;
mod memory;
mod overlay;
mod read_at;
mod slice;

pub use cache::{Cache, CacheConfig, CachedDisk};
pub use disk::{Completion, Disk};
pub use error::{ReadError, ReadErrorKind, io_reason};
pub use geometry::{BlockRange, BlockSize, Geometry};
pub use memory::MemoryDisk;
pub use overlay::{Overlay, Patches};
pub use read_at::ReadAt;
pub use slice::Slice;
