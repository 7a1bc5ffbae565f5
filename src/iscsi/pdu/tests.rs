use super::*;
use crate::scsi::LunNumber;
use bytes::BytesMut;
use proptest::prelude::*;

const ALL_DIGESTS: [Digests; 4] = [
    Digests { header: false, data: false },
    Digests { header: true, data: false },
    Digests { header: false, data: true },
    Digests { header: true, data: true },
];

fn bytes(pdus: &[Pdu], digests: Digests) -> BytesMut {
    let mut bytes = BytesMut::new();
    for pdu in pdus {
        encode(pdu, digests, &mut bytes);
    }
    bytes
}

fn decoder(digests: Digests) -> Decoder {
    let mut decoder = Decoder::new(1 << 16);
    decoder.set_digests(digests);
    decoder
}

/// Everything that comes out when `stream` goes in, in portions of these lengths, used over and over.
fn decode(stream: &[u8], digests: Digests, portions: &[usize]) -> Result<Vec<Pdu>, PduError> {
    let mut decoder = decoder(digests);
    let (mut rest, mut pdus, mut portions) = (stream, Vec::new(), portions.iter().cycle());
    while !rest.is_empty() {
        let (portion, left) = rest.split_at((*portions.next().unwrap()).clamp(1, rest.len()));
        decoder.feed(portion);
        rest = left;
        while let Some(pdu) = decoder.next_pdu()? {
            pdus.push(pdu);
        }
    }
    Ok(pdus)
}

fn status_numbers() -> StatusNumbers {
    StatusNumbers { stat_sn: 0x0102_0304, exp_cmd_sn: 0x0506_0708, max_cmd_sn: 0x090a_0b0c }
}

fn command_numbers(immediate: bool) -> CommandNumbers {
    CommandNumbers { immediate, cmd_sn: 0x1112_1314, exp_stat_sn: 0x1516_1718 }
}

const LUN: LunNumber = LunNumber(0x4102_0304_0506_0708);

#[test]
fn a_login_request_is_laid_out_as_the_rfc_says() {
    let stage = TransitFlags { current: Stage::Security, transit_to: Some(Stage::Operational), continues: false };
    let pdu = LoginRequest {
        stage,
        version_max: 0,
        version_min: 0,
        isid: [0x80, 1, 2, 3, 4, 5],
        tsih: 0x0607,
        initiator_task_tag: 0x0809_0a0b,
        cid: 0x0c0d,
        cmd_sn: 0x0e0f_1011,
        exp_stat_sn: 0x1213_1415,
        data: Bytes::from_static(b"A=b\0C"),
    }
    .into_pdu();
    let expected = [
        "43810000", "00000005", "80010203", "04050607", "08090a0b", "0c0d0000", "0e0f1011", "12131415", "00000000",
        "00000000", "00000000", "00000000", "413d6200", "43000000",
    ];
    assert_eq!(hex::encode(bytes(&[pdu], Digests::default())), expected.concat());
}

#[test]
fn a_scsi_command_is_laid_out_as_the_rfc_says() {
    let pdu = ScsiCommand {
        read: true,
        write: false,
        attribute: TaskAttribute::Simple,
        lun: LUN,
        initiator_task_tag: 0x2122_2324,
        expected_data_transfer_length: 0x0001_0000,
        numbers: command_numbers(false),
        cdb: *b"0123456789abcdef",
        data: Bytes::new(),
    }
    .into_pdu();
    let expected = [
        "01c10000", "00000000", "41020304", "05060708", "21222324", "00010000", "11121314", "15161718", "30313233",
        "34353637", "38396162", "63646566",
    ];
    assert_eq!(hex::encode(bytes(&[pdu], Digests::default())), expected.concat());
}

#[test]
fn a_data_in_is_laid_out_as_the_rfc_says() {
    let pdu = DataIn {
        is_final: true,
        acknowledge: false,
        status: Some(DataInStatus { status: 0, residual: Residual::Underflow(3) }),
        lun: LunNumber(0),
        initiator_task_tag: 0x2122_2324,
        target_transfer_tag: RESERVED_TAG,
        numbers: status_numbers(),
        data_sn: 5,
        buffer_offset: 0x0002_0000,
        data: Bytes::from_static(b"x"),
    }
    .into_pdu();
    let expected = [
        "25830000", "00000001", "00000000", "00000000", "21222324", "ffffffff", "01020304", "05060708", "090a0b0c",
        "00000005", "00020000", "00000003", "78000000",
    ];
    assert_eq!(hex::encode(bytes(&[pdu], Digests::default())), expected.concat());
}

/// The examples of RFC 7143 appendix A.4: 32 bytes of zeros, of ones, and counting up.
#[test]
fn digests_are_those_of_the_examples_in_the_rfc() {
    for (data, expected) in [
        (vec![0; 32], "aa36918a"),
        (vec![0xff; 32], "43aba862"),
        ((0..32).collect(), "4e79dd46"),
        ((0..32).rev().collect(), "5cdb3f11"),
    ] {
        let pdu = Pdu::new([0; HEADER_BYTES], data.into());
        let [_, _, tail] = frame(&pdu, Digests { header: false, data: true });
        assert_eq!(hex::encode(tail), expected);
    }
}

