//! B-trees. Source: Linux, `drivers/md/persistent-data/dm-btree.c`.

use super::Metadata;
use super::node::Node;
use crate::Error;
use std::ops::Range;
use std::sync::Arc;

/// More levels than any tree has: nodes but the root are at least a third full, so 5 levels of 84 take all blocks of the
/// largest metadata device, of 16 GiB.
const LEVELS_MAX: usize = 16;

/// A tree of one level of keys: where its root is, and what each value has.
#[derive(Clone, Copy)]
pub(in crate::dm) struct Tree {
    /// Block of its root.
    pub(in crate::dm) root: u64,
    /// Bytes of each value.
    pub(in crate::dm) value_bytes: usize,
}

/// What is shown a key and its value.
pub(in crate::dm) type Visit<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<(), Error>;

/// Where looking for a key ends.
pub(in crate::dm) struct Reached {
    /// The keys that all are there or nowhere.
    pub(in crate::dm) keys: Range<u64>,
    /// The leaf that has them, or why there is none.
    pub(in crate::dm) leaf: Result<Leaf, Error>,
}

/// A leaf of a tree.
pub(in crate::dm) struct Leaf(Arc<Node>);

impl Leaf {
    /// How many of its keys are below `key`: the position of its entry, if there is one.
    pub(in crate::dm) fn below(&self, key: u64) -> usize {
        self.0.below(key)
    }

    /// The key at a position.
    pub(in crate::dm) fn key(&self, index: usize) -> Option<u64> {
        self.0.key(index)
    }

    /// The value at a position.
    pub(in crate::dm) fn value(&self, index: usize) -> Option<&[u8]> {
        self.0.value(index)
    }

    /// The value at a position, when values are numbers of 8 bytes.
    pub(in crate::dm) fn number(&self, index: usize) -> Option<u64> {
        self.0.number(index)
    }
}

impl Tree {
    /// The leaf that has `key` if any has.
    pub(in crate::dm) fn reach(&self, metadata: &Metadata, key: u64) -> Reached {
        let nothing = || Reached { keys: key..key.saturating_add(1), leaf: Err(Error::Damaged(String::new())) };
        self.descend(key, &|number| Some(metadata.node(number))).unwrap_or_else(nothing)
    }

    /// The same where all on the way there was read already; what was not will be needed.
    pub(in crate::dm) fn reach_known(&self, metadata: &Metadata, key: u64) -> Option<Reached> {
        self.descend(key, &|number| metadata.known_node(number).map(Ok))
    }

    /// What belongs to `key`.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub(in crate::dm) fn find(&self, metadata: &Metadata, key: u64) -> Result<Option<Vec<u8>>, Error> {
        let leaf = self.reach(metadata, key).leaf?;
        let index = leaf.below(key);
        Ok(leaf.value(index).filter(|_| leaf.key(index) == Some(key)).map(<[u8]>::to_vec))
    }

    /// Shows every key with its value, ascending, until one is refused.
    ///
    /// # Errors
    /// What `visit` refuses, or when a node cannot be read, or is damaged.
    pub(in crate::dm) fn walk(&self, metadata: &Metadata, visit: Visit<'_>) -> Result<(), Error> {
        // Ends: every leaf has other keys than those before, and none but the root is empty, so none is met twice.
        let mut at = 0;
        loop {
            let reached = self.reach(metadata, at);
            let leaf = reached.leaf?;
            let mut index = leaf.below(at);
            while let (Some(key), Some(value)) = (leaf.key(index), leaf.value(index)) {
                visit(key, value)?;
                index = index.saturating_add(1);
            }
            if reached.keys.end == u64::MAX || reached.keys.end <= at {
                return Ok(());
            }
            at = reached.keys.end;
        }
    }

    /// Goes down from the root by `node`, until that knows nothing.
    fn descend(&self, key: u64, node: &dyn Fn(u64) -> Option<Result<Arc<Node>, Error>>) -> Option<Reached> {
        let mut keys = 0..u64::MAX;
        let mut number = self.root;
        for level in 0..LEVELS_MAX {
            let node = match node(number)? {
                Ok(node) => node,
                Err(error) => return Some(Reached { keys, leaf: Err(error) }),
            };
            if let Err(what) = self.belongs(&node, level, &keys) {
                let text = format!("block {number} of the metadata, a node of a tree, {what}");
                return Some(Reached { keys, leaf: Err(Error::Damaged(text)) });
            }
            if node.is_leaf() {
                return Some(Reached { keys, leaf: Ok(Leaf(node)) });
            }
            // The last child whose keys begin at `key` or below; keys below the first child's are nowhere.
            let after = node.below(key.saturating_add(1));
            let end = node.key(after).unwrap_or(keys.end);
            let Some(child) = after.checked_sub(1) else {
                return Some(Reached { keys: keys.start..end, leaf: Ok(Leaf(Arc::new(Node::empty()))) });
            };
            keys = node.key(child).unwrap_or(keys.start)..end;
            number = node.number(child).unwrap_or(u64::MAX);
        }
        let text = format!("a tree of the metadata, from block {} on, has more than {LEVELS_MAX} levels", self.root);
        Some(Reached { keys, leaf: Err(Error::Damaged(text)) })
    }

    /// Whether a node that should have these keys can be what it is.
    fn belongs(&self, node: &Node, level: usize, keys: &Range<u64>) -> Result<(), String> {
        if node.is_leaf() && node.value_bytes() != self.value_bytes {
            return Err(format!("has values of {} bytes instead of {}", node.value_bytes(), self.value_bytes));
        }
        let (Some(first), Some(last)) = (node.key(0), node.last_key()) else {
            return if level == 0 { Ok(()) } else { Err("is empty".to_owned()) };
        };
        if first < keys.start || last >= keys.end {
            return Err(format!("has keys {first} to {last} instead of such from {} to {}", keys.start, keys.end));
        }
        Ok(())
    }
}
