//! A target of a few lines that does what a test tells it, at the other end of an in-memory stream.

use crate::pdu::{
    DataIn, DataInStatus, Decoder, Digests, InitiatorPdu, LoginRequest, LoginResponse, NopIn, Pdu, RESERVED_TAG,
    Residual, ScsiCommand, ScsiResponse, StatusNumbers, TextResponse, encode,
};
use crate::scsi::{LunList, LunNumber, opcode, status};
use crate::text::Pairs;
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Size of a block of the disk in bytes.
pub(super) const BLOCK: u32 = 512;
/// Number of blocks of the disk.
pub(super) const BLOCKS: u32 = 4096;

/// The bytes of the disk: every block begins with its number.
pub(super) fn content(lba: u32, blocks: u32) -> Bytes {
    let mut bytes = BytesMut::new();
    for block in lba..lba + blocks {
        let from = bytes.len();
        bytes.extend_from_slice(&block.to_be_bytes());
        bytes.resize(from + BLOCK as usize, block as u8);
    }
    bytes.freeze()
}

/// One connection of the target.
pub(super) struct Connection {
    stream: DuplexStream,
    decoder: Decoder,
    stat_sn: u32,
    exp_cmd_sn: u32,
    /// The serial number that the disk tells.
    pub(super) serial: &'static str,
}

impl Connection {
    /// A connection on which nothing has been said yet.
    pub(super) fn new(stream: DuplexStream) -> Self {
        Self { stream, decoder: Decoder::new(1 << 20), stat_sn: 100, exp_cmd_sn: 0, serial: "one" }
    }

