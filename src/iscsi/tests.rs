//! Sessions with a scripted target, in virtual time.

mod scripted;

use crate::pdu::InitiatorPdu;
use crate::scsi::status;
use crate::{Error, ErrorKind, Lun, Session, SessionConfig, discover};
use bytes::Bytes;
use scripted::{BLOCKS, Connection, content};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};
use tunnel::{Address, MemoryDial, MemoryListener};

const TARGET: &str = "iqn.x:disk";

fn config() -> SessionConfig {
    SessionConfig::new(Address::new("target.example", 3260))
}

fn listen() -> (Arc<MemoryDial>, MemoryListener) {
    let (dial, listener) = MemoryDial::new(1 << 16);
    (Arc::new(dial), listener)
}

async fn accept(listener: &mut MemoryListener) -> Connection {
    let mut connection = Connection::new(listener.accept().await.unwrap().1);
    connection.log_in().await;
    connection
}

async fn open(dial: Arc<MemoryDial>, config: SessionConfig) -> (Session, Lun) {
    let session = Session::login(dial, &config, TARGET).await.unwrap();
    let mut disks = session.disks().await.unwrap();
    assert!(disks.failed.is_empty());
    (session, disks.luns.remove(0))
}

fn read(lun: &Lun, lba: u32, blocks: u32) -> oneshot::Receiver<Result<Bytes, Error>> {
    let (sender, receiver) = oneshot::channel();
    lun.submit(lba.into(), blocks, Box::new(move |result| drop(sender.send(result))));
    receiver
}

/// The answer, within a time in which everything has to be over.
async fn answer(receiver: oneshot::Receiver<Result<Bytes, Error>>) -> Result<Bytes, Error> {
    timeout(Duration::from_secs(3600), receiver).await.expect("an answer").expect("exactly one answer")
}

#[tokio::test(start_paused = true)]
async fn a_disk_is_opened_and_read_with_many_commands_in_flight() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move { accept(&mut listener).await.serve_all().await });
    let (session, lun) = open(dial, config()).await;
    assert_eq!((lun.info().vendor.as_str(), lun.info().serial.as_deref()), ("SCRIPTED", Some("one")));
    assert_eq!((lun.info().blocks, lun.info().block_bytes), (BLOCKS.into(), 512));
    let reads: Vec<_> = (0..200).map(|index| (index, read(&lun, index * 16, 16))).collect();
    for (index, receiver) in reads {
        assert_eq!(answer(receiver).await.unwrap(), content(index * 16, 16));
    }
    session.logout().await.unwrap();
    assert_eq!(answer(read(&lun, 0, 1)).await.unwrap_err().kind, ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_read_outside_the_disk_is_refused_without_asking() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move { accept(&mut listener).await.serve_all().await });
    let (_session, lun) = open(dial, config()).await;
    assert!(answer(read(&lun, BLOCKS - 1, 2)).await.is_err());
    assert!(answer(read(&lun, 0, 0)).await.is_err());
    assert_eq!(answer(read(&lun, BLOCKS - 1, 1)).await.unwrap(), content(BLOCKS - 1, 1));
}

