//! The target over TCP, driven by PDUs that the tests make themselves, and by libiscsi.

mod by_hand;
mod commands;
mod conformance;
mod disks;
mod exports;
mod faults;
mod hostile;
mod initiator;
mod libiscsi;
mod limits;
mod logins;
mod sessions;
mod task_management;
mod tls;
mod two_portals;
mod vault;

use crate::{Handle, Target, TargetConfig};
use block::Disk;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

pub(crate) const IQN: &str = "iqn.2024-01.test.invalid:disks";
/// Longer than anything here takes on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

fn config(disks: Vec<Arc<dyn Disk>>) -> TargetConfig {
    TargetConfig::new(IQN, disks)
}

async fn serve(config: TargetConfig) -> Handle {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    Target::new(config).serve(listener, None).unwrap()
}
