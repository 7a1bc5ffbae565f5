//! Inode flags, generations and project ids, beyond what a kernel would write.

use super::crafted::Image;
use std::sync::LazyLock;
use vfs::{FileSystem, NodeFlags};

static NO_CHECKSUMS: LazyLock<Image> = LazyLock::new(|| Image::new("no-checksums"));

const RO_COMPAT: u64 = 1024 + 0x64;
/// Bytes of `i_flags`, `i_generation` and `i_projid` in an inode.
const FLAGS: u64 = 0x20;
const GENERATION: u64 = 0x64;
const PROJECT: u64 = 0x9C;

fn flags(path: &str, patches: &[(u64, &[u8])]) -> NodeFlags {
    let image = &*NO_CHECKSUMS;
    let inode = image.inode(path);
    // Places beyond an inode are the superblock's.
    let place = |at: u64| if at < 256 { inode + at } else { at };
    let patches: Vec<_> = patches.iter().map(|(at, bytes)| (place(*at), *bytes)).collect();
    image.with(&patches).unwrap().flags(image.node(path)).unwrap().unwrap()
}

#[test]
fn users_see_the_flags_that_the_kernel_lets_them_see() {
    let all = [(FLAGS, &[0xFF; 4][..])];
    assert_eq!(flags("deep", &all).flags, 0x725B_DFFF);
    assert_eq!(flags("plain/f4096", &all).flags, 0x525B_DFFF, "files have no entries that inherit a project");
    assert_eq!(flags("plain/f4096", &[(FLAGS, &[0; 4])]).flags, 0);
}

#[test]
fn a_project_is_shown_only_where_the_file_system_has_projects() {
    let (generation, project) = ([1, 2, 3, 4], [5, 6, 7, 0xF8]);
    let patches = [(GENERATION, &generation[..]), (PROJECT, &project[..])];
    let expected = NodeFlags { generation: 0x0403_0201, ..flags("plain/f4096", &[]) };
    assert_eq!(flags("plain/f4096", &patches), expected);
    let features = (u32::from_le_bytes(NO_CHECKSUMS.get(RO_COMPAT)) | 0x2000).to_le_bytes();
    let with_feature = [&patches[..], &[(RO_COMPAT, &features[..])]].concat();
    assert_eq!(flags("plain/f4096", &with_feature), NodeFlags { project: 0xF807_0605, ..expected });
    // The inode says that its fixed fields end before the project.
    let without_room = [&with_feature[..], &[(0x80, &[28, 0])]].concat();
    assert_eq!(flags("plain/f4096", &without_room), expected);
}
