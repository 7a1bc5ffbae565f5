//! Named streams: the data attributes of a file that have a name. As nodes of their own (`file:stream`) they carry their
//! ordinal among the streams of the file in the upper bits of the node's number.

use crate::name;
use crate::record::Kind;
use crate::store::Inode;
use vfs::NodeId;

/// Bits of a node's number that are a record's.
const RECORD_BITS: u32 = 48;
/// Streams of a file that have nodes of their own at most.
const ORDINALS: usize = 0xFFFF;

/// The names of the streams of a file, in its order; each once.
pub(crate) fn names(inode: &Inode) -> Vec<Vec<u16>> {
    let mut names: Vec<Vec<u16>> = Vec::new();
    for location in inode.locations() {
        // Further parts of a stream begin at other clusters.
        if location.kind == Kind::DATA && !location.name.is_empty() && location.lowest == 0 {
            names.push(location.name);
        }
    }
    names
}

/// The node of the file that a node is, or is a stream of.
pub(crate) const fn record(node: NodeId) -> u64 {
    node.0 & 0xFFFF_FFFF_FFFF
}

/// The ordinal of the stream that a node is; `None` for a file.
pub(crate) fn ordinal(node: NodeId) -> Option<usize> {
    usize::try_from(node.0 >> RECORD_BITS).ok()?.checked_sub(1)
}

/// The node of the stream with this ordinal.
pub(crate) fn node(record: u64, ordinal: usize) -> Option<NodeId> {
    let number = u64::try_from(ordinal.checked_add(1).filter(|number| *number <= ORDINALS)?).ok()?;
    Some(NodeId(number << RECORD_BITS | record))
}

/// The names in `file:stream`; `None` where it names no stream.
pub(crate) fn split(path: &[u8]) -> Option<(&[u8], Vec<u16>)> {
    // A name of Windows has no colon, and a stream may have one only in POSIX names: the first one separates.
    let colon = path.iter().position(|byte| *byte == b':')?;
    let (file, stream) = path.split_at_checked(colon)?;
    Some((file, name::decode(stream.get(1..)?).filter(|name| !name.is_empty())?))
}
