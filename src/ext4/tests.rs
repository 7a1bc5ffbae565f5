//! Whole images: against what the kernel shows of them, against another reader, and damaged.

mod damage;
mod fixture;
mod kernel;
mod manifest;
mod oracle;
