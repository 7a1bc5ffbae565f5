use super::recent::GENERATION;
use super::testing::{Memory, Writer};
use super::{Metadata, Tree, bits, values};
use crate::Error;
use std::sync::Arc;

fn numbers(keys: impl Iterator<Item = u64>) -> Vec<(u64, Vec<u8>)> {
    keys.map(|key| (key, (key * 7).to_le_bytes().to_vec())).collect()
}

fn damage<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Damaged(text)) => text,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("nothing is said of the damage"),
    }
}

fn tree(writer: &Writer, root: u64) -> (Tree, Metadata) {
    (Tree { root, value_bytes: 8 }, Metadata::new(writer.device()))
}

fn walked(tree: Tree, metadata: &Metadata) -> Result<Vec<u64>, Error> {
    let mut keys = Vec::new();
    tree.walk(metadata, &mut |key, _| {
        keys.push(key);
        Ok(())
    })?;
    Ok(keys)
}

#[test]
fn a_tree_of_three_levels_has_what_was_put_in_and_nothing_else() {
    let mut writer = Writer::new();
    let root = writer.tree(8, &numbers((0..20_000).map(|n| 3 * n + 5)), 20);
    let (tree, metadata) = tree(&writer, root);
    assert_eq!(walked(tree, &metadata).unwrap(), (0..20_000).map(|n| 3 * n + 5).collect::<Vec<_>>());
    for key in (0..60_010).chain([u64::MAX - 1, u64::MAX]) {
        let found = tree.find(&metadata, key).unwrap();
        let is_there = key >= 5 && key % 3 == 2 && key <= 60_002;
        assert_eq!(found, is_there.then(|| (key * 7).to_le_bytes().to_vec()), "{key}");
    }
    assert!(metadata.kept() <= 2 * GENERATION);
}

#[test]
fn an_empty_tree_has_nothing() {
    let mut writer = Writer::new();
    let root = writer.tree(8, &[], 20);
    let (tree, metadata) = tree(&writer, root);
    assert_eq!(tree.find(&metadata, 0).unwrap(), None);
    assert!(walked(tree, &metadata).unwrap().is_empty());
}

#[test]
fn an_inner_node_that_leads_to_itself_is_not_followed_for_ever() {
    let mut writer = Writer::new();
    let root = writer.node(false, 8, &[(0, 1_u64.to_le_bytes().to_vec())]);
    let (tree, metadata) = tree(&writer, root);
    let found = damage(tree.find(&metadata, 3));
    assert!(found.contains("more than 16 levels"), "{found}");
    assert!(damage(walked(tree, &metadata)).contains("levels"));
}

#[test]
fn a_child_with_keys_of_its_sibling_is_refused() {
    let mut writer = Writer::new();
    let leaf = writer.node(true, 8, &numbers([3, 9].into_iter()));
    let entry = |key: u64| (key, leaf.to_le_bytes().to_vec());
    let root = writer.node(false, 8, &[entry(0), entry(9)]);
    let (tree, metadata) = tree(&writer, root);
    assert!(damage(tree.find(&metadata, 3)).contains("has keys 3 to 9 instead of such from 0 to 9"));
    assert!(damage(tree.find(&metadata, 9)).contains("instead of such from 9"));
}

#[test]
fn a_leaf_that_is_empty_is_one_that_was_damaged_unless_it_is_the_root() {
    let mut writer = Writer::new();
    let leaf = writer.node(true, 8, &[]);
    let root = writer.node(false, 8, &[(0, leaf.to_le_bytes().to_vec())]);
    let (tree, metadata) = tree(&writer, root);
    assert!(damage(tree.find(&metadata, 3)).contains("is empty"));
}

/// What is said when a node of the keys 1, 2, 3 is changed.
fn changed(change: impl FnOnce(&mut Writer), is_signed: bool) -> String {
    let mut writer = Writer::new();
    let root = writer.node(true, 8, &numbers(1..4));
    change(&mut writer);
    if is_signed {
        writer.sign(1, 121_107);
    }
    let (tree, metadata) = tree(&writer, root);
    damage(tree.find(&metadata, 2))
}

