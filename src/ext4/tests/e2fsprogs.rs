//! The images of e2fsprogs' own tests: each is opened or refused with a message, in bounded time and memory; what e2fsck
//! calls clean shows what the kernel shows.

use super::file_disk::FileDisk;
use super::fixture::directory;
use super::kernel::skipped;
use super::{manifest, walk};
use crate::Ext4;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names the directory of images to the process that reads them.
const IMAGES: &str = "FR_TEST_E2FSPROGS_IMAGES";
const RESIDENT_BYTES_MAX: u64 = 256 << 20;
/// Many times what the slowest one needs.
const TIME_MAX: Duration = Duration::from_secs(60);

fn script(command: &str, images: &Path) -> Result<(), String> {
    let script = directory().join("e2fsprogs.py");
    let output = Command::new("python3").arg(script).arg(command).arg(images).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said.lines().last().unwrap_or("no message").to_owned()) }
}

/// The most memory that this process had.
fn resident_bytes_max() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn images(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut images: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "img")).collect();
    images.sort();
    images
}

#[test]
fn images_of_e2fsprogs_are_opened_or_refused_and_clean_ones_show_what_the_kernel_shows() {
    let executable = std::env::current_exe().unwrap();
    let cache = executable.ancestors().nth(3).unwrap().join("e2fsprogs");
    if let Err(why) = script("fetch", &cache).and_then(|()| script("manifests", &cache)) {
        skipped(&format!("the images of e2fsprogs were not tried: they could not be fetched ({why})"));
        return;
    }
    // A process of its own: how much memory it takes is measured.
    let test = "tests::e2fsprogs::in_this_process";
    let output = Command::new(executable)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(IMAGES, cache.join("images"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

fn first_difference(kernel: &[String], ours: &[String]) -> String {
    let differing = kernel.iter().zip(ours).find(|(kernel, ours)| kernel != ours);
    differing.map_or_else(|| "another number of names".to_owned(), |(kernel, ours)| format!("{kernel}\n{ours}"))
}

#[test]
#[ignore = "run by the test above"]
fn in_this_process() {
    let directory = PathBuf::from(std::env::var_os(IMAGES).expect("it is run by another test"));
    let (mut opened, mut refused, mut compared, mut wrong) = (0, 0, 0, Vec::new());
    for path in images(&directory) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        eprintln!("{name}");
        let start = Instant::now();
        let kernel = fs::read_to_string(path.with_extension("manifest")).ok();
        match Ext4::open(Arc::new(FileDisk::open(&path))) {
            Err(error) => {
                assert!(!error.message.is_empty());
                refused += 1;
                wrong.extend(kernel.map(|_| format!("{name}: {error}")));
            }
            Ok(fs) => {
                walk::of(&fs, true);
                opened += 1;
                if let Some(kernel) = kernel {
                    let kernel: Vec<_> = kernel.lines().map(str::to_owned).collect();
                    // Free space of damaged file systems is counted otherwise by each.
                    match manifest::of(&fs) {
                        Ok(ours) if ours[1..] == kernel[1..] => compared += 1,
                        Ok(ours) => wrong.push(format!("{name}: {}", first_difference(&kernel[1..], &ours[1..]))),
                        Err(error) => wrong.push(format!("{name}: {error}")),
                    }
                }
            }
        }
        assert!(start.elapsed() < TIME_MAX, "{name} took {:?}", start.elapsed());
        assert!(resident_bytes_max() < RESIDENT_BYTES_MAX, "{name}: {} bytes of memory", resident_bytes_max());
    }
    eprintln!("opened {opened}, refused {refused}, equal to the kernel's {compared}, {} bytes", resident_bytes_max());
    assert!(wrong.is_empty(), "not as the kernel has them: {wrong:#?}");
    assert!(opened + refused > 150 && compared > 20, "there are fewer images than there were");
}
