//! The sample recovery point of `packaging/sample`, as files: a GPT disk with two volumes, an MBR disk with a logical one.

use super::process::{program, run};
use std::path::{Path, PathBuf};

/// The unpacked disks; they go with the value.
pub(crate) struct Sample {
    directory: tempfile::TempDir,
}

/// Panics unless every file of the sample is below this mount point with the content that it should have, and no other.
#[track_caller]
pub(crate) fn assert_whole(mount_point: &Path) {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/sample/SHA256SUMS");
    // sha256sum is an opinion that is not our own.
    run(program("sha256sum").args(["--check", "--strict", "--quiet"]).arg(&list).current_dir(mount_point));
    let expected = std::fs::read_to_string(list).unwrap().lines().count();
    let found = run(program("find").arg(mount_point).args(["-type", "f"])).lines().count();
    assert_eq!(found, expected, "files that are not on the list are below {}", mount_point.display());
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

    /// The disks as hypervisors keep them: the first as VHDX, the second as qcow2 that builds on another file.
    pub(crate) fn converted(&self) -> [PathBuf; 2] {
        let file = |name: &str| self.directory.path().join(name);
        let [vhdx, base, top] = ["disk0.vhdx", "disk1-base.qcow2", "disk1.qcow2"].map(file);
        let convert = |to: &str, from: PathBuf, into: &Path| {
            run(program("qemu-img").args(["convert", "-f", "raw", "-O", to]).arg(from).arg(into));
        };
        convert("vhdx", self.disk(0), &vhdx);
        convert("qcow2", self.disk(1), &base);
        let create = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "disk1-base.qcow2"];
        run(program("qemu-img").args(create).arg(&top));
        [vhdx, top]
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
