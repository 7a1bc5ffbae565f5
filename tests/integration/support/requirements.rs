//! What a test needs of the machine, and what happens when it is not there.

use std::io::Write;
use std::path::Path;

/// Something that not every machine has.
#[derive(Clone, Copy)]
pub(crate) enum Need {
    /// Mounting, other users, loop devices.
    Root,
    /// The FUSE device.
    Fuse,
    /// A program, and the Debian package that it comes with.
    Program(&'static str, &'static str),
    /// What `tests/emulators/install` installs.
    Emulators,
}

impl Need {
    pub(crate) const MKFS: Self = Self::Program("mkfs.ext4", "e2fsprogs");
    pub(crate) const MKNTFS: Self = Self::Program("mkntfs", "ntfs-3g");
    pub(crate) const SETFATTR: Self = Self::Program("setfattr", "attr");
    pub(crate) const SETFACL: Self = Self::Program("setfacl", "acl");
    pub(crate) const SFDISK: Self = Self::Program("sfdisk", "fdisk");
    pub(crate) const TGT: Self = Self::Program("tgtd", "tgt");
    pub(crate) const STUNNEL: Self = Self::Program("stunnel", "stunnel4");
    pub(crate) const PYTHON: Self = Self::Program("python3", "python3");
    pub(crate) const ZSTD: Self = Self::Program("zstd", "zstd");
    pub(crate) const QEMU_IMG: Self = Self::Program("qemu-img", "qemu-utils");
    pub(crate) const CHROMIUM: Self = Self::Program("chromium", "chromium");
    pub(crate) const CHROMEDRIVER: Self = Self::Program("chromedriver", "chromium-driver");
    pub(crate) const FUSERMOUNT: Self = Self::Program("fusermount3", "fuse3");

    /// What a test with object stores needs.
    pub(crate) const OBJECT_STORES: [Self; 3] =
        [Self::Program("node", "nodejs"), Self::Program("python3", "python3"), Self::Emulators];

    /// What is missing, in words.
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!is_root()).then(|| "root (run the tests with sudo)".to_owned()),
            Self::Fuse => (!Path::new("/dev/fuse").exists()).then(|| "/dev/fuse (modprobe fuse)".to_owned()),
            Self::Emulators => {
                let installed = super::object_store::installed().join("installed");
                (!installed.exists()).then(|| "object stores of other hands (tests/emulators/install)".to_owned())
            }
            Self::Program(program, package) => {
                find_program(program).is_none().then(|| format!("{program} (apt-get install {package})"))
            }
        }
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where the program lies; the directories for administrators are looked at whatever PATH says.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

/// Whether the test can go on. Otherwise it is skipped, with a line that is seen even though the test passes;
/// `FR_REQUIRE_ALL=1` turns a skip into a failure, so that CI cannot pass by testing nothing.
pub(crate) fn skip_unless(needs: &[Need]) -> bool {
    let missing: Vec<_> = needs.iter().filter_map(|need| need.missing()).collect();
    if missing.is_empty() {
        return true;
    }
    let thread = std::thread::current();
    let message = format!("SKIPPED {}: it needs {}", thread.name().unwrap_or("a test"), missing.join(", "));
    assert!(std::env::var_os("FR_REQUIRE_ALL").is_none_or(|value| value != "1"), "{message}");
    // Written to the stream itself: what goes through eprintln! is hidden for tests that pass.
    let mut stream = std::io::stderr();
    writeln!(stream, "{message}").unwrap();
    false
}