#[tokio::test(start_paused = true)]
async fn unanswered_reads_are_sent_again_on_the_next_connection() {
    let (dial, mut listener) = listen();
    let target = tokio::spawn(async move {
        let mut served = 0;
        for round in 0..64 {
            let mut connection = accept(&mut listener).await;
            // A few more each time, then the connection is gone with the rest of the commands.
            for _ in 0..=round {
                let Some(command) = connection.next_read().await else { break };
                connection.serve(&command).await;
                served += 1;
                if served == 64 {
                    connection.serve_all().await;
                    return round;
                }
            }
        }
        panic!("more connections than reads")
    });
    let (session, lun) = open(dial, config()).await;
    let reads: Vec<_> = (0..64).map(|index| (index, read(&lun, index * 64, 64))).collect();
    for (index, receiver) in reads {
        assert_eq!(answer(receiver).await.unwrap(), content(index * 64, 64));
    }
    session.logout().await.unwrap();
    assert!(target.await.unwrap() > 5, "many connections were needed");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_breaks_down_under_many_commands_is_asked_one_at_a_time() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move {
        loop {
            let mut connection = accept(&mut listener).await;
            // A second command before the first is answered ends it all.
            while let Some(command) = connection.next_read().await {
                if timeout(Duration::from_millis(10), connection.next_read()).await.is_ok() {
                    break;
                }
                connection.serve(&command).await;
            }
        }
    });
    let (_session, lun) = open(dial, config()).await;
    let reads: Vec<_> = (0..20).map(|index| (index, read(&lun, index * 8, 8))).collect();
    for (index, receiver) in reads {
        assert_eq!(answer(receiver).await.unwrap(), content(index * 8, 8));
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_stays_away_ends_reads_after_the_time_out_and_may_come_back() {
    let (dial, mut listener) = listen();
    let (gone, is_gone) = oneshot::channel();
    let (back, come_back) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut connection = accept(&mut listener).await;
        connection.next_read().await.unwrap();
        drop(connection);
        gone.send(()).unwrap();
        let mut come_back = come_back;
        // Meanwhile every connection is closed at once.
        loop {
            tokio::select! {
                accepted = listener.accept() => drop(accepted),
                _ = &mut come_back => break,
            }
        }
        accept(&mut listener).await.serve_all().await;
    });
    let config = SessionConfig { reconnect_timeout: Duration::from_secs(20), ..config() };
    let (_session, lun) = open(dial, config).await;
    let (start, receiver) = (Instant::now(), read(&lun, 0, 1));
    is_gone.await.unwrap();
    let error = answer(receiver).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Disconnected);
    assert!((20..23).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let again = Instant::now();
    assert!(answer(read(&lun, 0, 1)).await.is_err());
    assert!(again.elapsed().as_secs() < 1, "nobody waits for the time-out again");
    back.send(()).unwrap();
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(answer(read(&lun, 5, 1)).await.unwrap(), content(5, 1));
}

