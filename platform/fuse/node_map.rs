//! Node numbers as the kernel wants them: its root is always 1. The file system's root and its node 1 change places, so
//! that every other file keeps the inode number it has on the disk.

use fuser::INodeNo;
use vfs::NodeId;

/// Maps between the two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeMap {
    root: NodeId,
}

impl NodeMap {
    pub(crate) const fn new(root: NodeId) -> Self {
        Self { root }
    }

    const fn swap(self, number: u64) -> u64 {
        if number == self.root.0 {
            INodeNo::ROOT.0
        } else if number == INodeNo::ROOT.0 {
            self.root.0
        } else {
            number
        }
    }

    /// The file system's node that the kernel means.
    pub(crate) const fn node(self, number: INodeNo) -> NodeId {
        NodeId(self.swap(number.0))
    }

    /// What the kernel calls a node.
    pub(crate) const fn number(self, node: NodeId) -> INodeNo {
        INodeNo(self.swap(node.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_root_and_node_one_change_places() {
        let map = NodeMap::new(NodeId(2));
        for number in 0..10 {
            assert_eq!(map.number(map.node(INodeNo(number))), INodeNo(number));
        }
        assert_eq!(
            (map.node(INodeNo(1)), map.node(INodeNo(2)), map.node(INodeNo(3))),
            (NodeId(2), NodeId(1), NodeId(3))
        );
        assert_eq!(NodeMap::new(NodeId(1)).node(INodeNo(1)), NodeId(1));
    }
}
