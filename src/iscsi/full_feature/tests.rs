use super::*;
use crate::ErrorKind;
use crate::login::Parameters;
use crate::pdu::{DataInStatus, InitiatorPdu, Residual, ScsiCommand};
use crate::scsi::{Command, status};
use std::sync::mpsc::{Receiver, channel};

const LUN: LunNumber = LunNumber(0);

fn state() -> FullFeature {
    let numbers = StatusNumbers { stat_sn: 0, exp_cmd_sn: 1, max_cmd_sn: 32 };
    FullFeature::new(&LoggedIn { parameters: Parameters::default(), cmd_sn: 1, exp_stat_sn: 10, numbers })
}

const fn read(blocks: u16) -> Command {
    Command::Read10 { lba: 0, blocks, block_bytes: 4 }
}

/// Sends a command; gives what was sent, and where the answer comes out.
fn send(state: &mut FullFeature, command: Command) -> (ScsiCommand, Receiver<Result<Bytes, Error>>) {
    let (sender, receiver) = channel();
    state.submit(Task::new(LUN, command, Answer::new(Box::new(move |result| drop(sender.send(result))))));
    let pdu = state.next_pdu(Instant::now()).unwrap();
    let InitiatorPdu::ScsiCommand(command) = InitiatorPdu::parse(pdu).unwrap() else { panic!() };
    (command, receiver)
}

fn part(command: &ScsiCommand, data_sn: u32, buffer_offset: u32, data: &'static [u8]) -> DataIn {
    DataIn {
        is_final: true,
        acknowledge: false,
        status: None,
        lun: LUN,
        initiator_task_tag: command.initiator_task_tag,
        target_transfer_tag: RESERVED_TAG,
        numbers: numbers(0),
        data_sn,
        buffer_offset,
        data: Bytes::from_static(data),
    }
}

const fn numbers(stat_sn: u32) -> StatusNumbers {
    StatusNumbers { stat_sn, exp_cmd_sn: 2, max_cmd_sn: 40 }
}

const GOOD: DataInStatus = DataInStatus { status: status::GOOD, residual: Residual::None };

fn last(command: &ScsiCommand, data_sn: u32, buffer_offset: u32, data: &'static [u8], stat_sn: u32) -> DataIn {
    DataIn { status: Some(GOOD), numbers: numbers(stat_sn), ..part(command, data_sn, buffer_offset, data) }
}

fn scsi_response(command: &ScsiCommand, code: u8, sense: &[u8], stat_sn: u32) -> ScsiResponse {
    ScsiResponse {
        response: 0,
        status: code,
        residual: Residual::None,
        initiator_task_tag: command.initiator_task_tag,
        numbers: numbers(stat_sn),
        exp_data_sn: 0,
        data: if sense.is_empty() { Bytes::new() } else { ScsiResponse::sense_segment(sense) },
    }
}

/// Fixed-format sense data.
fn sense(key: u8, code: u8, qualifier: u8) -> Vec<u8> {
    let mut sense = vec![0; 18];
    (sense[0], sense[2], sense[7], sense[12], sense[13]) = (0x70, key, 10, code, qualifier);
    sense
}

fn verdict(event: Result<Option<Event>, Error>) -> Verdict {
    match event {
        Ok(Some(Event::Answered(_, verdict))) => verdict,
        _ => panic!("no answer"),
    }
}

fn message<T>(result: Result<T, Error>) -> String {
    result.err().expect("an error").message
}

#[test]
fn data_in_several_pdus_with_the_status_in_the_last_is_put_together() {
    let mut state = state();
    let (command, _answer) = send(&mut state, read(3));
    assert!(command.read && !command.write);
    assert_eq!((command.expected_data_transfer_length, command.numbers.cmd_sn), (12, 1));
    assert!(state.receive(part(&command, 0, 0, b"abcd").into_pdu()).unwrap().is_none());
    assert!(state.receive(part(&command, 1, 4, b"efgh").into_pdu()).unwrap().is_none());
    let Verdict::Good(bytes) = verdict(state.receive(last(&command, 2, 8, b"ijkl", 10).into_pdu())) else { panic!() };
    assert_eq!(bytes, "abcdefghijkl");
}

#[test]
fn data_with_the_status_on_its_own_is_counted() {
    let mut state = state();
    let (command, _answer) = send(&mut state, read(1));
    assert!(state.receive(part(&command, 0, 0, b"abcd").into_pdu()).unwrap().is_none());
    let mut response = scsi_response(&command, status::GOOD, &[], 10);
    response.exp_data_sn = 2;
    let event = state.receive(response.into_pdu());
    assert!(matches!(verdict(event), Verdict::Broken(_)), "two PDUs were sent, one came");
}