#[tokio::test(start_paused = true)]
async fn another_disk_after_a_reconnect_is_never_read() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move {
        let mut connection = accept(&mut listener).await;
        connection.next_read().await.unwrap();
        drop(connection);
        let mut connection = accept(&mut listener).await;
        connection.serial = "two";
        connection.serve_all().await;
    });
    let (session, lun) = open(dial, config()).await;
    let error = answer(read(&lun, 0, 1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Changed);
    assert_eq!(answer(read(&lun, 1, 1)).await.unwrap_err().kind, ErrorKind::Changed, "and never again");
    assert_eq!(session.over().await.unwrap().kind, ErrorKind::Changed);
    session.logout().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_changed_medium_is_looked_at_before_anything_more_is_read() {
    let (dial, mut listener) = listen();
    let target = tokio::spawn(async move {
        let mut connection = accept(&mut listener).await;
        let command = connection.next_read().await.unwrap();
        connection.fail(&command, status::CHECK_CONDITION, 6, (0x28, 0)).await;
        assert!(connection.next_read().await.is_none(), "the connection is given up");
        let mut connection = accept(&mut listener).await;
        connection.serve_all().await;
    });
    let (session, lun) = open(dial, config()).await;
    assert_eq!(answer(read(&lun, 3, 1)).await.unwrap(), content(3, 1), "it was the same disk after all");
    drop((session, lun));
    target.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unit_attentions_and_busy_units_are_asked_again_and_errors_are_not() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move {
        let mut connection = accept(&mut listener).await;
        for (code, key, asc) in
            [(status::CHECK_CONDITION, 6, (0x29, 0)), (status::BUSY, 0, (0, 0)), (status::CHECK_CONDITION, 2, (4, 1))]
        {
            let command = connection.next_read().await.unwrap();
            connection.fail(&command, code, key, asc).await;
        }
        let command = connection.next_read().await.unwrap();
        connection.serve(&command).await;
        let command = connection.next_read().await.unwrap();
        connection.fail(&command, status::CHECK_CONDITION, 3, (0x11, 0)).await;
        connection.serve_all().await;
    });
    let (_session, lun) = open(dial, config()).await;
    assert_eq!(answer(read(&lun, 9, 2)).await.unwrap(), content(9, 2));
    let error = answer(read(&lun, 9, 2)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Scsi);
    assert_eq!(answer(read(&lun, 10, 2)).await.unwrap(), content(10, 2), "the next one is not concerned");
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_stays_busy_is_an_error_in_the_end() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move {
        let mut connection = accept(&mut listener).await;
        while let Some(command) = connection.next_read().await {
            connection.fail(&command, status::BUSY, 0, (0, 0)).await;
        }
    });
    let (_session, lun) = open(dial, config()).await;
    let start = Instant::now();
    assert!(answer(read(&lun, 0, 1)).await.unwrap_err().message.contains("busy"));
    assert!(start.elapsed() > Duration::from_secs(50));
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_is_asked_and_then_left() {
    let (dial, mut listener) = listen();
    let target = tokio::spawn(async move {
        let mut silent = accept(&mut listener).await;
        silent.next_read().await.unwrap();
        // It hears the ping, says nothing, and keeps the connection open.
        assert!(matches!(silent.receive().await, Some(InitiatorPdu::NopOut(_))));
        accept(&mut listener).await.serve_all().await;
        drop(silent);
    });
    let (session, lun) = open(dial, config()).await;
    let start = Instant::now();
    assert_eq!(answer(read(&lun, 1, 1)).await.unwrap(), content(1, 1));
    assert!((19..25).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    drop((session, lun));
    target.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_session_is_kept_alive() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move {
        accept(&mut listener).await.serve_all().await;
        panic!("the only connection was given up");
    });
    let (_session, lun) = open(dial, config()).await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(answer(read(&lun, 1, 1)).await.unwrap(), content(1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_never_answered_does_not_wait_for_ever() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move {
        let mut connection = accept(&mut listener).await;
        connection.next_read().await.unwrap();
        // Pings are answered, the read is not.
        assert!(connection.next_read().await.is_none());
        accept(&mut listener).await.serve_all().await;
    });
    let (_session, lun) = open(dial, config()).await;
    let start = Instant::now();
    assert_eq!(answer(read(&lun, 1, 1)).await.unwrap(), content(1, 1));
    assert!(start.elapsed() >= config().command_timeout);
}

#[tokio::test(start_paused = true)]
async fn redirects_are_followed_a_few_times() {
    let (dial, mut listener) = listen();
    let target = tokio::spawn(async move {
        let mut addresses = Vec::new();
        while let Some((address, stream)) = listener.accept().await {
            addresses.push(address.to_string());
            let mut connection = Connection::new(stream);
            let Some(InitiatorPdu::Login(request)) = connection.receive().await else { panic!() };
            let mut response = connection.login_response(&request);
            (response.status_class, response.status_detail) = (1, 1);
            response.data = format!("TargetAddress=10.0.0.{}:3260,1\0", addresses.len()).into();
            connection.send(response.into_pdu()).await;
        }
        addresses
    });
    let error = Session::login(dial, &config(), TARGET).await.err().unwrap();
    assert!(error.message.contains("redirected more than"), "{error}");
    let addresses = target.await.unwrap();
    assert_eq!((addresses.len(), addresses[1].as_str()), (6, "10.0.0.1:3260"));
}

#[tokio::test(start_paused = true)]
async fn a_login_that_hangs_ends_with_its_time_out() {
    let (dial, mut listener) = listen();
    let start = Instant::now();
    let config = config();
    let login = Session::login(dial, &config, TARGET);
    let (result, _connection) = tokio::join!(login, listener.accept());
    assert_eq!(result.err().unwrap().kind, ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), config.login_timeout.as_secs());
}

