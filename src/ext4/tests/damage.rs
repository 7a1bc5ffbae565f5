//! Damaged images: no panic, no loop without an end, no reads out of bounds; and where the format has checksums, no
//! wrong answer.

use super::damaged::{Sound, assert_right_or_an_error, damage_in_many_ways, merged};
use super::disk::Disk;
use super::fixture;
use super::walk::Aspect;
use crate::Ext4;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use vfs::{ErrorKind, FileSystem, NodeId};

static DEFAULT: LazyLock<Sound> = LazyLock::new(|| sound("default"));
static NO_CHECKSUMS: LazyLock<Sound> = LazyLock::new(|| sound("no-checksums"));
static EXT2: LazyLock<Sound> = LazyLock::new(|| sound("ext2"));

fn sound(name: &str) -> Sound {
    Sound::new(fixture::image(name), |disk| Ok(Box::new(Ext4::open(disk)?)))
}

#[test]
fn with_checksums_damaged_metadata_is_an_error_and_never_another_answer() {
    damage_in_many_ways(&DEFAULT, 300, &DEFAULT.metadata, |what, answers| {
        assert_right_or_an_error(what, &DEFAULT.answers, answers, |_| true);
    });
}

#[test]
fn damaged_file_data_changes_no_name_attribute_link_or_extended_attribute() {
    damage_in_many_ways(&DEFAULT, 60, &DEFAULT.data, |what, answers| {
        assert_right_or_an_error(what, &DEFAULT.answers, answers, Aspect::is_metadata);
    });
}

#[test]
fn without_checksums_damage_ends_in_an_error_or_in_what_the_disk_says_but_never_in_a_loop() {
    for sound in [&*NO_CHECKSUMS, &*EXT2] {
        damage_in_many_ways(sound, 200, &sound.metadata, |_, _| {});
    }
}

#[test]
fn an_image_that_is_cut_short_is_refused() {
    for sound in [&*DEFAULT, &*NO_CHECKSUMS, &*EXT2] {
        let full = sound.image.len();
        let lengths = (0..4096).step_by(256).chain((1..40).map(|part| full / 40 * part)).chain([full - 512, full - 1]);
        for length in lengths {
            let cut = Arc::new(sound.image[..length].to_vec());
            let error = Ext4::open(Arc::new(Disk::new(&cut))).err().expect("it was opened");
            assert_eq!(error.kind, ErrorKind::Corrupt, "{length} bytes: {error}");
        }
    }
}

#[test]
fn where_the_end_of_a_disk_cannot_be_read_the_rest_is_right() {
    for sound in [&*DEFAULT, &*NO_CHECKSUMS, &*EXT2] {
        let mut opened = 0;
        for part in 0..24 {
            let readable = sound.image.len() as u64 / 24 * part + 512 * part;
            let change = |mut disk: Disk| {
                disk.readable = readable;
                disk
            };
            let Ok(answers) = sound.damaged(change) else { continue };
            opened += 1;
            assert_right_or_an_error(&format!("{readable} bytes"), &sound.answers, &answers, |_| true);
        }
        assert!(opened > 12, "only {opened} opened");
    }
}

/// Asks for the segments of a file, as far as there are any.
fn segments(fs: &dyn FileSystem, node: NodeId, size: u64) {
    let mut at = 0;
    for _ in 0..400 {
        let Ok(segment) = fs.segment(node, at) else { break };
        at = segment.range.end;
        if at >= size {
            break;
        }
    }
}

/// The nodes of extent trees and the blocks of extended attributes: what is read in whole blocks when they are asked for.
fn small_metadata(sound: &Sound) -> Vec<Range<u64>> {
    let disk = Arc::new(Disk::new(&sound.image));
    let fs = Ext4::open(disk.clone()).unwrap();
    let mut found = Vec::new();
    for node in (11..=fs.space().inodes).map(NodeId) {
        let Ok(attr) = fs.attr(node) else { continue };
        disk.take_seen();
        let _ = (fs.xattrs(node), segments(&fs, node, attr.size));
        found.append(&mut disk.take_seen());
    }
    found.retain(|range| range.end - range.start == u64::from(fs.info().block_size));
    merged(found)
}

#[test]
fn every_damaged_extent_node_and_attribute_block_is_an_error() {
    let sound = &*DEFAULT;
    let places = small_metadata(sound);
    let blocks: u64 = places.iter().map(|range| (range.end - range.start) / 4096).sum();
    assert!(blocks >= 6, "only {blocks} blocks");
    // Entries are at the start of each.
    let starts = places.iter().flat_map(|range| range.clone().step_by(4096)).map(|start| start..start + 96);
    let starts: Vec<_> = starts.collect();
    damage_in_many_ways(sound, 150, &starts, |what, answers| {
        assert_right_or_an_error(what, &sound.answers, answers, |_| true);
    });
}
