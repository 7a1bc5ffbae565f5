//! vfs calls as FUSE replies.
