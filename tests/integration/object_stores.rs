//! One vault in an object store, two services behind one address: what one of them begins the other can go on with.

use crate::support::balancer::Balancer;
use crate::support::fr_mount::{FrMount, Place, mounts_below, shell};
use crate::support::fr_serve::{Api, FrServe, Installation, Setup};
use crate::support::object_store::{Kind, ObjectStore};
use crate::support::process::wait_until;
use crate::support::{Ext4Image, Need, exit, skip_unless};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Read;

const MIB: usize = 1 << 20;
/// The size of the file that is read while a service dies.
const FILE_BYTES: usize = 40 * MIB;

/// A recovery point with one large file that cannot be guessed.
struct Point {
    image: Ext4Image,
    sha256: Vec<u8>,
}

impl Point {
    fn make() -> Self {
        let from = tempfile::tempdir().unwrap();
        shell(&format!("head -c {FILE_BYTES} /dev/urandom > large"), from.path());
        let sha256 = Sha256::digest(fs::read(from.path().join("large")).unwrap()).to_vec();
        Self { image: Ext4Image::copied_from(from.path(), 64, &["-L", "data"]), sha256 }
    }
}

/// Two services on one vault, and the address that leads to either.
struct Pair {
    /// They go first: they write into the directory of the installation as long as they live.
    servers: [FrServe; 2],
    balancer: Balancer,
    installation: Installation,
}

impl Pair {
    fn begin(store: &ObjectStore, point: &Point) -> Self {
        let listener = Balancer::listener();
        let portal = listener.local_addr().ok();
        let installation = Installation::new(&Setup { store: Some(store), portal, ..Setup::default() });
        installation.import("db-1", "now", &[], &[point.image.path()]);
        let servers = [installation.serve(), installation.serve()];
        let balancer = Balancer::start(listener, &servers.each_ref().map(FrServe::iscsi));
        Self { servers, balancer, installation }
    }

    /// Mounts what this service grants, with so little memory that a large file does not stay there.
    fn mount_granted_by(&self, api: &Api) -> (FrMount, String) {
        let granted = api.grant("db-1", "now");
        let place = Place::new();
        let bundle = place.path().join("of-the-grant.fr-bundle");
        fs::write(&bundle, &granted.bundle).unwrap();
        let mut command = place.bundle_command(&bundle, &granted.password);
        command.args(["--json", "--foreground", "--cache", "4MiB"]);
        (FrMount::spawn(place, command), granted.id)
    }

    /// The service that has a connection of a mount now.
    fn busy(&self) -> usize {
        let mut busy = None;
        wait_until("one of the services is connected", || {
            busy = self.balancer.connections().iter().position(|connections| *connections > 0);
            busy.is_some()
        });
        busy.expect("waited for")
    }
}

fn a_service_that_dies_is_replaced_by_the_other(kind: Kind) {
    if !skip_unless(&[[Need::Root, Need::Fuse, Need::MKFS].as_slice(), &Need::OBJECT_STORES].concat()) {
        return;
    }
    let (store, point) = (ObjectStore::start(kind), Point::make());
    let mut pair = Pair::begin(&store, &point);
    let apis = pair.servers.each_ref().map(FrServe::api);

    // What one grants the other serves, and what one revokes ends at the other.
    let (mut mount, grant) = pair.mount_granted_by(&apis[0]);
    let busy = pair.busy();
    wait_until("both know of the session", || {
        apis.iter().all(|api| api.status(&grant)["sessions"].as_array().is_some_and(|sessions| sessions.len() == 1))
    });
    apis[1 - busy].revoke(&grant);
    assert_eq!(mount.wait().code(), Some(exit::REVOKED), "{}", mount.stderr());
    mount.place().assert_nothing_left();
    wait_until("its connection has ended", || pair.balancer.connections() == [0, 0]);

    // One that dies in the middle of a read is not missed.
    let (mut mount, grant) = pair.mount_granted_by(&apis[1]);
    let mut file = File::open(mount.volume("data").join("large")).unwrap();
    let mut content = vec![0; FILE_BYTES];
    file.read_exact(&mut content[..4 * MIB]).unwrap();
    let busy = pair.busy();
    pair.servers[busy].kill();
    file.read_exact(&mut content[4 * MIB..]).unwrap();
    assert_eq!(Sha256::digest(&content).as_slice(), point.sha256, "the bytes are wrong");
    assert_eq!(pair.busy(), 1 - busy);
    apis[1 - busy].revoke(&grant);
    assert_eq!(mount.wait().code(), Some(exit::REVOKED), "{}", mount.stderr());
    assert!(mounts_below(mount.place().path()).is_empty());
    mount.place().assert_nothing_left();
    assert!(pair.servers[1 - busy].stop().success(), "{}", pair.servers[1 - busy].said());
    assert_eq!(fs::read_dir(pair.installation.path().join("tmp")).unwrap().count(), 0, "temporary files are left");
}

#[test]
fn a_vault_in_s3_is_served_by_two_of_which_one_may_die() {
    a_service_that_dies_is_replaced_by_the_other(Kind::S3);
}

#[test]
fn a_vault_in_azure_is_served_by_two_of_which_one_may_die() {
    a_service_that_dies_is_replaced_by_the_other(Kind::Azure);
}
