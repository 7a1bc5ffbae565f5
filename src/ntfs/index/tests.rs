//! Nodes that cannot be, one by one.

use super::*;

/// A node with an entry of a key of three bytes, and its end, below which hangs block 5.
fn node() -> Vec<u8> {
    let mut node = [0; 0x10];
    node[0] = 0x10;
    node[4] = 0x10 + 0x18 + 0x18;
    let mut entry = [0; 0x18];
    (entry[0], entry[8], entry[10]) = (99, 0x18, 3);
    entry[0x10..0x13].copy_from_slice(b"key");
    let mut end = [0; 0x18];
    (end[8], end[12], end[0x10]) = (0x18, 3, 5);
    [&node[..], &entry, &end].concat()
}

#[test]
fn a_sound_node_gives_keys_and_what_is_below() {
    let node = Node::parse(node(), 0).unwrap();
    let keys: Vec<_> = node.keys().map(|(entry, key)| (node.reference(entry), entry.subnode, key.to_vec())).collect();
    assert_eq!(keys, [(99, None, b"key".to_vec())]);
    assert_eq!((node.entries.len(), node.entries[1].subnode), (2, Some(5)));
}

#[test]
fn each_field_of_a_node_that_cannot_be_is_damage() {
    for (what, at, value) in [
        ("entries behind the end", 0, 0x60),
        ("entries far behind the end", 3, 0xFF),
        ("an end behind the bytes", 4, 0x41),
        ("an end before the last entry", 4, 0x30),
        ("an end far behind", 7, 0xFF),
        ("an entry without a length", 0x18, 0),
        ("an entry shorter than its header", 0x18, 8),
        ("an entry whose length is no multiple of 8", 0x18, 0x19),
        ("an entry beyond the end", 0x18, 0x38),
        ("a key longer than its entry", 0x1A, 9),
        ("a key where the number of the block below is", 0x1C, 1),
        ("no last entry", 0x34, 1),
    ] {
        let mut bad = node();
        bad[at] = value;
        if what.starts_with("a key where") {
            bad[0x1A] = 1;
        }
        assert!(Node::parse(bad, 0).is_none(), "{what}");
    }
    assert!(Node::parse(Vec::new(), 0).is_none() && Node::parse(node(), usize::MAX).is_none());
}

#[test]
fn data_of_an_entry_that_lies_outside_it_is_none() {
    let mut view = node();
    (view[0x10], view[0x12]) = (0x10, 8);
    let sound = Node::parse(view.clone(), 0).unwrap();
    assert_eq!(sound.data(&sound.entries[0]).map(<[u8]>::len), Some(8));
    (view[0x10], view[0x12]) = (0xFF, 8);
    let bad = Node::parse(view, 0).unwrap();
    assert_eq!(bad.data(&bad.entries[0]), None);
}