fn initiator_pdus() -> Vec<(InitiatorPdu, Pdu)> {
    let data = Bytes::from_static(b"Key=value\0");
    let nop = NopOut {
        lun: LUN,
        initiator_task_tag: 7,
        target_transfer_tag: 8,
        numbers: command_numbers(true),
        data: data.clone(),
    };
    let task = TaskManagementRequest {
        function: 1,
        lun: LUN,
        initiator_task_tag: 7,
        referenced_task_tag: 9,
        numbers: command_numbers(true),
        ref_cmd_sn: 10,
        exp_data_sn: 11,
    };
    let text = TextRequest {
        is_final: true,
        continues: false,
        lun: LUN,
        initiator_task_tag: 7,
        target_transfer_tag: RESERVED_TAG,
        numbers: command_numbers(false),
        data,
    };
    let logout = LogoutRequest { reason_code: 1, initiator_task_tag: 7, cid: 2, numbers: command_numbers(true) };
    vec![
        (InitiatorPdu::NopOut(nop.clone()), nop.into_pdu()),
        (InitiatorPdu::TaskManagement(task.clone()), task.into_pdu()),
        (InitiatorPdu::Text(text.clone()), text.into_pdu()),
        (InitiatorPdu::Logout(logout.clone()), logout.into_pdu()),
    ]
}

fn target_pdus() -> Vec<(TargetPdu, Pdu)> {
    let data = Bytes::from_static(b"some data");
    let numbers = status_numbers();
    let nop = NopIn { lun: LUN, initiator_task_tag: 7, target_transfer_tag: RESERVED_TAG, numbers, data: data.clone() };
    let response = ScsiResponse {
        response: 0,
        status: 2,
        residual: Residual::Overflow(9),
        initiator_task_tag: 7,
        numbers,
        exp_data_sn: 3,
        data: ScsiResponse::sense_segment(b"sense"),
    };
    let task = TaskManagementResponse { response: 5, initiator_task_tag: 7, numbers };
    let stage = TransitFlags { current: Stage::Operational, transit_to: Some(Stage::FullFeature), continues: false };
    let login = LoginResponse {
        stage,
        version_max: 1,
        version_active: 0,
        isid: [1, 2, 3, 4, 5, 6],
        tsih: 4,
        initiator_task_tag: 7,
        numbers,
        status_class: 0,
        status_detail: 0,
        data: data.clone(),
    };
    let text = TextResponse {
        is_final: false,
        continues: true,
        lun: LUN,
        initiator_task_tag: 7,
        target_transfer_tag: 8,
        numbers,
        data: data.clone(),
    };
    let logout = LogoutResponse { response: 0, initiator_task_tag: 7, numbers, time2wait: 2, time2retain: 20 };
    let message = AsyncMessage {
        lun: LUN,
        numbers,
        async_event: 2,
        async_vcode: 0,
        parameter1: 1,
        parameter2: 2,
        parameter3: 3,
        data: data.clone(),
    };
    let reject = Reject { reason: 4, numbers, data_sn: 0, data };
    vec![
        (TargetPdu::NopIn(nop.clone()), nop.into_pdu()),
        (TargetPdu::ScsiResponse(response.clone()), response.into_pdu()),
        (TargetPdu::TaskManagement(task.clone()), task.into_pdu()),
        (TargetPdu::Login(login.clone()), login.into_pdu()),
        (TargetPdu::Text(text.clone()), text.into_pdu()),
        (TargetPdu::Logout(logout.clone()), logout.into_pdu()),
        (TargetPdu::Async(message.clone()), message.into_pdu()),
        (TargetPdu::Reject(reject.clone()), reject.into_pdu()),
    ]
}

#[test]
fn every_kind_of_pdu_comes_back_as_it_was_sent_under_all_digests() {
    for digests in ALL_DIGESTS {
        let (values, pdus): (Vec<_>, Vec<_>) = initiator_pdus().into_iter().unzip();
        let decoded = decode(&bytes(&pdus, digests), digests, &[1]).unwrap();
        let parsed: Vec<_> = decoded.into_iter().map(|pdu| InitiatorPdu::parse(pdu).unwrap()).collect();
        assert_eq!(parsed, values);
        let (values, pdus): (Vec<_>, Vec<_>) = target_pdus().into_iter().unzip();
        let decoded = decode(&bytes(&pdus, digests), digests, &[7, 100]).unwrap();
        let parsed: Vec<_> = decoded.into_iter().map(|pdu| TargetPdu::parse(pdu).unwrap()).collect();
        assert_eq!(parsed, values);
    }
}

#[test]
fn pdus_of_the_other_direction_are_refused() {
    for (_, pdu) in initiator_pdus() {
        assert!(matches!(TargetPdu::parse(pdu), Err(PduError::Opcode(_))));
    }
    for (_, pdu) in target_pdus() {
        assert!(matches!(InitiatorPdu::parse(pdu), Err(PduError::Opcode(_))));
    }
}

