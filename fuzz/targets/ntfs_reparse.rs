//! Any bytes as the reparse data of a file, and as the data of an Interix file: never a panic, never a link of Windows that
//! leads out of the recovered volumes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| ntfs::try_all_of_reparse(data));
