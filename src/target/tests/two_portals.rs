//! Two processes, or portals, that serve the same grant: an initiator that is cut off from one goes on with the other.

use super::disks::content;
use super::vault::{BYTES, Vault, config, credentials, iqn, serve};
use bytes::Bytes;
use iscsi::{Lun, Session, SessionConfig};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tunnel::{Address, Dial, Dialing, ProxyChoice, Security, Tunnel, TunnelConfig};

/// Connects to one portal after the other, as a load balancer would.
struct Balancer {
    tunnel: Tunnel,
    portals: Vec<SocketAddr>,
    dialled: AtomicUsize,
    used: Mutex<Vec<SocketAddr>>,
}

impl Dial for Balancer {
    fn dial<'a>(&'a self, _address: &'a Address, deadline: Instant) -> Dialing<'a> {
        let next = self.dialled.fetch_add(1, Ordering::Relaxed);
        let portal = self.portals[next % self.portals.len()];
        Box::pin(async move {
            let address = Address::new(portal.ip().to_string(), portal.port());
            let stream = self.tunnel.dial(&address, deadline).await?;
            self.used.lock().unwrap().push(portal);
            Ok(stream)
        })
    }
}

async fn read(lun: &Lun, lba: u64) -> Bytes {
    let (sender, receiver) = oneshot::channel();
    lun.submit(lba, 64, Box::new(move |read| sender.send(read).unwrap()));
    receiver.await.unwrap().unwrap()
}

#[tokio::test]
async fn a_session_that_is_cut_goes_on_through_another_portal_with_the_same_disks() {
    // Each has exports of its own, as another process would.
    let vaults = [(); 2].map(|()| Arc::new(Vault::of_two()));
    let (first, second) = (serve(&vaults[0], config()).await, serve(&vaults[1], config()).await);
    let (security, proxy) = (Security::Plain { allow_remote: false }, ProxyChoice::None);
    let balancer = Arc::new(Balancer {
        tunnel: Tunnel::new(TunnelConfig { security, proxy }).unwrap(),
        portals: vec![first.address(), second.address()],
        dialled: AtomicUsize::new(0),
        used: Mutex::default(),
    });
    let mut session = SessionConfig::new(Address::new("balancer", 3260));
    session.login = Some(credentials("b"));
    let session = Session::login(balancer.clone(), &session, &iqn("b")).await.unwrap();
    let disks = session.disks().await.unwrap();
    let [lun] = &disks.luns[..] else { panic!("{} disks", disks.luns.len()) };
    let whole = content(2, BYTES);
    for round in 0..4 {
        for lba in [0, 512, 1984] {
            let from = lba as usize * 512;
            assert_eq!(read(lun, lba).await, whole.slice(from..from + 64 * 512), "round {round}");
        }
        [&first, &second][round % 2].drop_connections();
    }
    assert!(vaults.iter().all(|vault| vault.exports[1].usage().bytes_read > 0), "both were read from");
    assert!(balancer.used.lock().unwrap().len() >= 4);
    // One process is gone for good.
    first.shutdown().await;
    assert_eq!(read(lun, 100).await, whole.slice(100 * 512..164 * 512));
    session.logout().await.unwrap();
    second.shutdown().await;
}
