//! An initiator that does what a test tells it and checks what every target has to keep to.

use super::{IQN, PATIENCE};
use crate::Handle;
use bytes::{Bytes, BytesMut};
use iscsi::LunNumber;
use iscsi::pdu::{
    CommandNumbers, DataIn, Decoder, Digests, LoginRequest, LoginResponse, LogoutRequest, NopOut, Pdu, RESERVED_TAG,
    Residual, ScsiCommand, ScsiResponse, Stage, StatusNumbers, TargetPdu, TaskAttribute, TaskManagementRequest,
    TextRequest, TransitFlags, encode,
};
use iscsi::scsi::{Sense, status};
use iscsi::text::Pairs;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(super) const NAME: &str = "iqn.2024-01.test.invalid:initiator";

pub(super) struct Initiator<S = TcpStream> {
    pub(super) stream: S,
    pub(super) decoder: Decoder,
    pub(super) digests: Digests,
    pub(super) isid: [u8; 6],
    pub(super) cmd_sn: u32,
    pub(super) max_cmd_sn: u32,
    next_tag: u32,
    /// StatSN that the next status has to have.
    exp_stat_sn: Option<u32>,
}

/// What a command was answered with.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: u8,
    pub(super) data: Bytes,
    pub(super) residual: Residual,
    pub(super) sense: Option<Sense>,
    pub(super) parts: Vec<DataIn>,
}

impl Outcome {
    /// Sense key, additional sense code and qualifier.
    pub(super) fn sense_codes(&self) -> (u8, u8, u8) {
        assert_eq!(self.status, status::CHECK_CONDITION);
        let sense = self.sense.unwrap();
        (sense.key as u8, sense.code, sense.qualifier)
    }

    pub(super) fn good(self) -> Bytes {
        assert_eq!((self.status, self.sense), (status::GOOD, None));
        self.data
    }
}

pub(super) fn stage(current: Stage, transit_to: Option<Stage>) -> TransitFlags {
    TransitFlags { current, transit_to, continues: false }
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    let mut text = Pairs::default();
    pairs.iter().for_each(|(key, value)| text.push(key, *value));
    text
}

impl Initiator {
    pub(super) async fn connect(target: &Handle) -> Self {
        Self::new(TcpStream::connect(target.address()).await.unwrap())
    }

    /// A session without authentication and with the usual parameters.
    pub(super) async fn log_in(target: &Handle) -> Self {
        Self::log_in_with(target, &[]).await
    }

