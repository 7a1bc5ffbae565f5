//! When sessions end by themselves: when their time is over, when the access is withdrawn; and who is told.

use crate::support::certificates::{Certificates, SERVER_NAME};
use crate::support::fr_mount::{Place, can_be_read, mounts_below};
use crate::support::process::wait_until;
use crate::support::report::Session;
use crate::support::requirements::find_program;
use crate::support::{Background, DiskFile, Ext4Image, FrMount, Need, exit, fr_mount, skip_unless};
use block::BlockSize;
use rustix::io::Errno;
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use target::{Export, ExportConfig, Exports, Handle, Lookup, Portal, PortalConfig, Unavailable};
use tokio::runtime::Runtime;

const NEEDS: &[Need] = &[Need::Root, Need::Fuse, Need::MKFS];
const FILE_BYTES: usize = 1 << 20;

fn image() -> Ext4Image {
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("file"), vec![b'x'; FILE_BYTES]).unwrap();
    Ext4Image::copied_from(from.path(), 16, &["-L", "data"])
}

/// A program that writes down what `--warn-command` is told, and which files it was given.
fn warn_command(place: &Place) -> (PathBuf, PathBuf) {
    let (program, told) = (place.path().join("warn"), place.path().join("told"));
    let script = format!(
        "#!/bin/sh\n\
         files=$(ls -l /proc/self/fd | grep -c -e /dev/fuse -e '{place}')\n\
         echo \"$FR_MOUNT_POINT $FR_MOUNT_SECONDS_LEFT $FR_MOUNT_END_REASON ${{NOTIFY_SOCKET:-none}} $files\" >> '{told}'\n",
        place = place.path().display(),
        told = told.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    (program, told)
}

/// A process that has a page of the file mapped, and looks at it when its standard input ends.
fn mapper(file: &Path) -> Background {
    let script = "import mmap, sys\n\
                  file = open(sys.argv[1], 'rb')\n\
                  page = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n\
                  print(page[0], flush=True)\n\
                  sys.stdin.read()\n\
                  print(page[0], flush=True)\n";
    let mut mapper = Background::start(
        Command::new(find_program("python3").unwrap())
            .args(["-c", script])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped()),
    );
    let mut line = String::new();
    BufReader::new(mapper.child().stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "120\n");
    mapper
}

#[test]
fn when_its_time_is_over_nothing_can_be_read_any_more_cached_or_mapped_and_the_user_was_warned() {
    if !skip_unless(&[NEEDS, &[Need::PYTHON]].concat()) {
        return;
    }
    let (image, place) = (image(), Place::new());
    let (program, told) = warn_command(&place);
    let options = ["--lifetime", "4s", "--warn-command", program.to_str().unwrap()];
    let mut mount = FrMount::start(place, options.into_iter().map(Into::into).chain([image.path()]));
    let path = mount.volume("data").join("file");
    let (file, mut buffer) = (File::open(&path).unwrap(), vec![0; FILE_BYTES / 2]);
    file.read_exact_at(&mut buffer, 0).unwrap();
    let mut mapper = mapper(&path);
    assert_eq!(mount.wait().code(), Some(exit::LIFETIME_OVER), "{}", mount.stderr());
    for offset in [0, FILE_BYTES - 1] {
        let error = file.read_at(&mut buffer, offset as u64).expect_err("it was read after the end");
        assert!([Errno::NOTCONN, Errno::NODEV].contains(&Errno::from_io_error(&error).unwrap()), "{error}");
    }
    drop(mapper.child().stdin.take());
    assert_eq!(mapper.wait().signal(), Some(Signal::BUS.as_raw()), "the mapped page was given after the end");
    mount.place().assert_nothing_left();
    let said = mount.stderr();
    assert!(said.contains("--lifetime"), "{said}");
    let expected = |seconds| format!("{} {seconds} lifetime-over none 0", mount.place().mount_point().display());
    wait_until("the warn command ran twice", || {
        let lines = fs::read_to_string(&told).unwrap_or_default();
        let lines: Vec<_> = lines.lines().collect();
        lines == [expected(1), expected(0)]
    });
}

/// One target that its owner can withdraw.
struct Owned(Arc<Export>);

impl Exports for Owned {
    fn by_user<'a>(&'a self, _user: &'a str) -> Lookup<'a> {
        Box::pin(std::future::ready(Err(Unavailable::NotFound)))
    }

    fn public(&self) -> Vec<Arc<Export>> {
        vec![Arc::clone(&self.0)]
    }
}

fn serve(export: &Arc<Export>, certificates: &Certificates) -> (Runtime, Handle) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let portal = Portal::new(PortalConfig::default(), Arc::new(Owned(Arc::clone(export))));
    let handle = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        portal.serve(listener, Some(certificates.server_config())).unwrap()
    });
    (runtime, handle)
}