/// A target that breaks off the first connection with its first read, and refuses all logins after it with this status.
async fn refusing(mut listener: MemoryListener, status: (u8, u8)) {
    accept(&mut listener).await.next_read().await.unwrap();
    let mut attempts = Vec::new();
    while let Some((_, stream)) = listener.accept().await {
        let mut connection = Connection::new(stream);
        let Some(InitiatorPdu::Login(request)) = connection.receive().await else { continue };
        let mut response = connection.login_response(&request);
        (response.status_class, response.status_detail) = status;
        connection.send(response.into_pdu()).await;
        attempts.push(connection);
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_refused_after_a_reconnect_is_revoked_at_once() {
    for status in [(2, 1), (2, 2), (2, 3), (2, 4)] {
        let (dial, listener) = listen();
        tokio::spawn(refusing(listener, status));
        let (session, lun) = open(dial, SessionConfig { revocable: true, ..config() }).await;
        let (start, over) = (Instant::now(), session.over());
        assert_eq!(answer(read(&lun, 0, 1)).await.unwrap_err().kind, ErrorKind::Revoked, "{status:?}");
        assert_eq!(over.await.unwrap().kind, ErrorKind::Revoked);
        assert!(start.elapsed().as_secs() < 2, "there is nothing to wait for");
        session.logout().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_was_removed_is_not_waited_for_and_one_that_refuses_may_have_been_started_anew() {
    for (status, waits) in [((2, 4), false), ((2, 3), true), ((2, 1), true)] {
        let (dial, listener) = listen();
        tokio::spawn(refusing(listener, status));
        let (session, lun) = open(dial, config()).await;
        let start = Instant::now();
        let error = answer(read(&lun, 0, 1)).await.unwrap_err();
        let expected = if waits { ErrorKind::Disconnected } else { ErrorKind::Revoked };
        assert_eq!(error.kind, expected, "{status:?}: {error}");
        assert_eq!(session.over().await.unwrap().kind, ErrorKind::Revoked);
        assert_eq!(start.elapsed() >= config().reconnect_timeout, waits, "{status:?}");
        session.logout().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_reached_does_not_end_a_session_and_a_logout_does_without_a_reason() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move {
        drop(accept(&mut listener).await);
        while listener.accept().await.is_some() {}
    });
    let session = Session::login(dial, &config(), TARGET).await.unwrap();
    let over = tokio::spawn(session.over());
    tokio::time::sleep(Duration::from_secs(100_000)).await;
    assert!(!over.is_finished());
    session.logout().await.unwrap();
    drop(session);
    assert_eq!(over.await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_asks_to_leave_is_left_and_entered_again() {
    let (dial, mut listener) = listen();
    let target = tokio::spawn(async move {
        let mut connection = accept(&mut listener).await;
        let command = connection.next_read().await.unwrap();
        let message = crate::pdu::AsyncMessage {
            lun: crate::LunNumber(0),
            numbers: connection.status_numbers(),
            async_event: 1,
            async_vcode: 0,
            parameter1: 0,
            parameter2: 0,
            parameter3: 5,
            data: Bytes::new(),
        };
        connection.send(message.into_pdu()).await;
        connection.serve(&command).await;
        assert!(connection.next_read().await.is_none(), "logged out");
        accept(&mut listener).await.serve_all().await;
    });
    let (session, lun) = open(dial, config()).await;
    assert_eq!(answer(read(&lun, 1, 1)).await.unwrap(), content(1, 1));
    assert_eq!(answer(read(&lun, 2, 1)).await.unwrap(), content(2, 1));
    drop((session, lun));
    target.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_logout_while_there_is_no_connection_is_immediate() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move {
        accept(&mut listener).await.next_read().await.unwrap();
        while listener.accept().await.is_some() {}
    });
    let (session, lun) = open(dial, config()).await;
    let waiting = read(&lun, 0, 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    session.logout().await.unwrap();
    assert_eq!(answer(waiting).await.unwrap_err().kind, ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn discovery_tells_the_targets() {
    let (dial, mut listener) = listen();
    tokio::spawn(async move { accept(&mut listener).await.serve_all().await });
    let found = discover(dial, &config()).await.unwrap();
    assert_eq!((found.len(), found[0].name.as_str()), (1, TARGET));
}
