//! Arithmetic in GF(2^8), as RAID 6 uses it.
