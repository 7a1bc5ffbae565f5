//! Images that a kernel made, with the tables of its device mapper: every volume is read as these say.

use super::file_disk::FileDisk;
use crate::packed::{corpus, unpacked_lines};
use crate::{Device, MemberState, Purpose, Scan, scan};
use block::{BlockSize, ReadAt};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

const SECTOR: u64 = 512;

/// Unpacks an image into a file with holes.
fn unpack(packed: &Path, to: &Path) -> Arc<dyn ReadAt> {
    let mut reader = zstd::Decoder::new(File::open(packed).unwrap()).unwrap();
    reader.window_log_max(27).unwrap();
    let mut file = File::create(to).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let length = reader.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        if buffer[..length].iter().any(|byte| *byte != 0) {
            file.seek(SeekFrom::Start(size)).unwrap();
            file.write_all(&buffer[..length]).unwrap();
        }
        size += length as u64;
    }
    file.set_len(size).unwrap();
    Arc::new(FileDisk::open(to))
}

/// The kernel's tables by device, as lines of words.
fn tables(lines: &[String]) -> HashMap<String, Vec<Vec<String>>> {
    let mut tables: HashMap<String, Vec<Vec<String>>> = HashMap::new();
    for line in lines {
        let (name, table) = line.split_once(": ").unwrap();
        tables.entry(name.to_owned()).or_default().push(table.split(' ').map(str::to_owned).collect());
    }
    tables
}

/// The bytes that linear and striped tables give.
fn read_table(table: &[Vec<String>], disks: &HashMap<&str, Arc<dyn ReadAt>>) -> Vec<u8> {
    let number = |word: &String| word.parse::<u64>().unwrap();
    let mut bytes = Vec::new();
    for line in table {
        let length = number(&line[1]) * SECTOR;
        let mut part = vec![0; length as usize];
        match line[2].as_str() {
            "linear" => disks[line[3].as_str()].read_exact_at(number(&line[4]) * SECTOR, &mut part).unwrap(),
            "striped" => {
                let (columns, chunk) = (number(&line[3]), number(&line[4]) * SECTOR);
                for (row, chunk_bytes) in (0..).zip(part.chunks_mut(chunk as usize)) {
                    let at = 5 + (row % columns) as usize * 2;
                    let offset = number(&line[at + 1]) * SECTOR + row / columns * chunk;
                    disks[line[at].as_str()].read_exact_at(offset, chunk_bytes).unwrap();
                }
            }
            other => panic!("{other}"),
        }
        bytes.extend(part);
    }
    bytes
}

fn volume_bytes(scan: &Scan, position: &str, step: usize) -> Vec<u8> {
    let node = scan.nodes.iter().find(|node| node.position == position).unwrap();
    let mut bytes = vec![0; node.volume.bytes as usize];
    for (number, part) in (0..).zip(bytes.chunks_mut(step)) {
        node.volume.data.read_exact_at(number * step as u64, part).unwrap();
    }
    bytes
}

#[test]
fn volumes_of_the_corpus_are_read_as_the_kernels_tables_say() {
    let Some(corpus) = corpus() else { return };
    let directory = corpus.join("made/a-lvm");
    let scratch = tempfile::tempdir().unwrap();
    let disk = |number: usize| {
        unpack(&directory.join(format!("disk{number}.img.zst")), &scratch.path().join(number.to_string()))
    };
    let disks = [disk(0), disk(1)];
    let device =
        |data: &Arc<dyn ReadAt>| Device { name: String::new(), data: Arc::clone(data), block_size: BlockSize::B512 };
    let by_number = HashMap::from([("98:0", Arc::clone(&disks[0])), ("98:16", Arc::clone(&disks[1]))]);
    let tables = tables(&unpacked_lines(&directory.join("dmsetup-table.txt.zst")));
    // The order in which disks come says nothing.
    for step in [1 << 20, 333_333] {
        let order = if step == 1 << 20 { [0, 1] } else { [1, 0] };
        let devices: Vec<_> = order.iter().map(|number| device(&disks[*number])).collect();
        let scan = scan(&devices);
        assert_eq!(scan.notices, Vec::<String>::new());
        let [group] = scan.groups.as_slice() else { panic!("{} groups", scan.groups.len()) };
        assert_eq!(group.name.as_deref(), Some("vgtest"));
        assert!(group.members.iter().all(|member| member.state == MemberState::Active));
        for (name, table) in
            ["striped", "spare", "raid1_rimage_1", "pool_tmeta"].map(|name| (name, &tables[&format!("vgtest-{name}")]))
        {
            let position = format!("vgtest/{name}");
            assert!(volume_bytes(&scan, &position, step) == read_table(table, &by_number), "{position}");
        }
        let hidden = scan.nodes.iter().filter_map(|node| match &node.volume.purpose {
            Purpose::Internal(role) => Some((node.volume.name.as_str(), role.as_str())),
            _ => None,
        });
        let hidden: HashMap<_, _> = hidden.collect();
        for (name, role) in [
            ("raid1_rimage_0", "RAID image"),
            ("raid1_rmeta_1", "RAID metadata"),
            ("pool_tmeta", "thin metadata"),
            ("mirror_mimage_0", "mirror leg"),
            ("lvol0_pmspare", "pool spare"),
            ("pool", "thin pool"),
        ] {
            assert_eq!(hidden.get(name), Some(&role), "{name}");
        }
    }
}
