//! Directories that tell upper and lower case apart.

use super::crafted::{Image, attribute};
use vfs::{Cursor, ErrorKind, FileSystem};

const STANDARD_INFORMATION: u32 = 0x10;

/// The name with upper and lower case exchanged.
fn other_case(name: &[u8]) -> Vec<u8> {
    let exchange =
        |byte: &u8| if byte.is_ascii_lowercase() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
    name.iter().map(exchange).collect()
}

#[test]
fn names_in_another_case_are_found_unless_the_directory_tells_case_apart() {
    let mut image = Image::small();
    let root = image.open().unwrap().root();
    let mut names = Vec::new();
    let each = &mut |entry: vfs::DirEntry<'_>| {
        names.push(entry.name.to_vec());
        std::ops::ControlFlow::Continue(())
    };
    image.open().unwrap().read_dir(root, Cursor::START, each).unwrap();
    assert!(names.len() > 3);
    let fs = image.open().unwrap();
    for name in &names {
        assert_eq!(fs.lookup(root, &other_case(name)).unwrap(), fs.lookup(root, name).unwrap());
    }
    // Windows 10 and later: no maximum of versions, version 1.
    image.edit(root.0, |record| {
        let at = attribute(record, STANDARD_INFORMATION, "");
        let at = at + usize::from(record[at + 0x14]);
        record[at + 0x24..at + 0x2C].copy_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
    });
    let fs = image.open().unwrap();
    for name in &names {
        fs.lookup(root, name).unwrap();
        if other_case(name) != *name {
            assert_eq!(fs.lookup(root, &other_case(name)).unwrap_err().kind, ErrorKind::NotFound);
        }
    }
}
