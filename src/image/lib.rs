//! Disk containers as a Disk: raw images.