#[test]
fn data_out_of_order_or_beyond_the_end_breaks_the_connection() {
    for (data_sn, offset, data, what) in
        [(1, 0, &b"abcd"[..], "DataSN 1"), (0, 4, b"abcd", "Buffer Offset 4"), (0, 0, b"abcdefghijklm", "too much")]
    {
        let mut state = state();
        let (command, _answer) = send(&mut state, read(3));
        let error = message(state.receive(part(&command, data_sn, offset, data).into_pdu()));
        assert!(error.contains(what), "{error}");
    }
    let mut state = state();
    let (mut command, _answer) = send(&mut state, read(3));
    command.initiator_task_tag = 99;
    assert!(message(state.receive(part(&command, 0, 0, b"a").into_pdu())).contains("no command"));
}

#[test]
fn a_read_that_comes_short_is_never_good() {
    for residual in [Residual::None, Residual::Underflow(4), Residual::Overflow(4)] {
        let mut state = state();
        let (command, _answer) = send(&mut state, read(2));
        let mut short = last(&command, 0, 0, b"abcd", 10);
        short.status = Some(DataInStatus { status: status::GOOD, residual });
        let verdict = verdict(state.receive(short.into_pdu()));
        assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
    }
    let mut state = state();
    let (command, _answer) = send(&mut state, Command::Inquiry { allocation_bytes: 96 });
    let mut short = last(&command, 0, 0, b"abcd", 10);
    short.status = Some(DataInStatus { status: status::GOOD, residual: Residual::Underflow(92) });
    assert!(matches!(verdict(state.receive(short.into_pdu())), Verdict::Good(_)), "which may be short");
}

#[test]
fn sense_decides_what_becomes_of_a_command() {
    let of = |code: u8, sense: &[u8]| {
        let mut state = state();
        let (command, _answer) = send(&mut state, read(1));
        verdict(state.receive(scsi_response(&command, code, sense, 10).into_pdu()))
    };
    let check = |key, code, qualifier| of(status::CHECK_CONDITION, &sense(key, code, qualifier));
    assert!(matches!(check(6, 0x29, 0), Verdict::Again(_)), "power on");
    assert!(matches!(check(6, 0x2a, 9), Verdict::Suspicious(_)), "capacity changed");
    assert!(matches!(check(6, 0x28, 0), Verdict::Suspicious(_)), "medium changed");
    assert!(matches!(check(2, 4, 1), Verdict::Later(_)), "becoming ready");
    assert!(matches!(check(2, 4, 3), Verdict::Failed(_)), "not ready for good");
    assert!(matches!(check(0xb, 0, 0), Verdict::Again(_)), "aborted");
    assert!(matches!(of(status::BUSY, &[]), Verdict::Later(_)));
    assert!(matches!(of(status::TASK_SET_FULL, &[]), Verdict::Later(_)));
    let Verdict::Failed(error) = check(3, 0x11, 0) else { panic!() };
    assert_eq!(error.kind, ErrorKind::Scsi);
    assert!(error.message.contains("unrecovered read error"), "{error}");
    assert!(matches!(of(status::RESERVATION_CONFLICT, &[]), Verdict::Failed(_)));
    assert!(matches!(of(status::CHECK_CONDITION, &[]), Verdict::Failed(_)), "without sense");
}

#[test]
fn recovered_data_is_good_if_it_is_all_there() {
    let mut state = state();
    let (command, _answer) = send(&mut state, read(1));
    state.receive(part(&command, 0, 0, b"abcd").into_pdu()).unwrap();
    let response = scsi_response(&command, status::CHECK_CONDITION, &sense(1, 0x18, 0), 10);
    assert!(matches!(verdict(state.receive(response.into_pdu())), Verdict::Good(_)));
}

#[test]
fn a_status_out_of_turn_means_that_an_answer_was_lost() {
    for stat_sn in [9, 11] {
        let mut state = state();
        let (command, _answer) = send(&mut state, read(1));
        let error = message(state.receive(last(&command, 0, 0, b"abcd", stat_sn).into_pdu()));
        assert!(error.contains("StatSN"), "{error}");
    }
}

#[test]
fn no_command_is_sent_beyond_the_window() {
    let mut state = state();
    for _ in 0..40 {
        state.submit(Task::new(LUN, read(1), Answer::new(Box::new(|_| {}))));
    }
    let sent = std::iter::from_fn(|| state.next_pdu(Instant::now())).count();
    assert_eq!(sent, 32);
    state.ping();
    let pdu = state.next_pdu(Instant::now()).expect("immediate ones need no window");
    assert!(matches!(InitiatorPdu::parse(pdu), Ok(InitiatorPdu::NopOut(nop)) if nop.numbers.immediate));
    assert_eq!(state.into_unanswered().len(), 40);
}

