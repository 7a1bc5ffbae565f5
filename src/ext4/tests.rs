//! Whole images: against what the kernel shows of them, against another reader, and damaged.

mod backup;
mod casefold;
mod crafted;
mod damage;
mod dirty;
mod disk;
mod e2fsprogs;
mod encrypted;
mod fast_commits;
mod file_disk;
mod fixture;
mod flags;
mod kernel;
mod large_blocks;
mod large_directory;
mod manifest;
mod oracle;
mod reads;
mod refusals;
mod verity;
mod walk;
