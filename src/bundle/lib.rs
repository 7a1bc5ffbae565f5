//! How a recovery point is described to a client: a URL or disk image files.
