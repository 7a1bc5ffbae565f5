//! Layouts with copies: mirrors, RAID 10.
