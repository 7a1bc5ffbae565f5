use super::*;
use crate::UnixTime;
use crate::manifest::{Consistency, DiskEntry, FileEntry, Manifest};
use ::image::Format;
use block::{Disk, ReadErrorKind};
use object_store::memory::InMemory;

fn vault() -> Vault {
    Vault::in_store(Arc::new(InMemory::new()))
}

/// A point of one raw disk of these bytes, put there without an import.
async fn point(vault: &Vault, content: &'static [u8]) -> Manifest {
    let bytes = content.len() as u64;
    let file = FileEntry { name: "d.img".into(), object: "disk-0.img".into(), bytes, sha256: String::new() };
    let manifest = Manifest {
        version: 1,
        vm: "web".parse().unwrap(),
        point: "p1".parse().unwrap(),
        os: None,
        taken_at: UnixTime::from_seconds(1),
        imported_at: UnixTime::from_seconds(2),
        consistency: Consistency::Crash,
        disks: vec![DiskEntry {
            lun: 0,
            format: Format::Raw,
            block_size: 512,
            bytes: bytes / 512 * 512,
            files: vec![file],
        }],
        layout: session::Report::default(),
    };
    vault.store.put(&vault.at("points/web/p1/disk-0.img"), Bytes::from_static(content).into()).await.unwrap();
    manifest
}

async fn read(disk: &Arc<dyn Disk>, first: u64, count: u32) -> Result<Bytes, block::ReadError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    disk.submit(block::BlockRange { first, count }, Box::new(move |answer| drop(sender.send(answer))));
    receiver.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_are_read_by_ranges_up_to_an_end_that_is_no_whole_block() {
    let vault = vault();
    let content: &'static [u8] = Box::leak((0..5000_u32).map(|i| i as u8).collect::<Vec<_>>().into_boxed_slice());
    let manifest = point(&vault, content).await;
    let disks = Images::new(vault, 1 << 24).disks(&manifest).await.unwrap();
    assert_eq!(disks[0].geometry().blocks(), 9);
    assert_eq!(read(&disks[0], 8, 1).await.unwrap(), content[4096..4608]);
    assert_eq!(read(&disks[0], 0, 9).await.unwrap(), content[..4608]);
    assert_eq!(read(&disks[0], 9, 1).await.unwrap_err().kind, ReadErrorKind::OutOfRange);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_replaced_under_us_is_an_error_and_not_wrong_bytes() {
    let vault = vault();
    let manifest = point(&vault, &[1; 2 << 20]).await;
    let disks = Images::new(vault.clone(), 1 << 24).disks(&manifest).await.unwrap();
    assert!(read(&disks[0], 0, 1).await.is_ok());
    point(&vault, &[2; 2 << 20]).await;
    let error = read(&disks[0], 3000, 1).await.unwrap_err();
    assert!(error.to_string().contains("replaced"), "{error}");
    vault.remove("points/web/p1/disk-0.img").await.unwrap();
    assert!(read(&disks[0], 3500, 1).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_length_than_the_manifest_says_is_not_opened() {
    let vault = vault();
    let manifest = point(&vault, &[1; 4096]).await;
    point(&vault, &[1; 8192]).await;
    let error = Images::new(vault, 1 << 24).disks(&manifest).await.err().unwrap();
    assert!(error.to_string().contains("8192"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_leads_to_nothing_but_the_files_beside_it() {
    let vault = vault();
    let mut manifest = point(&vault, &[1; 4096]).await;
    for object in ["../p2/disk-0.img", "a/b", "", "..", "x\0", ".hidden"] {
        manifest.disks[0].files[0].object = object.to_owned();
        assert!(Images::new(vault.clone(), 1 << 24).disks(&manifest).await.is_err(), "{object:?}");
    }
}

#[tokio::test]
async fn what_is_created_once_is_never_written_over() {
    let vault = vault();
    assert!(vault.create("grants/a.json", &1).await.unwrap());
    assert!(!vault.create("grants/a.json", &2).await.unwrap());
    assert_eq!(vault.read::<u32>("grants/a.json").await.unwrap(), Some(1));
    assert_eq!(vault.read::<u32>("grants/b.json").await.unwrap(), None);
    vault.remove("grants/a.json").await.unwrap();
    vault.remove("grants/a.json").await.unwrap();
    assert!(!vault.exists("grants/a.json").await.unwrap());
}

#[tokio::test]
async fn what_lies_about_in_a_vault_is_not_taken_for_a_point() {
    let vault = vault();
    for path in [
        "points/web/p1/manifest.json",
        "points/web/p2/disk-0.img",
        "points/web/manifest.json",
        "points/.x/p/manifest.json",
    ] {
        vault.create(path, &0).await.unwrap();
    }
    let points = vault.points(None).await.unwrap();
    assert_eq!(points.iter().map(|place| place.point.as_str()).collect::<Vec<_>>(), ["p1"]);
    assert!(vault.manifest(&points[0].vm, &points[0].point).await.is_err());
}

#[tokio::test]
async fn a_directory_is_a_vault_too_with_its_own_rights() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("vault").display().to_string();
    let (options, secret_files) = Default::default();
    let vault = Vault::open(&VaultConfig { root, options, secret_files }).unwrap();
    vault.check().await.unwrap();
    assert!(vault.points(None).await.unwrap().is_empty());
    assert!(vault.create("grants/a.json", &1).await.unwrap() && !vault.create("grants/a.json", &1).await.unwrap());
    assert_eq!(vault.list("grants").await.unwrap()[0].name_in("grants"), Some("a"));
}