#[test]
fn a_node_that_is_not_what_it_should_be_is_refused() {
    let signed = |at, value: u32| changed(|writer| writer.put(1, at, value.to_le_bytes()), true);
    assert!(changed(|writer| writer.put(1, 4000, [1]), false).contains("checksum"));
    assert!(changed(|writer| writer.put(1, 0, [0; 4]), false).contains("checksum"));
    assert!(signed(8, 7).contains("says that it is block 7"));
    assert!(signed(4, 0).contains("neither a leaf nor an inner node"));
    assert!(signed(4, 3).contains("neither a leaf nor an inner node"));
    assert!(signed(16, 253).contains("too many"));
    assert!(signed(20, 255).contains("too many"));
    assert!(signed(24, 4).contains("values of 4 bytes"));
    assert!(signed(24, u32::MAX).contains("too many"));
    assert!(signed(40, 1).contains("do not ascend"));
}

#[test]
fn a_root_outside_of_the_device_is_refused() {
    let (tree, metadata) = tree(&Writer::new(), 1 << 60);
    assert!(damage(tree.find(&metadata, 0)).contains("there are 1 blocks"));
    assert!(tree.reach_known(&metadata, 0).is_none());
}

#[test]
fn what_was_not_read_is_not_known_but_asked_for() {
    let mut writer = Writer::new();
    let root = writer.tree(8, &numbers(0..100), 20);
    let device = writer.device();
    let metadata = Metadata::new(Arc::<Memory>::clone(&device));
    let tree = Tree { root, value_bytes: 8 };
    assert!(tree.reach_known(&metadata, 50).is_none());
    let asked = root * 4096..root * 4096 + 4096;
    assert_eq!(*device.hints.lock().unwrap(), std::slice::from_ref(&asked));
    tree.reach(&metadata, 50).leaf.unwrap();
    assert_eq!(tree.reach_known(&metadata, 59).unwrap().keys, 40..60);
    assert!(tree.reach_known(&metadata, 60).is_none());
}

/// The first `count` values of an array.
fn first(writer: &Writer, root: u64, count: u64) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    values(&Metadata::new(writer.device()), root, count, &mut |index, value| {
        assert_eq!(index, found.len() as u64);
        found.push(value);
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn an_array_is_read_as_far_as_it_is_wanted_and_no_further_than_it_goes() {
    let all: Vec<u64> = (0..2000).map(|index| index * index).collect();
    let mut writer = Writer::new();
    let root = writer.array(&all);
    for count in [0, 1, 508, 509, 510, 2000] {
        assert_eq!(first(&writer, root, count).unwrap(), all[..count as usize]);
    }
    assert!(damage(first(&writer, root, 2001)).contains("ends at value 2000 of 2001"));
}

#[test]
fn an_array_with_a_short_block_before_its_last_is_refused() {
    let mut writer = Writer::new();
    let root = writer.array(&vec![1; 1200]);
    writer.put(1, 8, 508_u32.to_le_bytes());
    writer.sign(1, 595_846_735);
    assert!(damage(first(&writer, root, 1200)).contains("ends at value 508 of 1200"));
}

#[test]
fn a_block_of_an_array_of_other_values_is_refused() {
    let mut writer = Writer::new();
    let root = writer.array(&[1, 2]);
    writer.put(1, 12, 4_u32.to_le_bytes());
    writer.sign(1, 595_846_735);
    assert!(damage(first(&writer, root, 2)).contains("has 2 of 509 values of 4 bytes"));
}

#[test]
fn bits_are_64_in_a_number() {
    let mut writer = Writer::new();
    let root = writer.array(&[1, 1 << 63]);
    assert_eq!(bits(&Metadata::new(writer.device()), root, 128).unwrap(), [1, 1 << 63]);
    assert!(bits(&Metadata::new(writer.device()), root, 129).is_err());
}
