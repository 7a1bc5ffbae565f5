//! Images that qemu-img and qemu-io make now, of all their kinds, with writes at random places: what is in them must
//! be what qemu-img converts them to, byte for byte.

use super::fixtures::skipped;
use super::support::{Dice, assert_content};
use crate::Format;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes that are no multiple of any block, cluster or grain.
const SIZE: u64 = (9 << 20) + 3 * 512;

/// A directory to make images in; nothing where qemu-img is missing.
struct Bench {
    directory: tempfile::TempDir,
    dice: Dice,
}

impl Bench {
    fn new() -> Option<Self> {
        if Command::new("qemu-img").arg("--version").output().is_err() {
            skipped("no image was compared with qemu-img, which is missing (apt-get install qemu-utils)");
            return None;
        }
        Some(Self { directory: tempfile::tempdir().unwrap(), dice: Dice::new() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a program in the directory.
    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program).args(arguments).current_dir(self.directory.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {}: {said}", arguments.join(" "));
    }

    fn create(&self, format: &str, options: &str, name: &str, size: u64) {
        let size = size.to_string();
        let options = if options.is_empty() { vec![] } else { vec!["-o", options] };
        self.run("qemu-img", &[&["create", "-q", "-f", format][..], &options, &[name, &size]].concat());
    }

    /// Writes at random places, by sectors: data and zeros.
    fn scribble(&mut self, format: &str, name: &str, size: u64, writes: u64) {
        let mut arguments = ["-t", "unsafe", "-f", format].map(str::to_owned).to_vec();
        for _ in 0..writes {
            let first = self.dice.below(size / 512);
            let most = if self.dice.below(4) == 0 { 600 } else { 9 };
            let sectors = (1 + self.dice.below(most)).min(size / 512 - first);
            let how = match self.dice.below(5) {
                0 if format != "vpc" => "-z".to_owned(),
                _ => format!("-P {}", 1 + self.dice.below(255)),
            };
            arguments.extend(["-c".to_owned(), format!("write -q {how} {} {}", first * 512, sectors * 512)]);
        }
        arguments.push(name.to_owned());
        self.run("qemu-io", &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// What qemu-img makes of an image.
    fn converted(&self, format: &str, name: &str) -> Vec<u8> {
        let raw = self.path("converted.raw");
        self.run("qemu-img", &["convert", "-t", "unsafe", "-f", format, "-O", "raw", name, "converted.raw"]);
        let content = fs::read(&raw).unwrap();
        fs::remove_file(raw).unwrap();
        content
    }

    /// An image made with these options and written to; it must be what qemu-img makes of it.
    fn try_out(&mut self, format: &str, options: &str, ours: Format) {
        let size = SIZE + 512 * self.dice.below(5000);
        self.create(format, options, "disk", size);
        self.scribble(format, "disk", size, 60);
        self.compare(format, "disk", ours);
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    fn compare(&mut self, format: &str, name: &str, ours: Format) {
        let expected = self.converted(format, name);
        assert_content(&self.path(name), ours, &expected, &mut self.dice);
    }

    /// A raw image with some data.
    fn source(&mut self, name: &str, size: u64) {
        self.create("raw", "", name, size);
        self.scribble("raw", name, size, 60);
    }
}

#[test]
fn vhds_of_qemu_hold_what_qemu_says() {
    let Some(mut bench) = Bench::new() else { return };
    for options in
        ["subformat=dynamic", "subformat=fixed", "subformat=dynamic,force_size=on", "subformat=fixed,force_size=on"]
    {
        bench.try_out("vpc", options, Format::Vhd);
    }
}

#[test]
fn vhdxs_of_qemu_hold_what_qemu_says() {
    let Some(mut bench) = Bench::new() else { return };
    for options in
        ["subformat=dynamic", "subformat=fixed", "block_size=1M", "block_size=8M,log_size=2M", "block_state_zero=off"]
    {
        bench.try_out("vhdx", options, Format::Vhdx);
    }
}

#[test]
fn logs_that_qemu_leaves_when_a_write_fails_are_replayed_as_it_replays_them() {
    let Some(mut bench) = Bench::new() else { return };
    for block in [2, 5, 8] {
        bench.create("vhdx", "block_size=1M", "disk", SIZE);
        bench.scribble("vhdx", "disk", 2 << 20, 10);
        // The table of blocks is at 2 MiB: its change is in the log, and then cannot be written.
        let failing = "json:{\"driver\":\"vhdx\",\"file\":{\"driver\":\"blkdebug\",\"image\":{\"driver\":\"file\",\"filename\":\"disk\"},\
             \"inject-error\":[{\"event\":\"none\",\"iotype\":\"write\",\"sector\":4096}]}}";
        let write = format!("write -q -P 99 {block}M 70k");
        let ended = Command::new("qemu-io").args(["-c", &write, failing]).current_dir(bench.directory.path()).output();
        assert!(!ended.unwrap().status.success(), "the write did not fail");
        fs::copy(bench.path("disk"), bench.path("replayed")).unwrap();
        bench.run("qemu-img", &["check", "-q", "-r", "all", "-f", "vhdx", "replayed"]);
        let expected = bench.converted("vhdx", "replayed");
        assert_eq!(expected[block << 20], 99, "qemu did not replay it");
        assert_content(&bench.path("disk"), Format::Vhdx, &expected, &mut bench.dice);
    }
}

#[test]
fn qcow2s_of_qemu_hold_what_qemu_says() {
    let Some(mut bench) = Bench::new() else { return };
    for options in [
        "",
        "compat=0.10",
        "cluster_size=512",
        "cluster_size=2M",
        "cluster_size=4k,refcount_bits=1",
        "extended_l2=on",
        "extended_l2=on,cluster_size=16k",
        "preallocation=metadata",
        "preallocation=falloc,cluster_size=4k",
        "data_file=disk.data",
        "data_file=disk.data,data_file_raw=on",
        "lazy_refcounts=on",
    ] {
        bench.try_out("qcow2", options, Format::Qcow2);
    }
}

#[test]
fn vmdks_of_qemu_hold_what_qemu_says() {
    let Some(mut bench) = Bench::new() else { return };
    for subformat in ["monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"] {
        bench.try_out("vmdk", &format!("subformat={subformat}"), Format::Vmdk);
    }
    bench.try_out("vmdk", "subformat=monolithicSparse,zeroed_grain=on", Format::Vmdk);
}

#[test]
fn a_vmdk_cut_into_files_of_two_gigabytes_is_read_across_its_cuts() {
    let Some(bench) = Bench::new() else { return };
    const GIB_2: u64 = 2 << 30;
    for subformat in ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"] {
        bench.create("vmdk", &format!("subformat={subformat}"), "large", GIB_2 + (1 << 20));
        let write = format!("write -q -P 77 {} 8k", GIB_2 - 4096);
        bench.run("qemu-io", &["-f", "vmdk", "-c", &write, "large"]);
        let path = bench.path("large");
        let opened = crate::open(&crate::LocalFiles, path.to_str().unwrap(), &super::support::OPTIONS).unwrap();
        assert_eq!(opened.files.len(), 3, "{:?}", opened.files);
        let found = super::support::read(&*opened.disk, (GIB_2 - 8192) / 512, 32).unwrap();
        let expected = [vec![0; 4096], vec![77; 8192], vec![0; 4096]].concat();
        assert_eq!(found, expected, "{subformat}");
    }
}

#[test]
fn compressed_images_of_qemu_are_unpacked() {
    let Some(mut bench) = Bench::new() else { return };
    bench.source("source", SIZE);
    let noise: Vec<u8> = (0..300_000).map(|_| bench.dice.below(256) as u8).collect();
    let mut source = fs::read(bench.path("source")).unwrap();
    source[1_000_000..1_300_000].copy_from_slice(&noise);
    fs::write(bench.path("source"), &source).unwrap();
    for (format, ours, options) in [
        ("qcow2", Format::Qcow2, "compression_type=zlib"),
        ("qcow2", Format::Qcow2, "compression_type=zstd"),
        ("qcow2", Format::Qcow2, "compression_type=zstd,cluster_size=2M"),
        ("qcow2", Format::Qcow2, "cluster_size=512"),
        ("qcow2", Format::Qcow2, "cluster_size=2M"),
        ("qcow2", Format::Qcow2, "compat=0.10,cluster_size=4k"),
        ("qcow2", Format::Qcow2, "extended_l2=on"),
        ("vmdk", Format::Vmdk, "subformat=streamOptimized"),
    ] {
        let convert = ["convert", "-c", "-f", "raw", "-O", format, "-o", options, "source", "packed"];
        // VMDK is compressed by its subformat, not by -c.
        let convert: Vec<_> = convert.into_iter().filter(|word| format != "vmdk" || *word != "-c").collect();
        bench.run("qemu-img", &convert);
        assert_content(&bench.path("packed"), ours, &source, &mut bench.dice);
        if format == "qcow2" {
            // Written over, single clusters are no longer compressed.
            bench.scribble(format, "packed", SIZE, 20);
            bench.compare(format, "packed", ours);
        }
        fs::remove_file(bench.path("packed")).unwrap();
    }
}

#[test]
fn disks_that_qemu_converted_are_what_they_were() {
    let Some(mut bench) = Bench::new() else { return };
    bench.source("source", SIZE);
    let source = fs::read(bench.path("source")).unwrap();
    for (format, ours, options) in [
        ("qcow2", Format::Qcow2, "cluster_size=64k"),
        ("qcow2", Format::Qcow2, "cluster_size=2M"),
        ("qcow2", Format::Qcow2, "cluster_size=512"),
        ("vpc", Format::Vhd, "subformat=dynamic,force_size=on"),
        ("vpc", Format::Vhd, "subformat=fixed,force_size=on"),
        ("vhdx", Format::Vhdx, "subformat=dynamic"),
        ("vhdx", Format::Vhdx, "subformat=fixed"),
        ("vmdk", Format::Vmdk, "subformat=monolithicSparse"),
        ("vmdk", Format::Vmdk, "subformat=monolithicFlat"),
    ] {
        // Zeros are written too, or left out: files then end in different places.
        for sparse in ["0", "4k"] {
            let convert =
                ["convert", "-t", "unsafe", "-S", sparse, "-f", "raw", "-O", format, "-o", options, "source", "copy"];
            bench.run("qemu-img", &convert);
            assert_content(&bench.path("copy"), ours, &source, &mut bench.dice);
        }
    }
}

#[test]
fn an_image_shows_its_active_state_and_not_its_snapshots() {
    let Some(mut bench) = Bench::new() else { return };
    bench.create("qcow2", "", "disk", SIZE);
    for number in 0..3 {
        bench.scribble("qcow2", "disk", SIZE, 20);
        bench.run("qemu-img", &["snapshot", "-c", &format!("snapshot-{number}"), "disk"]);
    }
    bench.scribble("qcow2", "disk", SIZE, 20);
    bench.compare("qcow2", "disk", Format::Qcow2);
}

#[test]
fn chains_of_images_in_all_formats_are_read_through() {
    let Some(mut bench) = Bench::new() else { return };
    for (format, options) in
        [("raw", ""), ("qcow2", "cluster_size=4k"), ("vmdk", ""), ("vpc", "force_size=on"), ("vhdx", "block_size=1M")]
    {
        let base_size = 4 << 20;
        bench.create(format, options, "base", base_size);
        bench.scribble(format, "base", base_size, 30);
        bench.run("qemu-io", &["-t", "unsafe", "-f", format, "-c", "write -q -P 5 1M 1M", "base"]);
        // Larger than what they build on, and then smaller again.
        for (name, below, below_format, size) in
            [("middle", "base", format, SIZE), ("top", "./middle", "qcow2", 3 << 20)]
        {
            let more = if name == "top" { "extended_l2=on" } else { "cluster_size=64k" };
            let size = size.to_string();
            let create = ["create", "-q", "-f", "qcow2", "-o", more, "-b", below, "-F", below_format, name, &size];
            bench.run("qemu-img", &create);
            // Zeros over what is below, of whole clusters and of parts of one.
            let zeros = if name == "top" { "write -q -z 1602k 50k" } else { "write -q -z 1M 256k" };
            bench.run("qemu-io", &["-t", "unsafe", "-f", "qcow2", "-c", zeros, name]);
            bench.scribble("qcow2", name, size.parse().unwrap(), 15);
        }
        bench.compare("qcow2", "top", Format::Qcow2);
        let path = bench.path("top");
        let opened = crate::open(&crate::LocalFiles, path.to_str().unwrap(), &super::support::OPTIONS).unwrap();
        let names: Vec<_> = opened.files.iter().map(|file| file.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["top", "middle", "base"]);
    }
}

#[test]
fn snapshots_of_vmdks_are_read_over_the_parent_that_they_were_made_for_and_no_other() {
    let Some(mut bench) = Bench::new() else { return };
    bench.create("vmdk", "", "base.vmdk", SIZE);
    bench.scribble("vmdk", "base.vmdk", SIZE, 30);
    bench.run("qemu-io", &["-f", "vmdk", "-c", "write -q -P 5 1M 1M", "base.vmdk"]);
    let child = ["create", "-q", "-f", "vmdk", "-o", "zeroed_grain=on", "-b", "base.vmdk", "-F", "vmdk", "child.vmdk"];
    bench.run("qemu-img", &child);
    bench.run("qemu-io", &["-f", "vmdk", "-c", "write -q -z 1M 256k", "child.vmdk"]);
    bench.scribble("vmdk", "child.vmdk", SIZE, 30);
    bench.compare("vmdk", "child.vmdk", Format::Vmdk);
    fs::remove_file(bench.path("base.vmdk")).unwrap();
    let refusal = refusal(&bench.path("child.vmdk"));
    assert!(refusal.contains("is missing") && refusal.contains("base.vmdk"), "{refusal}");
    bench.create("vmdk", "", "base.vmdk", SIZE);
    bench.scribble("vmdk", "base.vmdk", SIZE, 3);
    let refusal = self::refusal(&bench.path("child.vmdk"));
    assert!(refusal.contains("its identity is another one"), "{refusal}");
}

#[test]
fn what_of_qcow2_is_not_read_is_told() {
    let Some(bench) = Bench::new() else { return };
    bench.create("qcow2", "", "locked", 1 << 20);
    // The field of the header that says how data are encrypted: by AES. Making such an image would take a second.
    let mut image = fs::read(bench.path("locked")).unwrap();
    image[35] = 1;
    fs::write(bench.path("locked"), image).unwrap();
    assert!(refusal(&bench.path("locked")).contains("encryption"));
    bench.create("qcow2", "", "base", 1 << 20);
    let json = "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"base\"}}";
    bench.run("qemu-img", &["create", "-q", "-f", "qcow2", "-b", json, "-F", "qcow2", "top"]);
    assert!(refusal(&bench.path("top")).contains("not named by a path"));
    bench.run("qemu-img", &["create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top"]);
    fs::remove_file(bench.path("base")).unwrap();
    assert!(refusal(&bench.path("top")).contains("is missing"));
}

fn refusal(path: &Path) -> String {
    let opened = crate::open(&crate::LocalFiles, path.to_str().unwrap(), &super::support::OPTIONS);
    opened.err().expect("it was accepted").to_string()
}