fn nop(initiator_task_tag: u32, target_transfer_tag: u32, stat_sn: u32) -> Pdu {
    let nop =
        NopIn { lun: LUN, initiator_task_tag, target_transfer_tag, numbers: numbers(stat_sn), data: Bytes::new() };
    nop.into_pdu()
}

#[test]
fn pings_are_answered_with_their_tag() {
    let mut state = state();
    assert!(state.receive(nop(RESERVED_TAG, 0x1234, 10)).unwrap().is_none());
    let Ok(InitiatorPdu::NopOut(pong)) = InitiatorPdu::parse(state.next_pdu(Instant::now()).unwrap()) else { panic!() };
    assert_eq!((pong.initiator_task_tag, pong.target_transfer_tag), (RESERVED_TAG, 0x1234));
    assert!(pong.numbers.immediate && pong.data.is_empty());
    // Its StatSN was not used up.
    assert_eq!(pong.numbers.exp_stat_sn, 10);
}

#[test]
fn our_pings_are_matched_and_their_status_counted() {
    let mut state = state();
    state.ping();
    state.ping();
    let Ok(InitiatorPdu::NopOut(ping)) = InitiatorPdu::parse(state.next_pdu(Instant::now()).unwrap()) else { panic!() };
    assert!(state.next_pdu(Instant::now()).is_none(), "one at a time");
    assert!(state.receive(nop(ping.initiator_task_tag, RESERVED_TAG, 10)).unwrap().is_none());
    assert!(state.receive(nop(ping.initiator_task_tag, RESERVED_TAG, 11)).is_err(), "nothing was asked");
}

#[test]
fn endless_pings_are_not_kept() {
    let mut state = state();
    let refused = (0..1000).find(|_| state.receive(nop(RESERVED_TAG, 1, 10)).is_err());
    assert_eq!(refused, Some(PONGS_MAX));
}

fn asynchronous(async_event: u8, parameter2: u16) -> Pdu {
    let message = AsyncMessage {
        lun: LUN,
        numbers: numbers(10),
        async_event,
        async_vcode: 0,
        parameter1: 0,
        parameter2,
        parameter3: 0,
        data: Bytes::new(),
    };
    message.into_pdu()
}

#[test]
fn asynchronous_messages_end_a_connection_or_not() {
    assert!(matches!(state().receive(asynchronous(1, 0)), Ok(Some(Event::LeaveAsked))));
    assert!(matches!(state().receive(asynchronous(2, 3)), Ok(Some(Event::Dropped(wait))) if wait.as_secs() == 3));
    assert!(
        matches!(state().receive(asynchronous(3, u16::MAX)), Ok(Some(Event::Dropped(wait))) if wait.as_secs() == 60)
    );
    assert!(matches!(state().receive(asynchronous(0, 0)), Ok(None)));
    assert!(matches!(state().receive(asynchronous(255, 0)), Ok(None)));
}

#[test]
fn a_rejected_command_breaks_the_connection_and_a_rejected_ping_does_not() {
    let reject = |pdu: &Pdu, stat_sn| {
        let data = Bytes::copy_from_slice(&pdu.header);
        Reject { reason: 5, numbers: numbers(stat_sn), data_sn: 0, data }.into_pdu()
    };
    let mut state = state();
    state.ping();
    let ping = state.next_pdu(Instant::now()).unwrap();
    assert!(state.receive(reject(&ping, 10)).unwrap().is_none());
    let (command, _answer) = send(&mut state, read(1));
    let error = message(state.receive(reject(&command.into_pdu(), 11)));
    assert!(error.contains("rejects a SCSI command: it is not supported"), "{error}");
}

#[test]
fn what_only_a_writer_gets_breaks_the_connection() {
    let mut header = [0; 48];
    header[0] = crate::pdu::opcode::R2T;
    assert!(message(state().receive(Pdu::new(header, Bytes::new()))).contains("R2T"));
}

#[test]
fn after_a_logout_nothing_is_sent_and_its_answer_is_awaited() {
    let mut state = state();
    state.submit(Task::new(LUN, read(1), Answer::new(Box::new(|_| {}))));
    state.log_out();
    let Ok(InitiatorPdu::Logout(logout)) = InitiatorPdu::parse(state.next_pdu(Instant::now()).unwrap()) else {
        panic!()
    };
    assert!(state.next_pdu(Instant::now()).is_none());
    let answer = crate::pdu::LogoutResponse {
        response: 0,
        initiator_task_tag: logout.initiator_task_tag,
        numbers: numbers(10),
        time2wait: 0,
        time2retain: 0,
    };
    assert!(matches!(state.receive(answer.into_pdu()), Ok(Some(Event::LoggedOut))));
}

#[test]
fn a_task_that_is_dropped_is_answered() {
    let mut state = state();
    let (_, answer) = send(&mut state, read(1));
    drop(state);
    assert_eq!(answer.recv().unwrap().unwrap_err().kind, ErrorKind::Closed);
}