#[test]
fn sense_that_says_it_is_longer_than_it_is_is_cut() {
    let mut response = match target_pdus().swap_remove(1) {
        (TargetPdu::ScsiResponse(response), _) => response,
        other => panic!("{other:?}"),
    };
    assert_eq!(&response.sense()[..], b"sense");
    for (data, expected) in [("", ""), ("\0", ""), ("\0\u{8}abc", "abc"), ("\0\u{2}abc", "ab")] {
        response.data = Bytes::copy_from_slice(data.as_bytes());
        assert_eq!(response.sense(), expected, "{data:?}");
    }
}

#[test]
fn a_data_segment_over_the_limit_is_refused_before_it_arrives() {
    let pdu = Pdu::new([0; HEADER_BYTES], vec![0; 600].into());
    let stream = bytes(&[pdu], Digests::default());
    let mut decoder = Decoder::new(512);
    decoder.feed(&stream[..HEADER_BYTES]);
    let error = PduError::DataTooLong { length: 600, max: 512 };
    assert_eq!(decoder.next_pdu(), Err(error.clone()));
    decoder.feed(&stream);
    assert_eq!(decoder.next_pdu(), Err(error), "nothing after an error is believed");
}

#[test]
fn after_an_error_nothing_more_comes_out() {
    let digests = Digests { header: true, data: true };
    let pdu = Pdu::new([0; HEADER_BYTES], bytes::Bytes::from_static(b"data"));
    let good = bytes(std::slice::from_ref(&pdu), digests);
    let mut bad = good.clone();
    bad[HEADER_BYTES + 4] ^= 1;
    let mut decoder = decoder(digests);
    decoder.feed(&bad);
    let error = decoder.next_pdu().unwrap_err();
    assert!(matches!(error, PduError::DataDigest { .. }));
    decoder.feed(&good);
    assert_eq!(decoder.next_pdu(), Err(error));
}

#[test]
fn additional_header_segments_are_kept_apart_from_the_data() {
    for digests in ALL_DIGESTS {
        let pdu =
            Pdu { header: [1; HEADER_BYTES], ahs: Bytes::from_static(b"12345678"), data: Bytes::from_static(b"data") };
        let decoded = decode(&bytes(&[pdu], digests), digests, &[1]).unwrap();
        assert_eq!((&decoded[0].ahs[..], &decoded[0].data[..]), (b"12345678".as_slice(), b"data".as_slice()));
    }
}

fn any_pdu() -> impl Strategy<Value = Pdu> {
    let header = proptest::collection::vec(any::<u8>(), HEADER_BYTES);
    let ahs = (0_usize..4).prop_map(|words| vec![0xa5; words * 4]);
    (header, ahs, proptest::collection::vec(any::<u8>(), 0..300)).prop_map(|(header, ahs, data)| {
        let mut header: [u8; HEADER_BYTES] = header.try_into().unwrap();
        // The lengths that the encoder fills in, so that what comes back is equal.
        header[4] = u8::try_from(ahs.len() / 4).unwrap();
        header[5..8].copy_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes()[1..]);
        Pdu { header, ahs: ahs.into(), data: data.into() }
    })
}

fn any_digests() -> impl Strategy<Value = Digests> {
    (any::<bool>(), any::<bool>()).prop_map(|(header, data)| Digests { header, data })
}

proptest! {
    #[test]
    fn pdus_come_out_the_same_however_the_bytes_are_cut(
        pdus in proptest::collection::vec(any_pdu(), 1..6),
        digests in any_digests(),
        portions in proptest::collection::vec(1_usize..400, 1..20),
    ) {
        let stream = bytes(&pdus, digests);
        prop_assert_eq!(decode(&stream, digests, &portions), Ok(pdus));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused_the_same_way_however_they_are_cut(
        stream in proptest::collection::vec(any::<u8>(), 0..2000),
        digests in any_digests(),
        portions in proptest::collection::vec(1_usize..400, 1..20),
    ) {
        let whole = decode(&stream, digests, &[stream.len().max(1)]);
        prop_assert_eq!(&decode(&stream, digests, &portions), &whole);
        for pdu in whole.unwrap_or_default() {
            let _ = (InitiatorPdu::parse(pdu.clone()), TargetPdu::parse(pdu));
        }
    }

    #[test]
    fn with_both_digests_a_flipped_bit_never_goes_unnoticed(
        pdus in proptest::collection::vec(any_pdu(), 1..4),
        position in any::<prop::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let digests = Digests { header: true, data: true };
        let mut stream = bytes(&pdus, digests);
        let position = position.index(stream.len());
        stream[position] ^= 1 << bit;
        // An error, or a length that grew and waits for bytes that never come.
        let decoded = decode(&stream, digests, &[stream.len()]);
        if let Ok(decoded) = decoded {
            prop_assert!(decoded.len() < pdus.len());
        }
    }
}
