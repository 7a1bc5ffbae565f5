use super::*;
use crate::lifetime::tests::at;
use crate::{LIFETIME_MAX, Lifetime, RecordedVolume};
use std::sync::Barrier;

fn record(mount_point: &str) -> Record {
    let lifetime = Lifetime::new(at(0), LIFETIME_MAX, None);
    let volumes = vec![RecordedVolume { name: "data".into(), path: format!("{mount_point}/data").into() }];
    let source = "iscsis://host/iqn.2024-01.t:d".into();
    Record { volumes, ..Record::new(source, "iSCSI".into(), mount_point.into(), lifetime) }
}

fn keep(state: &StateDir) -> Kept {
    state.hold().unwrap().keep(record("/mnt")).unwrap()
}

/// What is known of the only session.
fn only(state: &StateDir) -> Session {
    let [session] = state.sessions().unwrap().try_into().unwrap();
    session
}

#[test]
fn a_kept_record_is_alive_and_goes_with_its_session() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    let kept = keep(&state);
    let session = only(&state);
    assert!(session.record == record("/mnt") && session.alive && session.still_lives());
    drop(kept);
    assert!(!session.still_lives());
    assert_eq!(state.sessions().unwrap(), []);
    assert!(!dir.path().join("state").exists());
}

#[test]
fn what_happens_later_is_in_the_record_which_looks_alive_at_every_moment() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().to_owned());
    let mut kept = keep(&state);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut seen = 0;
            while seen < 300 {
                let session = only(&state);
                assert!(session.alive);
                seen = session.record.bytes_read;
            }
        });
        let mut bytes = 0;
        while !looking.is_finished() {
            bytes += 1;
            kept.update(|record| record.bytes_read = bytes).unwrap();
        }
    });
    for notices in [vec!["disk 1 cannot be read".to_owned(), "disk 2 neither".to_owned()], Vec::new()] {
        kept.update(|record| record.notices.clone_from(&notices)).unwrap();
        assert_eq!(only(&state).record.notices, notices);
    }
}

#[test]
fn the_record_of_a_dead_session_stays_until_it_is_forgotten_even_when_its_process_id_is_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    keep(&state).give_up();
    assert!(!only(&state).alive);
    let kept = keep(&state);
    let sessions = state.sessions().unwrap();
    assert_eq!(sessions.iter().filter(|session| session.alive).count(), 1);
    assert_eq!(sessions.len(), 2, "the new session took the place of the dead one");
    let held = state.hold().unwrap();
    held.forget(sessions.iter().find(|session| !session.alive).unwrap()).unwrap();
    drop(held);
    assert!(only(&state).alive);
    drop(kept);
    assert!(!dir.path().join("state").exists());
}

#[test]
fn what_is_no_record_is_left_alone_and_a_record_that_was_never_finished_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().to_owned());
    fs::write(dir.path().join("2.json"), b"no record").unwrap();
    fs::write(dir.path().join("3.new"), b"{").unwrap();
    assert_eq!(state.sessions().unwrap(), []);
    state.hold().unwrap().sweep();
    assert!(dir.path().join("2.json").exists() && !dir.path().join("3.new").exists());
}

#[test]
fn of_those_that_start_at_the_same_time_each_sees_the_ones_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    let start = Barrier::new(8);
    let begin = || {
        start.wait();
        let held = state.hold().unwrap();
        let before = held.sessions().unwrap().iter().filter(|session| session.alive).count();
        (before, held.keep(record("/mnt")).unwrap())
    };
    let mut begun: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    begun.sort_by_key(|(before, _)| *before);
    assert!(begun.iter().map(|(before, _)| *before).eq(0..8));
}

#[test]
fn sessions_that_end_while_others_start_leave_no_directory_and_lose_no_record() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::new(dir.path().join("state"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let kept = keep(&state);
                    assert!(state.sessions().unwrap().iter().any(|session| session.record == *kept.record()));
                }
            });
        }
    });
    assert!(!dir.path().join("state").exists());
}

#[test]
fn no_directory_means_no_session() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(StateDir::new(dir.path().join("none")).sessions().unwrap(), []);
}
