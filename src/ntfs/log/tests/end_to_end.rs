//! A volume that mkntfs and ntfs-3g made, with a log put into its `$LogFile`, opened as any other.

use super::real::{self, CLUSTER, DATA, INFORMATION, LOG_FILE, NAME, NAME_IN_VALUE, update};
use super::writer::{Body, LogWriter, PAGE};
use crate::tests::fixture::{UPCASE, image, oracle};
use crate::tests::fixtures::directory;
use crate::tests::manifest;
use crate::{Ntfs, OpenOptions};
use block::{BlockSize, MemoryDisk, ReadAt};
use std::io::Write;
use std::sync::Arc;
use vfs::{ErrorKind, FileSystem, State, Stream};

fn open(volume: &[u8], replay: bool) -> Ntfs {
    let disk: Arc<dyn ReadAt> = Arc::new(MemoryDisk::new(volume.to_vec(), BlockSize::B512));
    Ntfs::open_with(&disk, &OpenOptions { replay, ..OpenOptions::default() }).unwrap()
}

/// The data of a file, or of a stream of it; `None` where there is no such name.
fn data(fs: &Ntfs, name: &str) -> Option<Vec<u8>> {
    let (name, stream) = name.split_once(':').map_or((name, None), |(name, stream)| (name, Some(stream)));
    let node = match fs.lookup(fs.root(), name.as_bytes()) {
        Err(error) if error.kind == ErrorKind::NotFound => return None,
        found => found.unwrap(),
    };
    let mut bytes = vec![0; 10_000];
    match fs.read_at(node, stream.map_or(Stream::Main, |stream| Stream::Named(stream.as_bytes())), 0, &mut bytes) {
        Err(error) if error.kind == ErrorKind::NoAttribute => return None,
        read => bytes.truncate(read.unwrap()),
    }
    Some(bytes)
}

/// Files and streams: their data after the replay, and as they lie on the volume.
const SHOWN: [(&str, Option<&str>, Option<&str>); 9] = [
    ("a.txt", Some("new content of a"), Some("old content of a")),
    ("b.txt", Some("old content of b"), Some("halfcontent of b")),
    ("name-12", Some(""), None),
    ("name-29", None, Some("")),
    ("name-c.txt", None, Some("content of c")),
    ("name-d.txt", Some("content of c"), None),
    ("streams.txt:came", Some("a stream that came"), None),
    ("streams.txt:goes", None, Some("a stream that goes")),
    ("z.txt", Some("data of new file"), None),
];
/// Bytes that a file has after it grew.
const GROWN: u16 = 8000;

/// The volume with a log in it, and where that begins; with an operation at the end that cannot be done.
fn dirty(is_fast: bool, misfit: Option<u16>) -> (Vec<u8>, usize) {
    let mut volume = image("dirty-log/base");
    let fs = open(&volume, true);
    let node = |name: &str| fs.lookup(fs.root(), name.as_bytes()).unwrap().0;
    let (a, b, c) = (node("a.txt"), node("b.txt"), node("name-c.txt"));
    let mut log = LogWriter::new(is_fast, 0x22, 0x4000);
    log.checkpoint(1, [&real::open_attributes(), &[], &[]]);
    // A transaction that does not end: two of its changes are on the volume already, the last one is not.
    for body in [real::unlisting(&volume, "name-12"), update(&volume, b, DATA, 0, b"half")] {
        let lsn = log.change(0x68, &body);
        real::write(&mut volume, &body, lsn);
    }
    log.change(0x68, &update(&volume, b, DATA, 4, b"CONTENT"));
    // One that does, and is in the log alone. What changes the size of the directory goes from its end to its beginning.
    let (grows, cluster) = (node("grows.txt"), real::free_cluster(&volume));
    let changes = [
        vec![update(&volume, a, DATA, 0, b"new content of a")],
        vec![update(&volume, a, INFORMATION, 8, &0x01D0_0000_0000_0000_u64.to_le_bytes())],
        vec![update(&volume, c, NAME, NAME_IN_VALUE + 10, b"d")],
        real::renaming(&volume, "name-c.txt", b'd').to_vec(),
        real::growth(&volume, (grows, "grows.txt"), cluster, GROWN.into()).to_vec(),
        real::creation(&volume, (a, "a.txt"), b'z', b"data of new file").to_vec(),
        real::removal(&volume, node("name-29"), "name-29").to_vec(),
        real::exchange(&volume, node("streams.txt"), ("goes", "came"), b"a stream that came").to_vec(),
    ];
    for body in changes.concat() {
        log.change(0x40, &body);
    }
    if let Some(redo) = misfit {
        log.change(0x40, &Body { redo, ..update(&volume, a, DATA, 0, b"x") });
    }
    log.forget(0x40);
    // Data of files are not logged: they are there before the file has them.
    let first = real::lcn(&volume, grows, DATA) * CLUSTER;
    volume[first + 4000..first + CLUSTER].fill(b'+');
    volume[cluster * CLUSTER..][..usize::from(GROWN) - CLUSTER].fill(b'+');
    let (file, at) = (log.file(), real::lcn(&volume, LOG_FILE, DATA) * CLUSTER);
    volume[at..][..file.len()].copy_from_slice(&file);
    (volume, at)
}