#[test]
fn a_target_that_is_withdrawn_takes_the_mount_away_although_nobody_reads() {
    if !skip_unless(NEEDS) {
        return;
    }
    let (image, certificates) = (image(), Certificates::make());
    let disk = DiskFile::open(&image.path(), BlockSize::B512);
    let export = Arc::new(Export::new(ExportConfig::new("iqn.2024-01.test.invalid:own", vec![disk])).unwrap());
    let (runtime, handle) = serve(&export, &certificates);
    let url = format!("iscsis://{}/{}", handle.address(), export.iqn());
    let ca = certificates.ca_file().display().to_string();
    let place = Place::new();
    let (program, told) = warn_command(&place);
    let options = ["--ca", &ca, "--server-name", SERVER_NAME, "--warn-command", program.to_str().unwrap(), &url];
    let mut mount = FrMount::start(place, options);
    let file = File::open(mount.volume("data").join("file")).unwrap();
    file.read_exact_at(&mut [0; 100], 0).unwrap();
    export.withdraw();
    assert_eq!(mount.wait().code(), Some(exit::REVOKED), "{}", mount.stderr());
    assert!(file.read_at(&mut [0; 100], 0).is_err(), "it was read after the end");
    assert!(mount.stderr().contains("withdrawn"), "{}", mount.stderr());
    mount.place().assert_nothing_left();
    let revoked = format!("{} 0 revoked none 0\n", mount.place().mount_point().display());
    wait_until("the warn command is told", || fs::read_to_string(&told).is_ok_and(|told| told == revoked));
    runtime.block_on(handle.shutdown());
}

#[test]
fn several_sessions_of_one_user_are_told_apart_and_end_one_by_one() {
    if !skip_unless(NEEDS) {
        return;
    }
    let (image, place) = (image(), Place::new());
    let source = image.path().display().to_string();
    let log = place.path().join("log");
    let mount_points: Vec<_> = ["a", "b", "c"].map(|name| place.path().join(name)).into();
    for (mount_point, options) in mount_points.iter().zip([&["--lifetime", "5s"][..], &["--volume", "data"], &[]]) {
        fs::create_dir(mount_point).unwrap();
        let log = ["--log", log.to_str().unwrap(), "--read-only"];
        let operands = [source.as_str(), mount_point.to_str().unwrap()];
        fr_mount(&place, log.iter().chain(options).chain(&operands)).assert_ok();
    }
    let sessions = || fr_mount(&place, ["status", "--json"]).assert_ok().json::<Vec<Session>>();
    let places = || sessions().into_iter().map(|session| session.mount_point).collect::<Vec<_>>();
    for (session, seconds) in sessions().iter().zip([0..=5, 42_000..=43_200, 42_000..=43_200]) {
        assert!(seconds.contains(&session.seconds_left.unwrap()), "{session:?}");
        assert_eq!((session.state.as_str(), session.kind.as_str()), ("mounted", "disk images"));
    }
    wait_until("the first has ended by itself", || places() == mount_points[1..]);
    let logged = fs::read_to_string(&log).unwrap();
    assert!(logged.contains("the time of this session is over"), "{logged}");
    assert!(can_be_read(&mount_points[1].join("file")));
    wait_until("what was read is told", || sessions().iter().all(|session| session.bytes_read > 0));
    fr_mount(&place, ["unmount", mount_points[1].to_str().unwrap()]).assert_ok();
    assert_eq!(places(), mount_points[2..]);
    fr_mount(&place, ["unmount", "--all"]).assert_ok();
    assert_eq!(mounts_below(place.path()), [""; 0]);
    place.assert_nothing_left();
}

#[test]
fn systemd_is_told_that_a_session_is_ready_and_lives_and_ends() {
    if !skip_unless(NEEDS) {
        return;
    }
    let (image, place) = (image(), Place::new());
    let path = place.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut command = place.command();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000").env_remove("WATCHDOG_PID");
    command.args(["--json", "--read-only", "--foreground"]).arg(image.path()).arg(place.mount_point());
    let mount = FrMount::spawn(place, command);
    let mut told = Vec::new();
    let mut until = |wanted: &str| {
        let mut buffer = [0; 4096];
        while !told.iter().any(|line: &String| line.starts_with(wanted)) {
            let length = socket.recv(&mut buffer).unwrap();
            told.extend(String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned));
        }
        std::mem::take(&mut told)
    };
    let first = until("READY=1");
    assert_eq!(first, ["READY=1"], "before it is ready it says nothing else");
    until("STATUS=");
    for _ in 0..3 {
        until("WATCHDOG=1");
    }
    mount.signal(Signal::TERM);
    until("STOPPING=1");
    mount.stop();
}

#[test]
fn the_unit_for_systemd_is_one_and_uses_options_that_there_are() {
    if !skip_unless(&[Need::Program("systemd-analyze", "systemd")]) {
        return;
    }
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/systemd/fr-mount@.service");
    let text = fs::read_to_string(unit).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("fr-mount@test.service");
    fs::write(&copy, text.replace("/usr/bin/fr-mount", env!("CARGO_BIN_EXE_fr-mount"))).unwrap();
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&copy).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && !said.contains("fr-mount@"), "{said}");
    let help = fr_mount(&Place::new(), ["--help"]);
    let start = text.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    let known = |option: &&str| help.stdout().split_whitespace().any(|word| word == *option);
    for option in start.split(' ').filter(|word| word.starts_with("--")) {
        assert!(known(&option), "{option}");
    }
}

#[test]
fn an_end_that_is_too_far_away_is_refused() {
    let place = Place::new();
    let mount_point = place.mount_point().display().to_string();
    let ended = fr_mount(&place, ["--read-only", "--lifetime", "13h", "disk.img", &mount_point]);
    assert!(ended.assert_failed(exit::USAGE).contains("12h at most"), "{}", ended.stderr());
    let missing = fr_mount(&place, ["--read-only", "--warn-command", "/no/such/program", "disk.img", &mount_point]);
    assert!(missing.assert_failed(exit::USAGE).contains("no such program"), "{}", missing.stderr());
}
