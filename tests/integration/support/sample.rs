//! The sample recovery point of `packaging/sample`, as files: a GPT disk with two volumes, an MBR disk with a logical one.

use super::process::{program, run};
use std::path::{Path, PathBuf};

/// The unpacked disks; they go with the value.
pub(crate) struct Sample {
    directory: tempfile::TempDir,
}

/// A partition, as sfdisk sees it.
pub(crate) struct Partition {
    pub(crate) number: u32,
    pub(crate) start: u64,
    pub(crate) bytes: u64,
}

impl Sample {
    pub(crate) fn unpack() -> Self {
        let sample = Self { directory: tempfile::tempdir().unwrap() };
        for disk in 0..2 {
            let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("packaging/sample/disk{disk}.img.zst"));
            run(program("zstd").args(["-dq", "--sparse"]).arg(packed).arg("-o").arg(sample.disk(disk)));
        }
        sample
    }

    pub(crate) fn disk(&self, number: usize) -> PathBuf {
        self.directory.path().join(format!("disk{number}.img"))
    }
}

/// The partitions of a disk image that can hold files, by sfdisk: an opinion that is not our own.
pub(crate) fn partitions(image: &Path) -> Vec<Partition> {
    let listing = run(program("sfdisk").arg("--json").arg(image));
    let listing: serde_json::Value = serde_json::from_str(&listing).unwrap();
    let table = &listing["partitiontable"];
    let sector = table["sectorsize"].as_u64().unwrap();
    let extended = |entry: &&serde_json::Value| !["5", "f", "85"].contains(&entry["type"].as_str().unwrap());
    let number = |node: &str| node.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
    let partition = |entry: &serde_json::Value| Partition {
        number: number(entry["node"].as_str().unwrap()),
        start: entry["start"].as_u64().unwrap() * sector,
        bytes: entry["size"].as_u64().unwrap() * sector,
    };
    table["partitions"].as_array().unwrap().iter().filter(extended).map(partition).collect()
}
