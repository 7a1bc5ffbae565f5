//! Disk images in containers as SOURCE: each shows the same volume, with what it builds on told.

use crate::support::fr_mount::Place;
use crate::support::process::{program, run};
use crate::support::{Ext4Image, Need, Report, fr_mount, skip_unless};
use std::path::Path;

/// A disk with an ext4 file system that has this label, as `disk.raw`.
fn raw_disk(directory: &Path) {
    let image = Ext4Image::empty(24, &["-L", "inside"]);
    std::fs::copy(image.path(), directory.join("disk.raw")).unwrap();
}

fn volumes(place: &Place, image: &str) -> Report {
    let path = place.path().join(image);
    fr_mount(place, ["volumes", "--json", path.to_str().unwrap()]).assert_ok().json()
}

fn convert(place: &Place, format: &str, options: &str, to: &str) {
    let convert = ["convert", "-f", "raw", "-O", format, "-o", options, "disk.raw", to];
    run(program("qemu-img").args(convert).current_dir(place.path()));
}

#[test]
fn the_volume_in_an_image_of_any_format_is_found() {
    if !skip_unless(&[Need::MKFS, Need::QEMU_IMG]) {
        return;
    }
    let place = Place::new();
    raw_disk(place.path());
    for (format, options, to) in [
        ("vpc", "subformat=dynamic,force_size=on", "disk.vhd"),
        ("vpc", "subformat=fixed,force_size=on", "fixed.vhd"),
        ("vhdx", "subformat=dynamic", "disk.vhdx"),
        ("qcow2", "compression_type=zstd", "disk.qcow2"),
        ("vmdk", "subformat=streamOptimized", "disk.vmdk"),
    ] {
        convert(&place, format, options, to);
        let report = volumes(&place, to);
        assert_eq!(report.disks[0].bytes, 24 << 20, "{to}");
        assert_eq!(report.volume("inside").state, "readable", "{to}: {:?}", report.notices);
        assert!(report.notices.is_empty(), "{to}: {:?}", report.notices);
    }
}

#[test]
fn the_images_that_an_image_builds_on_are_told() {
    if !skip_unless(&[Need::MKFS, Need::QEMU_IMG]) {
        return;
    }
    let place = Place::new();
    raw_disk(place.path());
    convert(&place, "vhdx", "subformat=dynamic", "base.vhdx");
    run(program("qemu-img").current_dir(place.path()).args([
        "create",
        "-q",
        "-f",
        "qcow2",
        "-b",
        "base.vhdx",
        "-F",
        "vhdx",
        "top.qcow2",
    ]));
    let report = volumes(&place, "top.qcow2");
    assert_eq!(report.volume("inside").state, "readable");
    assert!(matches!(&report.notices[..], [notice] if notice.contains("base.vhdx")), "{:?}", report.notices);
    std::fs::remove_file(place.path().join("base.vhdx")).unwrap();
    let top = place.path().join("top.qcow2");
    let said = fr_mount(&place, ["volumes", top.to_str().unwrap()]).assert_failed(10);
    assert!(said.contains("is missing") && said.contains("base.vhdx"), "{said}");
}

#[test]
fn an_image_in_a_format_that_is_not_read_is_refused_with_what_to_do() {
    if !skip_unless(&[Need::MKFS, Need::QEMU_IMG]) {
        return;
    }
    let place = Place::new();
    raw_disk(place.path());
    for (format, name) in [("vdi", "VDI"), ("qed", "QED")] {
        let to = format!("disk.{format}");
        run(program("qemu-img")
            .args(["convert", "-f", "raw", "-O", format, "disk.raw", &to])
            .current_dir(place.path()));
        let said = fr_mount(&place, ["volumes", place.path().join(&to).to_str().unwrap()]).assert_failed(10);
        assert!(said.contains(name) && said.contains("qemu-img convert -O raw"), "{said}");
    }
}
