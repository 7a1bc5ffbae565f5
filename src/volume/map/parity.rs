//! Layouts with parity: RAID 4, 5 and 6.
