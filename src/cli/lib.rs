//! The fr-mount command line.
