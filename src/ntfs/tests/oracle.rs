//! Against `ntfs` and `ntfs-core`, other readers of the format: where both understand an image they agree. And what they
//! get wrong without a word, which is why they are only compared with.

use super::crafted::{Image, attribute, content, find, put64};
use super::tree;
use ntfs_core::NtfsFs;
use other_ntfs::structured_values::NtfsFileNamespace;
use other_ntfs::{Ntfs as Theirs, NtfsReadSeek};
use std::io::Cursor;
use std::ops::ControlFlow;
use vfs::{FileSystem, FileType, NodeId};

const DATA: u32 = 0x80;

/// The unnamed data of a record, by the `ntfs` crate.
fn theirs(image: &Image, node: NodeId) -> Result<Vec<u8>, String> {
    let text = |error: other_ntfs::NtfsError| error.to_string();
    let mut disk = Cursor::new(&image.bytes[..]);
    let fs = Theirs::new(&mut disk).map_err(text)?;
    let file = fs.file(&mut disk, node.0).map_err(text)?;
    let item = file.data(&mut disk, "").ok_or("no data")?.map_err(text)?;
    let mut value = item.to_attribute().map_err(text)?.value(&mut disk).map_err(text)?;
    let mut data = vec![0; value.len() as usize];
    value.read_exact(&mut disk, &mut data).map_err(text)?;
    Ok(data)
}

/// Names in a directory, by the `ntfs` crate.
fn their_names(image: &Image, node: NodeId) -> Result<Vec<String>, String> {
    let text = |error: other_ntfs::NtfsError| error.to_string();
    let mut disk = Cursor::new(&image.bytes[..]);
    let fs = Theirs::new(&mut disk).map_err(text)?;
    let directory = fs.file(&mut disk, node.0).map_err(text)?;
    let (index, mut found) = (directory.directory_index(&mut disk).map_err(text)?, Vec::new());
    let mut entries = index.entries();
    while let Some(entry) = entries.next(&mut disk) {
        let entry = entry.map_err(text)?;
        let name = entry.key().ok_or("no key")?.map_err(text)?;
        if entry.file_reference().file_record_number() >= 16 && name.namespace() != NtfsFileNamespace::Dos {
            found.push(name.name().to_string().map_err(|error| error.to_string())?);
        }
    }
    found.sort();
    Ok(found)
}

fn core(image: &Image) -> ntfs_core::Result<NtfsFs<Cursor<Vec<u8>>>> {
    NtfsFs::open(Cursor::new(image.bytes.clone()))
}

fn core_data(image: &Image, node: NodeId) -> Result<Vec<u8>, String> {
    core(image).unwrap().read_data_by_record(node.0, None, u64::MAX).map_err(|error| error.to_string())
}