#[test]
fn a_volume_with_a_log_shows_what_was_committed_and_undoes_the_rest() {
    for (is_fast, name) in [(true, "2.0"), (false, "1.1")] {
        let (volume, _) = dirty(is_fast, None);
        if std::env::var_os("FR_WRITE_FIXTURES").is_some() {
            let path = directory("ntfs").join(format!("dirty-log/log-{name}.img.zst"));
            let mut packer = zstd::Encoder::with_dictionary(Vec::new(), 19, &UPCASE).unwrap();
            packer.write_all(&volume).unwrap();
            std::fs::write(path, packer.finish().unwrap()).unwrap();
        }
        assert!(image(&format!("dirty-log/log-{name}")) == volume, "run this test with FR_WRITE_FIXTURES=1");
        let (after, before) = (open(&volume, true), open(&volume, false));
        for (fs, told) in
            [(&after, "3 changes of 1 unfinished transactions undone"), (&before, "not replayed, as asked")]
        {
            assert!(fs.describe().state.contains(&State::JournalToBeReplayed), "{name}: {:?}", fs.info().notices);
            assert!(fs.info().notices.iter().any(|notice| notice.contains(told)), "{:?}", fs.info().notices);
        }
        for (name, replayed, as_it_lies) in SHOWN {
            let text = |data: Option<Vec<u8>>| data.map(|data| String::from_utf8(data).unwrap());
            assert_eq!(text(data(&after, name)).as_deref(), replayed, "{name} after the replay");
            assert_eq!(text(data(&before, name)).as_deref(), as_it_lies, "{name} as it lies");
        }
        let removed = before.lookup(before.root(), b"name-29").unwrap();
        assert_eq!(after.attr(removed).unwrap_err().kind, ErrorKind::NotFound);
        let (small, large) = (data(&before, "grows.txt").unwrap(), data(&after, "grows.txt").unwrap());
        assert_eq!((small.len(), large.len()), (4000, GROWN.into()));
        assert!(large.starts_with(&small) && large[4000..].iter().all(|byte| *byte == b'+'));
    }
}

#[test]
fn a_volume_whose_log_is_not_understood_opens_as_it_lies() {
    /// `AddIndexEntryRoot`, of an attribute that is no root.
    const MISFIT: u16 = 0x0C;
    let ((unknown, _), (misfit, _)) = (dirty(true, Some(0x70)), dirty(true, Some(MISFIT)));
    let (mut torn, log) = dirty(true, None);
    torn[log + 0x22 * PAGE + 510] ^= 1;
    let state = open(&misfit, false).describe().state;
    assert!(state.contains(&State::JournalToBeReplayed), "what is not done cannot fail: {state:?}");
    for volume in [unknown, misfit, torn] {
        let fs = open(&volume, true);
        assert!(fs.describe().state.contains(&State::JournalNotReplayable), "{:?}", fs.info().notices);
        assert!(fs.info().notices.iter().any(|notice| notice.contains("cannot be replayed (")));
        for (name, _, as_it_lies) in SHOWN {
            assert_eq!(data(&fs, name).as_deref(), as_it_lies.map(str::as_bytes), "{name}");
        }
    }
}

/// What ntfs3 made of a copy, as ntfs3 shows it, and as ntfs-3g does, which tells streams too.
#[test]
fn ntfs3_replays_the_same_logs_to_the_same_files() {
    for name in ["dirty-log/log-1.1", "dirty-log/log-2.0"] {
        let ours = manifest::of(&open(&image(name), true)).unwrap();
        for driver in ["ntfs3", "ntfs-3g"] {
            let theirs = oracle(name, driver);
            assert!(theirs.len() > 20, "{name} by {driver}: {} lines", theirs.len());
            manifest::assert_same(&format!("{name} by {driver}"), &theirs, &ours);
        }
    }
}