    /// The same, with these keys too.
    pub(super) async fn log_in_with(target: &Handle, keys: &[(&str, &str)]) -> Self {
        let mut initiator = Self::connect(target).await;
        initiator.begin_session(keys).await;
        initiator
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Initiator<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            decoder: Decoder::new(1 << 20),
            digests: Digests::default(),
            isid: [0x80, 0, 0, 0, 0, 1],
            cmd_sn: 0xffff_fffe,
            max_cmd_sn: 0,
            next_tag: 1,
            exp_stat_sn: None,
        }
    }

    pub(super) async fn begin_session(&mut self, keys: &[(&str, &str)]) -> Pairs {
        let names = [("InitiatorName", NAME), ("SessionType", "Normal"), ("TargetName", IQN)];
        let flags = stage(Stage::Operational, Some(Stage::FullFeature));
        let response = self.login(flags, &[&names[..], keys].concat()).await;
        assert_eq!((response.status_class, response.status_detail), (0, 0));
        assert_eq!(response.stage.transit_to, Some(Stage::FullFeature));
        assert_ne!(response.tsih, 0);
        let answer = Pairs::parse(&response.data).unwrap();
        self.begin_full_feature(&answer);
        answer
    }

    pub(super) fn begin_full_feature(&mut self, answer: &Pairs) {
        let on = |key| answer.value(key) == Some("CRC32C");
        self.digests = Digests { header: on("HeaderDigest"), data: on("DataDigest") };
        self.decoder.set_digests(self.digests);
    }

    pub(super) fn login_request(&self, stage: TransitFlags, data: Bytes) -> LoginRequest {
        LoginRequest {
            stage,
            version_max: 0,
            version_min: 0,
            isid: self.isid,
            tsih: 0,
            initiator_task_tag: 0x1234,
            cid: 7,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: 0,
            data,
        }
    }

    pub(super) async fn login(&mut self, stage: TransitFlags, keys: &[(&str, &str)]) -> LoginResponse {
        let request = self.login_request(stage, pairs(keys).encode());
        self.send(request.into_pdu()).await;
        self.login_response().await
    }

    pub(super) async fn login_response(&mut self) -> LoginResponse {
        match self.receive().await {
            TargetPdu::Login(response) => {
                assert_eq!((response.isid, response.initiator_task_tag), (self.isid, 0x1234));
                response
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn send(&mut self, pdu: Pdu) {
        let mut bytes = BytesMut::new();
        encode(&pdu, self.digests, &mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next PDU; `None` when the connection was closed.
    pub(super) async fn receive_or_end(&mut self) -> Option<TargetPdu> {
        loop {
            if let Some(pdu) = self.decoder.next_pdu().unwrap() {
                let pdu = TargetPdu::parse(pdu).unwrap();
                self.check_numbers(&pdu);
                return Some(pdu);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(self.decoder.buffer_mut())).await;
            if read.expect("an answer").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    pub(super) async fn receive(&mut self) -> TargetPdu {
        self.receive_or_end().await.expect("the connection stays")
    }

    /// What comes until the target closes the connection is nothing.
    pub(super) async fn assert_closed(&mut self) {
        let pdu = self.receive_or_end().await;
        assert!(pdu.is_none(), "{pdu:?}");
    }

    /// StatSN counts every status, MaxCmdSN never goes back, ExpCmdSN is what was sent or less.
    fn check_numbers(&mut self, pdu: &TargetPdu) {
        let (numbers, counts): (StatusNumbers, bool) = match pdu {
            TargetPdu::NopIn(pdu) => (pdu.numbers, pdu.initiator_task_tag != RESERVED_TAG),
            TargetPdu::ScsiResponse(pdu) => (pdu.numbers, true),
            TargetPdu::TaskManagement(pdu) => (pdu.numbers, true),
            TargetPdu::Login(pdu) => (pdu.numbers, true),
            TargetPdu::Text(pdu) => (pdu.numbers, true),
            TargetPdu::DataIn(pdu) => (pdu.numbers, pdu.status.is_some()),
            TargetPdu::Logout(pdu) => (pdu.numbers, true),
            TargetPdu::Async(pdu) => (pdu.numbers, true),
            TargetPdu::Reject(pdu) => (pdu.numbers, true),
            other => panic!("{other:?}"),
        };
        if counts {
            let expected = *self.exp_stat_sn.get_or_insert(numbers.stat_sn);
            assert_eq!(numbers.stat_sn, expected);
            self.exp_stat_sn = Some(expected.wrapping_add(1));
        }
        assert!((self.cmd_sn.wrapping_sub(numbers.exp_cmd_sn) as i32) >= 0, "ExpCmdSN is ahead");
        if matches!(pdu, TargetPdu::Login(_)) {
            self.max_cmd_sn = numbers.max_cmd_sn;
        }
        assert!((numbers.max_cmd_sn.wrapping_sub(self.max_cmd_sn) as i32) >= 0, "MaxCmdSN went back");
        self.max_cmd_sn = numbers.max_cmd_sn;
    }

    pub(super) const fn tag(&mut self) -> u32 {
        self.next_tag += 1;
        self.next_tag
    }

    /// Numbers of the next command.
    pub(super) fn numbered(&mut self) -> CommandNumbers {
        let cmd_sn = self.cmd_sn;
        self.cmd_sn = cmd_sn.wrapping_add(1);
        CommandNumbers { immediate: false, cmd_sn, exp_stat_sn: self.exp_stat_sn.unwrap_or(0) }
    }

    pub(super) fn immediate(&self) -> CommandNumbers {
        CommandNumbers { immediate: true, cmd_sn: self.cmd_sn, exp_stat_sn: self.exp_stat_sn.unwrap_or(0) }
    }

    pub(super) fn scsi_command(&mut self, lun: u16, cdb: &[u8], expected: u32) -> ScsiCommand {
        let mut whole = [0; 16];
        whole[..cdb.len()].copy_from_slice(cdb);
        ScsiCommand {
            read: expected > 0,
            write: false,
            attribute: TaskAttribute::Simple,
            lun: LunNumber::from_index(lun).unwrap(),
            initiator_task_tag: self.tag(),
            expected_data_transfer_length: expected,
            numbers: self.numbered(),
            cdb: whole,
            data: Bytes::new(),
        }
    }

    /// Sends a command and gives its task tag.
    pub(super) async fn command(&mut self, lun: u16, cdb: &[u8], expected: u32) -> u32 {
        let command = self.scsi_command(lun, cdb, expected);
        let tag = command.initiator_task_tag;
        self.send(command.into_pdu()).await;
        tag
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn ask(&mut self, lun: u16, cdb: &[u8], expected: u32) -> Outcome {
        let tag = self.command(lun, cdb, expected).await;
        let (answered, outcome) = self.outcome().await;
        assert_eq!(answered, tag);
        outcome
    }

    pub(super) async fn begin_read(&mut self, lun: u16, lba: u32, blocks: u16) -> u32 {
        self.command(lun, &read_10(lba, blocks), u32::from(blocks) * 512).await
    }

    pub(super) async fn read(&mut self, lun: u16, lba: u32, blocks: u16) -> Bytes {
        let outcome = self.ask(lun, &read_10(lba, blocks), u32::from(blocks) * 512).await;
        outcome.good()
    }

    /// The whole answer to whichever command is answered next, and its task tag. Answers are not mixed.
    pub(super) async fn outcome(&mut self) -> (u32, Outcome) {
        let (mut data, mut parts, mut tag) = (BytesMut::new(), Vec::new(), None);
        loop {
            match self.receive().await {
                TargetPdu::DataIn(part) => {
                    assert_eq!(*tag.get_or_insert(part.initiator_task_tag), part.initiator_task_tag);
                    assert_eq!(part.data_sn as usize, parts.len());
                    assert_eq!(part.buffer_offset as usize, data.len());
                    data.extend_from_slice(&part.data);
                    parts.push(part.clone());
                    if let Some(status) = part.status {
                        let (status, residual) = (status.status, status.residual);
                        let data = data.freeze();
                        return (part.initiator_task_tag, Outcome { status, data, residual, sense: None, parts });
                    }
                }
                TargetPdu::ScsiResponse(response) => {
                    assert!(parts.is_empty());
                    return (response.initiator_task_tag, Outcome::without_data(&response));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) async fn text(&mut self, keys: &[(&str, &str)]) -> Pairs {
        let request = TextRequest {
            is_final: true,
            continues: false,
            lun: LunNumber(0),
            initiator_task_tag: self.tag(),
            target_transfer_tag: RESERVED_TAG,
            numbers: self.numbered(),
            data: pairs(keys).encode(),
        };
        let tag = request.initiator_task_tag;
        self.send(request.into_pdu()).await;
        match self.receive().await {
            TargetPdu::Text(response) => {
                assert_eq!((response.initiator_task_tag, response.is_final), (tag, true));
                Pairs::parse(&response.data).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sends a NOP-Out and waits until it is answered: the connection works.
    pub(super) async fn ping(&mut self, data: &'static [u8]) -> Bytes {
        let ping = NopOut {
            lun: LunNumber(0),
            initiator_task_tag: self.tag(),
            target_transfer_tag: RESERVED_TAG,
            numbers: self.numbered(),
            data: Bytes::from_static(data),
        };
        let tag = ping.initiator_task_tag;
        self.send(ping.into_pdu()).await;
        match self.receive().await {
            TargetPdu::NopIn(pong) => {
                assert_eq!((pong.initiator_task_tag, pong.target_transfer_tag), (tag, RESERVED_TAG));
                pong.data
            }
            other => panic!("{other:?}"),
        }
    }

    /// The response to a task management function.
    pub(super) async fn manage(&mut self, function: u8, lun: u16, referenced_task_tag: u32) -> u8 {
        let request = TaskManagementRequest {
            function,
            lun: LunNumber::from_index(lun).unwrap(),
            initiator_task_tag: self.tag(),
            referenced_task_tag,
            numbers: self.immediate(),
            ref_cmd_sn: 0,
            exp_data_sn: 0,
        };
        self.send(request.into_pdu()).await;
        match self.receive().await {
            TargetPdu::TaskManagement(response) => response.response,
            other => panic!("{other:?}"),
        }
    }

    /// The response to a logout.
    pub(super) async fn log_out(&mut self, reason_code: u8, cid: u16) -> u8 {
        let (initiator_task_tag, numbers) = (self.tag(), self.immediate());
        self.send(LogoutRequest { reason_code, initiator_task_tag, cid, numbers }.into_pdu()).await;
        match self.receive().await {
            TargetPdu::Logout(response) => response.response,
            other => panic!("{other:?}"),
        }
    }

    /// The reason of the Reject that a PDU gets.
    pub(super) async fn rejected(&mut self, pdu: Pdu) -> u8 {
        let header = pdu.header;
        self.send(pdu).await;
        match self.receive().await {
            TargetPdu::Reject(reject) => {
                assert_eq!(reject.data[8..], header[8..], "the header comes back");
                reject.reason
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Outcome {
    fn without_data(response: &ScsiResponse) -> Self {
        assert_eq!(response.response, 0);
        let sense = Sense::parse(&response.sense());
        let (status, residual) = (response.status, response.residual);
        Self { status, data: Bytes::new(), residual, sense, parts: Vec::new() }
    }
}

pub(super) fn read_10(lba: u32, blocks: u16) -> [u8; 10] {
    let ([a, b, c, d], [e, f]) = (lba.to_be_bytes(), blocks.to_be_bytes());
    [0x28, 0, a, b, c, d, 0, e, f, 0]
}
