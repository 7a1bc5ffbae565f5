//! Images that are damaged, or made to do harm.
