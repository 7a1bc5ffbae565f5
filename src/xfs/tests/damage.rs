//! Damaged images: no panic, no loop without an end, no reads out of bounds; and where the format has checksums, no
//! wrong answer.

use super::damaged::{Sound, assert_right_or_an_error, damage_in_many_ways};
use super::disk::Disk;
use super::fixture;
use super::walk::Aspect;
use crate::Xfs;
use std::sync::{Arc, LazyLock};
use vfs::ErrorKind;

static DEFAULT: LazyLock<Sound> = LazyLock::new(|| sound("default"));
static SMALL: LazyLock<Sound> = LazyLock::new(|| sound("small"));
/// Version 4: nothing has a checksum, so that whatever is changed reaches the parsers.
static V4: LazyLock<Sound> = LazyLock::new(|| sound("v4"));

fn sound(name: &str) -> Sound {
    Sound::new(fixture::image(name), |disk| Ok(Box::new(Xfs::open(disk)?)))
}

#[test]
fn with_checksums_damaged_metadata_is_an_error_and_never_another_answer() {
    for sound in [&*DEFAULT, &*SMALL] {
        damage_in_many_ways(sound, 40, &sound.metadata, |what, answers| {
            assert_right_or_an_error(what, &sound.answers, answers, |_| true);
        });
    }
}

#[test]
fn damaged_file_data_changes_no_name_attribute_link_or_extended_attribute() {
    damage_in_many_ways(&DEFAULT, 30, &DEFAULT.data, |what, answers| {
        assert_right_or_an_error(what, &DEFAULT.answers, answers, Aspect::is_metadata);
    });
}

#[test]
fn without_checksums_damage_ends_in_an_error_or_in_what_the_disk_says_but_never_in_a_loop() {
    damage_in_many_ways(&V4, 200, &V4.metadata, |_, _| {});
}

#[test]
fn an_image_that_is_cut_short_is_refused() {
    for sound in [&*DEFAULT, &*V4] {
        let full = sound.image.len();
        let lengths = (0..4096).step_by(256).chain((1..10).map(|part| full / 10 * part)).chain([full - 4096]);
        for length in lengths {
            let cut = Arc::new(sound.image[..length].to_vec());
            let error = Xfs::open(Arc::new(Disk::new(&cut))).err().expect("it was opened");
            assert_eq!(error.kind, ErrorKind::Corrupt, "{length} bytes: {error}");
        }
    }
}

#[test]
fn where_the_end_of_a_disk_cannot_be_read_the_rest_is_right() {
    let mut opened = 0;
    for part in 0..12 {
        let readable = DEFAULT.image.len() as u64 / 12 * part + 512 * part;
        let change = |mut disk: Disk| {
            disk.readable = readable;
            disk
        };
        let Ok(answers) = DEFAULT.damaged(change) else { continue };
        opened += 1;
        assert_right_or_an_error(&format!("{readable} bytes"), &DEFAULT.answers, &answers, |_| true);
    }
    // Without its log, which lies in the middle, it is not opened.
    assert!(opened > 2, "only {opened} opened");
}
