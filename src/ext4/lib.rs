//! ext2/3/4 on-disk format, read-only.
