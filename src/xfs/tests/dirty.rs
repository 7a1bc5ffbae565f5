//! Images whose log has to be recovered, against what a kernel made of a copy that it could write to.

use super::fixture;
use super::fixtures::assert_same;
use super::manifest;

#[test]
fn logs_of_machines_that_lost_power_are_recovered_as_the_kernel_recovers_them() {
    let names = fixture::names("dirty");
    assert!(names.len() >= 12, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let name = format!("dirty/{name}");
        let outcome = std::panic::catch_unwind(|| compare(&name));
        if outcome.is_err() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn compare(name: &str) {
    let fs = fixture::open(name, true).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(fs.was_in_use(), "{name}: there is nothing in its log");
    let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{name}: {error}"));
    let kernel = fixture::kernel_manifest(name, "manifest.zst");
    // The first line is that of statfs: space that a kernel frees after the replay is not counted.
    assert_same(name, &kernel[1..], &ours[1..]);
}