fn our_names(fs: &dyn FileSystem, node: NodeId) -> Vec<String> {
    let mut found = Vec::new();
    fs.read_dir(node, vfs::Cursor::START, &mut |entry| {
        found.push(String::from_utf8(entry.name.to_vec()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    found.sort();
    found
}

/// Regular files below some directories, with their data.
fn files(image: &Image, below: &[&str]) -> Vec<(String, NodeId, Vec<u8>)> {
    let (fs, mut found) = (image.open().unwrap(), Vec::new());
    let each = &mut |path: &[u8], node: NodeId| {
        let path = String::from_utf8(path.to_vec()).unwrap();
        let is_below = below.iter().any(|directory| path.starts_with(directory));
        if is_below && fs.attr(node)?.file_type == FileType::Regular {
            let data = content(&fs, path.trim_start_matches('/'))?;
            found.push((path, node, data));
        }
        Ok(())
    };
    tree::each(&fs, each).unwrap();
    found
}

/// An image in which a file was written up to its hundredth byte only, and the file.
fn written_in_part(image: &mut Image, path: &str) -> NodeId {
    let node = find(&image.open().unwrap(), path).unwrap();
    image.edit(node.0, |record| {
        let at = attribute(record, DATA, "");
        assert_eq!(record[at + 8], 1, "{path} is in its record");
        put64(record, at + 0x38, 100);
    });
    node
}

#[test]
fn the_ntfs_crate_finds_the_same_names_and_the_same_plain_data() {
    let image = Image::large();
    let fs = image.open().unwrap();
    for path in ["many", "packed", "streams", "runs", "links"] {
        let node = find(&fs, path).unwrap();
        assert_eq!(their_names(&image, node).unwrap(), our_names(&fs, node), "{path}");
    }
    let files = files(&image, &["/many", "/streams", "/runs"]);
    assert!(files.len() > 120, "{} files", files.len());
    for (path, node, data) in files {
        assert!(theirs(&image, node).unwrap() == data, "{path}");
    }
}

#[test]
fn the_ntfs_crate_shows_what_lies_behind_the_initialized_size_where_we_show_zeros() {
    let mut image = Image::large();
    let node = written_in_part(&mut image, "runs/a");
    let ours = content(&image.open().unwrap(), "runs/a").unwrap();
    assert!(ours[100..].iter().all(|byte| *byte == 0));
    let theirs = theirs(&image, node).unwrap();
    assert!(theirs[..100] == ours[..100] && theirs[100..].iter().any(|byte| *byte != 0));
}

#[test]
fn the_ntfs_crate_gives_compressed_bytes_as_they_lie_where_we_unpack_them() {
    let image = Image::small();
    let node = find(&image.open().unwrap(), "packed/text").unwrap();
    let ours = content(&image.open().unwrap(), "packed/text").unwrap();
    assert!(ours.starts_with(b"line 0: the quick brown fox"));
    let theirs = theirs(&image, node).unwrap();
    assert!(theirs.len() == ours.len() && theirs != ours && !theirs.starts_with(b"line 0"));
}

#[test]
fn the_ntfs_crate_does_not_read_a_file_whose_runs_go_on_in_another_record() {
    let image = Image::small();
    let node = find(&image.open().unwrap(), "runs/a").unwrap();
    let ours = content(&image.open().unwrap(), "runs/a").unwrap();
    let expected: Vec<u8> = (0..600_u32).flat_map(|number| [(number % 251) as u8; 512]).collect();
    assert!(ours == expected);
    assert!(theirs(&image, node).ok().as_ref() != Some(&expected));
}

#[test]
fn ntfs_core_reads_the_same_plain_and_compressed_data() {
    let image = Image::small();
    let files = files(&image, &["/many", "/streams", "/runs", "/packed"]);
    assert!(files.len() > 120, "{} files", files.len());
    for (path, node, data) in files {
        assert!(core_data(&image, node).unwrap() == data, "{path}");
    }
}

#[test]
fn ntfs_core_refuses_volumes_with_sectors_of_4_kib_which_we_read() {
    assert!(core(&Image::large()).is_err() && Image::large().open().is_ok());
}

#[test]
fn ntfs_core_shows_what_lies_behind_the_initialized_size_where_we_show_zeros() {
    let mut image = Image::small();
    let node = written_in_part(&mut image, "runs/a");
    let ours = content(&image.open().unwrap(), "runs/a").unwrap();
    let theirs = core_data(&image, node).unwrap();
    assert!(theirs[..100] == ours[..100] && theirs[100..].iter().any(|byte| *byte != 0));
    assert!(ours[100..].iter().all(|byte| *byte == 0));
}

#[test]
fn ntfs_core_cannot_list_a_directory_whose_root_is_in_another_record() {
    let image = Image::small();
    let fs = image.open().unwrap();
    let node = find(&fs, "wide").unwrap();
    assert_eq!(our_names(&fs, node).len(), 40);
    let theirs = core(&image).unwrap();
    let record = theirs.read_record(node.0).unwrap();
    assert!(theirs.directory_entries(&record).is_err());
}
