//! Disks to volumes: GPT, MBR.