    /// The next PDU; `None` when the initiator closed the connection.
    pub(super) async fn receive(&mut self) -> Option<InitiatorPdu> {
        loop {
            if let Some(pdu) = self.decoder.next_pdu().unwrap() {
                return Some(InitiatorPdu::parse(pdu).unwrap());
            }
            if self.stream.read_buf(self.decoder.buffer_mut()).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Sends a PDU; an initiator that is gone does not matter.
    pub(super) async fn send(&mut self, pdu: Pdu) {
        let mut bytes = BytesMut::new();
        encode(&pdu, Digests::default(), &mut bytes);
        let _ = self.stream.write_all(&bytes).await;
    }

    /// Numbers of a PDU that carries a status.
    pub(super) fn status_numbers(&mut self) -> StatusNumbers {
        let numbers = self.numbers();
        self.stat_sn += 1;
        numbers
    }

    fn numbers(&self) -> StatusNumbers {
        let (stat_sn, exp_cmd_sn) = (self.stat_sn, self.exp_cmd_sn);
        StatusNumbers { stat_sn, exp_cmd_sn, max_cmd_sn: exp_cmd_sn.wrapping_add(31) }
    }

    /// The response to a login request that agrees to everything.
    pub(super) fn login_response(&mut self, request: &LoginRequest) -> LoginResponse {
        self.exp_cmd_sn = request.cmd_sn;
        LoginResponse {
            stage: request.stage,
            version_max: 0,
            version_active: 0,
            isid: request.isid,
            tsih: 1,
            initiator_task_tag: request.initiator_task_tag,
            numbers: self.status_numbers(),
            status_class: 0,
            status_detail: 0,
            data: Bytes::new(),
        }
    }

    /// Lets the initiator in.
    pub(super) async fn log_in(&mut self) {
        for _ in 0..2 {
            let Some(InitiatorPdu::Login(request)) = self.receive().await else { panic!("no login") };
            let response = self.login_response(&request).into_pdu();
            self.send(response).await;
        }
    }

    /// The next command; answers pings and what is not about blocks on the way.
    pub(super) async fn next_read(&mut self) -> Option<ScsiCommand> {
        loop {
            match self.receive().await? {
                InitiatorPdu::ScsiCommand(command) => {
                    self.exp_cmd_sn = command.numbers.cmd_sn.wrapping_add(1);
                    if command.cdb[0] == opcode::READ_10 {
                        return Some(command);
                    }
                    self.describe(&command).await;
                }
                InitiatorPdu::NopOut(ping) => {
                    let numbers = self.status_numbers();
                    let pong = NopIn {
                        lun: ping.lun,
                        initiator_task_tag: ping.initiator_task_tag,
                        target_transfer_tag: RESERVED_TAG,
                        numbers,
                        data: Bytes::new(),
                    };
                    self.send(pong.into_pdu()).await;
                }
                InitiatorPdu::Logout(request) => {
                    let numbers = self.status_numbers();
                    let response = crate::pdu::LogoutResponse {
                        response: 0,
                        initiator_task_tag: request.initiator_task_tag,
                        numbers,
                        time2wait: 0,
                        time2retain: 0,
                    };
                    self.send(response.into_pdu()).await;
                }
                InitiatorPdu::Text(request) => {
                    let mut text = Pairs::default();
                    text.push("TargetName", "iqn.x:disk");
                    let numbers = self.status_numbers();
                    let response = TextResponse {
                        is_final: true,
                        continues: false,
                        lun: LunNumber(0),
                        initiator_task_tag: request.initiator_task_tag,
                        target_transfer_tag: RESERVED_TAG,
                        numbers,
                        data: text.encode(),
                    };
                    self.send(response.into_pdu()).await;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn describe(&mut self, command: &ScsiCommand) {
        let data = match (command.cdb[0], command.cdb[2]) {
            (opcode::REPORT_LUNS, _) => LunList::to_bytes(&[LunNumber(0)]),
            (opcode::INQUIRY, _) if command.cdb[1] == 0 => b"\0\0\0\0\0\0\0\0SCRIPTEDDISK            0001".to_vec(),
            (opcode::INQUIRY, 0) => vec![0, 0, 0, 2, 0, 0x80],
            (opcode::INQUIRY, 0x80) => [&[0, 0x80, 0, self.serial.len() as u8], self.serial.as_bytes()].concat(),
            (opcode::SERVICE_ACTION_IN_16, _) => {
                [&u64::from(BLOCKS - 1).to_be_bytes()[..], &BLOCK.to_be_bytes(), &[0; 20]].concat()
            }
            other => panic!("{other:?}"),
        };
        self.answer(command, data.into()).await;
    }

    /// Answers a command with data and a good status.
    pub(super) async fn answer(&mut self, command: &ScsiCommand, data: Bytes) {
        let missing = command.expected_data_transfer_length - data.len() as u32;
        let residual = if missing == 0 { Residual::None } else { Residual::Underflow(missing) };
        let part = DataIn {
            is_final: true,
            acknowledge: false,
            status: Some(DataInStatus { status: status::GOOD, residual }),
            lun: LunNumber(0),
            initiator_task_tag: command.initiator_task_tag,
            target_transfer_tag: RESERVED_TAG,
            numbers: self.status_numbers(),
            data_sn: 0,
            buffer_offset: 0,
            data,
        };
        self.send(part.into_pdu()).await;
    }

    /// Answers a read with the blocks it asks for.
    pub(super) async fn serve(&mut self, command: &ScsiCommand) {
        let lba = u32::from_be_bytes(command.cdb[2..6].try_into().unwrap());
        let blocks = u32::from(u16::from_be_bytes(command.cdb[7..9].try_into().unwrap()));
        self.answer(command, content(lba, blocks)).await;
    }

    /// Serves everything until the initiator goes.
    pub(super) async fn serve_all(&mut self) {
        while let Some(command) = self.next_read().await {
            self.serve(&command).await;
        }
    }

    /// Answers a command with a status and fixed-format sense data.
    pub(super) async fn fail(&mut self, command: &ScsiCommand, code: u8, key: u8, asc: (u8, u8)) {
        let mut sense = vec![0; 18];
        (sense[0], sense[2], sense[12], sense[13]) = (0x70, key, asc.0, asc.1);
        let response = ScsiResponse {
            response: 0,
            status: code,
            residual: Residual::None,
            initiator_task_tag: command.initiator_task_tag,
            numbers: self.status_numbers(),
            exp_data_sn: 0,
            data: ScsiResponse::sense_segment(&sense),
        };
        self.send(response.into_pdu()).await;
    }
}
