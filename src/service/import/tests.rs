use super::*;
use crate::testing::{Installation, import, quiet};
use crate::verify::verify;
use std::path::Path;

/// Every file in the vault, by its path there.
fn objects(installation: &Installation) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(&installation.path().join("vault"), &mut found);
    found
}

fn raw(installation: &Installation, name: &str, byte: u8) -> PathBuf {
    let path = installation.path().join(name);
    std::fs::write(&path, vec![byte; 1 << 20]).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_come_into_the_vault_in_their_order_with_hashes_and_what_is_on_them() {
    let installation = Installation::new();
    let service = installation.service().await;
    let disks = [raw(&installation, "b.img", 1), raw(&installation, "a.img", 2)];
    let os = Some("Debian 12".to_owned());
    let manifest = Import { os, ..import("web", &disks) }.run(&service.vault, &quiet()).await.unwrap();
    let names: Vec<_> = manifest.disks.iter().map(|disk| (disk.lun, disk.files[0].name.as_str())).collect();
    assert_eq!(names, [(0, "b.img"), (1, "a.img")]);
    assert_eq!(manifest.layout.disks.len(), 2);
    assert_eq!(manifest.taken_at.compact(), manifest.point.as_str());
    let read = service.vault.manifest(&manifest.vm, &manifest.point).await.unwrap().unwrap();
    assert_eq!(read, manifest);
    let verified = verify(&service.vault, &manifest.vm, &manifest.point, &|_| ()).await.unwrap();
    assert_eq!((verified.bytes, verified.problems.len()), (2 << 20, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_and_leaves_nothing() {
    let installation = Installation::new();
    let service = installation.service().await;
    let good = raw(&installation, "good.img", 1);
    let zip = installation.path().join("bad.img");
    std::fs::write(&zip, [b"PK\x03\x04", &[0; 4096][..]].concat()).unwrap();
    let before = objects(&installation);
    for bad in [zip, installation.path().join("missing.img"), installation.path().to_owned()] {
        let error = import("web", &[good.clone(), bad]).run(&service.vault, &quiet()).await.unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid, "{error}");
    }
    assert!(import("web", &[]).run(&service.vault, &quiet()).await.is_err());
    assert_eq!(objects(&installation), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_that_is_there_stays_as_it_is() {
    let installation = Installation::new();
    let service = installation.service().await;
    let point = Some("p1".parse().unwrap());
    let first = Import { point: point.clone(), ..import("web", &[raw(&installation, "a.img", 1)]) };
    let first = first.run(&service.vault, &quiet()).await.unwrap();
    let before = objects(&installation);
    let second = Import { point, ..import("web", &[raw(&installation, "b.img", 2)]) };
    let error = second.run(&service.vault, &quiet()).await.unwrap_err();
    assert!(error.to_string().contains("--point"), "{error}");
    assert_eq!(objects(&installation), before);
    assert!(verify(&service.vault, &first.vm, &first.point, &|_| ()).await.unwrap().problems.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_import_leaves_nothing() {
    let installation = Installation::new();
    let service = installation.service().await;
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    let progress = Arc::new(move |text: &str| {
        if text.contains("in the vault") {
            stopper.store(true, Ordering::Relaxed);
        }
    });
    let watch = Watch { progress, stop };
    let disk = raw(&installation, "a.img", 1);
    let error = import("web", &[disk]).run(&service.vault, &watch).await.unwrap_err();
    assert!(error.to_string().contains("interrupted"), "{error}");
    assert!(objects(&installation).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupted_or_missing_image_is_found_by_verify() {
    let installation = Installation::new();
    let service = installation.service().await;
    let manifest = installation.point(&service, "web", "p1", 1).await;
    let path = manifest.disks[0].files[0].path(&manifest).unwrap();
    let file = installation.path().join("vault").join(path);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[777_777] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let problems = async || verify(&service.vault, &manifest.vm, &manifest.point, &|_| ()).await.unwrap().problems;
    assert!(problems().await[0].contains("SHA-256"));
    std::fs::write(&file, &bytes[1..]).unwrap();
    assert!(problems().await[0].contains("bytes instead of"));
    std::fs::remove_file(&file).unwrap();
    assert!(!problems().await.is_empty());
}

#[test]
fn an_image_gets_nothing_from_elsewhere_unless_somebody_says_so() {
    use image::Files;
    let directory = tempfile::tempdir().unwrap();
    let (own, other) = (directory.path().join("own"), directory.path().join("other"));
    for path in [&own, &own.join("below"), &other] {
        std::fs::create_dir(path).unwrap();
    }
    for path in [own.join("disk.img"), own.join("below/base.img"), other.join("base.img")] {
        std::fs::write(path, [0; 512]).unwrap();
    }
    std::os::unix::fs::symlink(other.join("base.img"), own.join("link.img")).unwrap();
    let files = DiskFiles::of(&own.join("disk.img"), &[]).unwrap();
    assert_eq!(files.name(), "disk.img");
    assert!(files.open("disk.img").is_ok() && files.open("below/base.img").is_ok());
    let outside = other.join("base.img").display().to_string();
    for name in ["../other/base.img", &outside, "link.img", "/etc/passwd"] {
        let error = files.open(name).err().unwrap().to_string();
        assert!(error.contains("--files-in"), "{name}: {error}");
    }
    assert!(matches!(files.open("gone.img"), Err(image::Error::NotFound(_))));
    let names: Vec<_> = files.found().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["disk.img", "below/base.img"]);
    let allowed = DiskFiles::of(&own.join("disk.img"), &[other]).unwrap();
    assert!(allowed.open("../other/base.img").is_ok());
}

/// Runs qemu-img; `false` where there is none.
fn qemu_img(directory: &Path, args: &[&str]) -> bool {
    let output = match std::process::Command::new("qemu-img").args(args).current_dir(directory).output() {
        Ok(output) => output,
        Err(_) if std::env::var_os("FR_REQUIRE_ALL").is_none_or(|all| all != "1") => {
            eprintln!(
                "SKIPPED: images of other formats are not imported, qemu-img is missing (apt-get install qemu-utils)"
            );
            return false;
        }
        Err(error) => panic!("FR_REQUIRE_ALL=1, and qemu-img is missing: {error}"),
    };
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    true
}

/// All bytes of a disk.
async fn content(disk: &Arc<dyn Disk>) -> Vec<u8> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let count = u32::try_from(disk.geometry().blocks()).unwrap();
    disk.submit(block::BlockRange { first: 0, count }, Box::new(move |answer| drop(sender.send(answer))));
    receiver.await.unwrap().unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_imported_and_read_from_the_vault_as_it_was() {
    let installation = Installation::new();
    let service = installation.service().await;
    let directory = installation.path();
    // 64 cylinders of 16 heads and 17 sectors: a size that a VHD has, too.
    let raw: Vec<u8> = (0..64 * 16 * 17 * 512_u32).map(|i| (i / 512 % 251) as u8).collect();
    std::fs::write(directory.join("raw.img"), &raw).unwrap();
    let formats = [
        ("raw", "", "raw", image::Format::Raw),
        ("vpc", "subformat=fixed,force_size=on", "fixed.vhd", image::Format::Vhd),
        ("vpc", "subformat=dynamic,force_size=on", "dynamic.vhd", image::Format::Vhd),
        ("vhdx", "subformat=dynamic", "dynamic.vhdx", image::Format::Vhdx),
        ("qcow2", "", "one.qcow2", image::Format::Qcow2),
        ("vmdk", "subformat=monolithicSparse", "sparse.vmdk", image::Format::Vmdk),
        ("vmdk", "subformat=twoGbMaxExtentFlat", "flat.vmdk", image::Format::Vmdk),
    ];
    let mut disks = Vec::new();
    for (format, options, name, _) in formats {
        let options = if options.is_empty() { vec![] } else { vec!["-o", options] };
        let args = [&["convert", "-f", "raw", "-O", format][..], &options, &["raw.img", name]].concat();
        if !qemu_img(directory, &args) {
            return;
        }
        disks.push(directory.join(name));
    }
    qemu_img(directory, &["create", "-q", "-f", "qcow2", "-b", "one.qcow2", "-F", "qcow2", "top.qcow2"]);
    disks.push(directory.join("top.qcow2"));
    let manifest = import("web", &disks).run(&service.vault, &quiet()).await.unwrap();
    let found: Vec<_> = manifest.disks.iter().map(|disk| disk.format).collect();
    assert_eq!(found[..7], formats.map(|format| format.3));
    assert_eq!(manifest.disks[7].files.len(), 2, "what it builds on is not there");
    assert_eq!(manifest.disks[7].files[1].object, manifest.disks[4].files[0].object, "it was copied twice");
    for disk in disks.iter().chain([&directory.join("flat-f001.vmdk")]) {
        std::fs::remove_file(disk).unwrap();
    }
    let opened = Images::new(service.vault.clone(), 16 << 20).disks(&manifest).await.unwrap();
    for (disk, entry) in opened.iter().zip(&manifest.disks) {
        assert!(content(disk).await == raw, "disk {} ({}) is another one", entry.lun, entry.format);
    }
    assert!(verify(&service.vault, &manifest.vm, &manifest.point, &|_| ()).await.unwrap().problems.is_empty());
}
