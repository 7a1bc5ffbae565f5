use super::*;
use crate::LIFETIME_MAX;
use crate::lifetime::tests::{at, day};

const HOUR: u64 = 3600;

/// A session that began with the machine and has no grant.
fn session(volumes: usize) -> Lifecycle {
    Lifecycle::new(volumes, Lifetime::new(at(0), LIFETIME_MAX, None), at(0))
}

/// The same with a grant for so many seconds.
fn granted(seconds: u64) -> Lifecycle {
    let lifetime = Lifetime::new(at(0), LIFETIME_MAX, Some(day() + Duration::from_secs(seconds)));
    Lifecycle::new(1, lifetime, at(0))
}

/// Lets time go by in ticks of a second, and gives what was to be done and when.
fn run(mut session: Lifecycle, seconds: std::ops::RangeInclusive<u64>) -> Vec<(u64, Action)> {
    let mut done = Vec::new();
    for second in seconds {
        let (next, actions) = session.step(Event::Tick, at(second));
        session = next;
        done.extend(actions.into_iter().map(|action| (second, action)));
    }
    done
}

#[test]
fn a_stop_unmounts_in_reverse_and_then_finishes_once() {
    let now = at(9);
    let (session, actions) = session(2).step(Event::StopRequested, now);
    assert_eq!(actions, [Action::Unmount(1), Action::Unmount(0)]);
    let (session, actions) = session.step(Event::Unmounted(1), now);
    assert_eq!(actions, []);
    let (session, actions) = session.step(Event::Unmounted(0), now);
    assert_eq!(actions, [Action::Finish(EndReason::Asked)]);
    assert_eq!(session.step(Event::Tick, now).1, []);
}

#[test]
fn a_busy_volume_is_tried_again_and_taken_after_the_grace_time() {
    let (session, _) = session(1).step(Event::StopRequested, at(10));
    let (session, actions) = session.step(Event::Busy(0), at(10));
    assert_eq!(actions, []);
    let (session, actions) = session.step(Event::Tick, at(11));
    assert_eq!(actions, [Action::Unmount(0)]);
    let (session, actions) = session.step(Event::Tick, at(12));
    assert_eq!(actions, [Action::Cut, Action::ForceUnmount(0)]);
    assert_eq!(session.step(Event::Unmounted(0), at(12)).1, [Action::Finish(EndReason::Asked)]);
}

#[test]
fn asking_twice_does_not_wait() {
    let (session, _) = session(1).step(Event::StopRequested, at(1));
    assert_eq!(session.step(Event::StopRequested, at(1)).1, [Action::Cut, Action::ForceUnmount(0)]);
}

#[test]
fn the_session_ends_when_the_last_volume_is_unmounted_from_outside() {
    let (session, actions) = session(2).step(Event::Unmounted(0), at(1));
    assert_eq!(actions, []);
    assert_eq!(session.step(Event::Unmounted(1), at(1)).1, [Action::Finish(EndReason::AllUnmounted)]);
}

#[test]
fn a_volume_that_cannot_be_taken_does_not_keep_the_session_alive() {
    let (session, _) = session(2).step(Event::SourceLost, at(1));
    let (session, actions) = session.step(Event::Stuck(1), at(1));
    assert_eq!(actions, []);
    assert_eq!(session.step(Event::Unmounted(0), at(1)).1, [Action::Finish(EndReason::SourceLost)]);
}

#[test]
fn twelve_hours_bring_three_warnings_and_then_take_every_volume_at_once() {
    let warn = |seconds| Action::Warn(Left { time: Duration::from_secs(seconds), reason: EndReason::LifetimeOver });
    let end = 12 * HOUR;
    assert_eq!(run(session(2), 1..=end - 1), [(end - 1800, warn(1800)), (end - 600, warn(600)), (end - 60, warn(60))]);
    let (session, actions) = session(2).step(Event::Tick, at(end));
    assert_eq!(actions, [Action::Cut, Action::ForceUnmount(1), Action::ForceUnmount(0)]);
    let (session, _) = session.step(Event::Unmounted(1), at(end));
    assert_eq!(session.step(Event::Unmounted(0), at(end)).1, [Action::Finish(EndReason::LifetimeOver)]);
}

#[test]
fn a_machine_that_slept_past_the_end_ends_the_session_with_the_first_event() {
    for event in [Event::Tick, Event::StopRequested, Event::Revoked, Event::Busy(0)] {
        let (session, actions) = granted(HOUR).step(event, at(9 * HOUR));
        assert_eq!(actions, [Action::Cut, Action::ForceUnmount(0)]);
        assert_eq!(session.step(Event::Unmounted(0), at(9 * HOUR)).1, [Action::Finish(EndReason::Expired)]);
    }
}

#[test]
fn a_machine_that_slept_past_two_warnings_gives_one() {
    let (session, actions) = granted(4 * HOUR).step(Event::Tick, at(4 * HOUR - 300));
    assert_eq!(actions, [Action::Warn(Left { time: Duration::from_secs(300), reason: EndReason::Expired })]);
    let after = run(session, 4 * HOUR - 299..=4 * HOUR - 1);
    assert_eq!(after.len(), 1, "the last minute: {after:?}");
}

#[test]
fn a_calendar_set_back_does_not_make_a_grant_longer() {
    let (_, actions) = granted(HOUR).step(Event::Tick, Now { calendar: day(), ..at(HOUR) });
    assert_eq!(actions, [Action::Cut, Action::ForceUnmount(0)]);
}

#[test]
fn a_calendar_set_forward_past_the_grant_ends_it_and_does_not_end_a_session_without_one() {
    let forward = Now { calendar: day() + Duration::from_secs(2 * HOUR), ..at(10) };
    assert_eq!(granted(HOUR).step(Event::Tick, forward).1, [Action::Cut, Action::ForceUnmount(0)]);
    assert_eq!(session(1).step(Event::Tick, Now { calendar: day() + LIFETIME_MAX * 2, ..at(10) }).1, []);
}

#[test]
fn a_revocation_takes_every_volume_at_once() {
    let (session, actions) = granted(HOUR).step(Event::Revoked, at(10));
    assert_eq!(actions, [Action::Cut, Action::ForceUnmount(0)]);
    assert_eq!(session.step(Event::Unmounted(0), at(10)).1, [Action::Finish(EndReason::Revoked)]);
}

#[test]
fn a_service_whose_clock_is_a_little_ahead_has_not_revoked_what_expires() {
    let (session, _) = granted(HOUR).step(Event::Revoked, at(HOUR - 4));
    assert_eq!(session.step(Event::Unmounted(0), at(HOUR - 4)).1, [Action::Finish(EndReason::Expired)]);
}

#[test]
fn whoever_asked_for_the_end_is_told_that_even_if_the_source_goes_meanwhile() {
    for event in [Event::Revoked, Event::SourceLost] {
        let (session, _) = session(1).step(Event::StopRequested, at(10));
        let (session, actions) = session.step(event, at(10));
        assert_eq!(actions, [Action::Cut, Action::ForceUnmount(0)]);
        assert_eq!(session.step(Event::Unmounted(0), at(10)).1, [Action::Finish(EndReason::Asked)]);
    }
}
