//! Images whose log has to be recovered: against what a kernel made of a copy that it could write to.

use super::fixture::{kernel_manifest, names, open};
use super::fixtures::{assert_same, check, directory, lines, script, unpacked};
use super::kernel::{self, can_make};
use super::manifest;
use vfs::FileSystem;

/// A manifest without the line of statfs: the space that a kernel frees after the replay is not counted.
fn comparable(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !line.starts_with("statfs")).cloned().collect()
}

#[test]
fn recovered_images_show_what_the_kernel_showed_of_them() {
    let names = names("dirty");
    assert!(names.len() >= 20, "{names:?}");
    let differing = names.into_iter().filter_map(|name| {
        let result = std::panic::catch_unwind(|| compare(&name));
        result.err().map(|_| name)
    });
    let differing: Vec<_> = differing.collect();
    assert!(differing.is_empty(), "{differing:?}");
}

fn compare(name: &str) {
    let fs = open(&format!("dirty/{name}"), true).unwrap_or_else(|error| panic!("{name}: {error}"));
    let notices = fs.info().notices;
    assert!(fs.was_in_use() && notices[0].contains("its log was recovered"), "{name}: {notices:?}");
    let ours = manifest::of(&fs).unwrap_or_else(|error| panic!("{name}: {error}"));
    let kernel = kernel_manifest(&format!("dirty/{name}"), "manifest.zst");
    assert_same(name, &comparable(&kernel), &comparable(&ours));
}

/// What xfs_logprint says of the logs: every one is dirty, and intents of each kind are unfinished in some.
#[test]
fn the_logs_are_dirty_and_some_hold_unfinished_intents() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    let mut unfinished = Vec::new();
    for name in names("dirty") {
        let parts = ["img.zst", "log.img.zst"].map(|part| directory("xfs").join(format!("dirty/{name}.{part}")));
        let parts: Vec<_> = parts.iter().filter(|part| part.exists()).collect();
        let images: Vec<_> = (0..parts.len()).map(|part| scratch.path().join(part.to_string())).collect();
        for (part, image) in parts.iter().zip(&images) {
            std::fs::write(image, unpacked(part)).unwrap();
        }
        let images: Vec<_> = images.iter().map(|image| image.to_str().unwrap()).collect();
        let told = check(&name, &script("xfs", "intents.py", &images));
        assert!(told.starts_with("dirty"), "{name}: {told}");
        let kinds = told.trim().split("unfinished ").nth(1).filter(|kinds| *kinds != "-");
        unfinished.extend(kinds.map(|kinds| format!("{name}: {kinds}")));
    }
    eprintln!("{unfinished:#?}");
    for kind in ["EFI", "RUI", "CUI", "BUI"] {
        assert!(unfinished.iter().any(|found| found.contains(kind)), "no unfinished {kind}");
    }
    assert!(unfinished.len() >= 6, "{unfinished:?}");
}

/// Lines by path of what is shown as it lies: where the kernel gives an error we may give one as well, or what is there.
#[test]
fn without_recovery_the_disk_is_shown_as_it_lies() {
    for name in names("dirty") {
        let path = directory("xfs").join(format!("dirty/{name}.norecovery.zst"));
        if !path.exists() {
            continue;
        }
        let fs = open(&format!("dirty/{name}"), false).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(fs.info().notices.iter().any(|notice| notice.contains("not recovered, as asked")), "{name}");
        let ours = manifest::as_far_as_readable(&fs);
        let mut compared = 0;
        for line in comparable(&kernel_manifest(&format!("dirty/{name}"), "norecovery.zst")) {
            let path = line.split('\t').next().unwrap().to_owned();
            if !line.split('\t').any(|field| field == "error") && !has_half_a_target(&line) {
                assert_eq!(ours.get(&path), Some(&line), "{name}");
                compared += 1;
            }
        }
        assert!(compared > 0, "{name}: nothing was compared");
    }
}

/// Whether it is of a link whose target is shorter than the inode says: a kernel shows what comes before a zero byte in a block
/// that was not written yet, and we an error.
fn has_half_a_target(line: &str) -> bool {
    let fields: Vec<_> = line.split('\t').collect();
    let (is_link, size, target) = (fields[2].starts_with("120"), fields[6], fields[13]);
    // A byte that is not shown as it is takes three characters.
    is_link && target.len() - 2 * target.matches('%').count() < size.parse().unwrap()
}

/// Images of this machine's kernel, stopped under load without a flush of its log; no two are the same. `FR_DIRTY_ROUNDS`
/// makes more of them.
#[test]
fn logs_of_this_kernel_are_recovered_as_it_does_itself() {
    let scratch = tempfile::tempdir().unwrap();
    if !can_make(scratch.path()) {
        return;
    }
    let rounds = std::env::var("FR_DIRTY_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        for kind in ["default", "rmapbt", "1k"] {
            let image = scratch.path().join(kind);
            let image = image.to_str().unwrap();
            // Stopped at once it may have nothing in its log.
            let fs = (0..3).find_map(|_| {
                check(kind, &script("xfs", "dirty.py", &["host", kind, image]));
                let fs = kernel::open(image, true).unwrap_or_else(|error| keep(kind, image, &error.to_string()));
                fs.was_in_use().then_some(fs)
            });
            let fs = fs.unwrap_or_else(|| panic!("{kind}: there is nothing in its log"));
            let kernel = lines(&check(kind, &script("xfs", "dirty.py", &["replayed", image])));
            let ours = manifest::of(&fs).unwrap_or_else(|error| keep(kind, image, &error.to_string()));
            if comparable(&kernel) != comparable(&ours) {
                eprintln!("{:?}", fs.info().notices);
                let compared = std::panic::catch_unwind(|| assert_same(kind, &comparable(&kernel), &comparable(&ours)));
                keep(kind, image, &format!("{compared:?}"));
            }
            if rounds > 1 {
                eprintln!("round {round}: {kind}: {:?}", fs.info().notices);
            }
        }
    }
}

/// Fails, and keeps the image, as it cannot be made again.
fn keep(kind: &str, image: &str, why: &str) -> ! {
    let kept = std::env::temp_dir().join(format!("fr-dirty-{kind}-{}.img", std::process::id()));
    std::fs::copy(image, &kept).unwrap();
    panic!("{kind}: {why}; the image is kept: {}", kept.display());
}
