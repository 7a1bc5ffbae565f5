//! A target for initiators that no test starts: `tests/recipes/uml/open-iscsi` runs this.

use super::config;
use crate::Target;
use block::{BlockSize, MemoryDisk};
use iscsi::ChapCredentials;
use secrecy::SecretString;
use std::sync::Arc;
use tokio::net::TcpListener;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// Serves the file FR_TARGET_IMAGE at FR_TARGET_ADDRESS, for FR_TARGET_SECONDS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "serves a foreign initiator"]
async fn serves_an_image_for_a_while() {
    let image = std::fs::read(variable("FR_TARGET_IMAGE")).unwrap();
    let credentials =
        |user: &str, secret: &str| ChapCredentials { user: user.to_owned(), secret: SecretString::from(secret) };
    let mut config = config(vec![Arc::new(MemoryDisk::new(image, BlockSize::B512))]);
    config.chap = Some(credentials("reader", "reader-secret-1"));
    config.reverse = Some(credentials("target", "target-secret-22"));
    let listener = TcpListener::bind(variable("FR_TARGET_ADDRESS")).await.unwrap();
    let target = Target::new(config).serve(listener, None).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(variable("FR_TARGET_SECONDS").parse().unwrap())).await;
    target.shutdown().await;
}
