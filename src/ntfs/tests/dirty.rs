//! Images of which the power was cut while the kernel's ntfs3 changed them. It writes no records to the log, so they are as
//! the disk was at that moment, damage included: what ntfs3 shows of a name we show as well.

use super::fixture::{names, open, oracle};
use super::manifest;
use vfs::FileSystem;

#[test]
fn images_of_a_lost_kernel_show_what_it_showed_of_them_afterwards() {
    let names = names("dirty", "ntfs3");
    assert!(names.len() >= 3, "{names:?}");
    let differing = names.into_iter().filter(|name| {
        let compared = std::panic::catch_unwind(|| {
            let fs = open(&format!("dirty/{name}")).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(fs.describe().state.contains(&vfs::State::NotClean), "{name}: {:?}", fs.info().notices);
            let theirs = oracle(&format!("dirty/{name}"), "ntfs3");
            assert!(theirs.len() > 200, "{name}: {} lines", theirs.len());
            let ours = manifest::as_far_as_readable(&fs);
            eprintln!("{name}: {} names, {} of ours, {:?}", theirs.len(), ours.len(), fs.info().notices);
            manifest::assert_shows(name, &theirs, &ours);
        });
        compared.is_err()
    });
    let differing: Vec<_> = differing.collect();
    assert!(differing.is_empty(), "{differing:?}");
}
