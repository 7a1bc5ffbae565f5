//! One connection: TLS, login, full feature phase; and the bytes that go in and out.

use crate::full_feature::{After, FullFeature, Start, Violation};
use crate::login::{Established, Login, LoginAnswer, Purpose, RECEIVE_MAX, Status};
use crate::sessions::SessionEntry;
use crate::shared::Shared;
use crate::transmit::Transmit;
use bytes::Buf;
use iscsi::pdu::{
    Decoder, Digests, InitiatorPdu, LoginRequest, LoginResponse, Pdu, PduError, Stage, StatusNumbers, TransitFlags,
};
use iscsi::text::Pairs;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at};

/// Room that every read from the connection has.
const READ_BYTES: usize = 16 << 10;
/// Once so much waits to be sent, it is sent before anything else is done.
const FLUSH_BYTES: usize = 1 << 20;
/// Who took so long to take what was sent was not silent: it took it.
const SLOW_FLUSH: Duration = Duration::from_secs(1);
/// How long the initiator has to close its side after the last answer, so that it is not lost in a reset.
const FAREWELL: Duration = Duration::from_secs(2);
/// TSIH of discovery sessions, which nobody can come back to.
const DISCOVERY_TSIH: u16 = u16::MAX;

/// Why a connection ended other than by logout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Pdu(#[from] PduError),
    #[error(transparent)]
    Violation(#[from] Violation),
    #[error("the login was refused with status {class:02x}{detail:02x}", class = .0.class, detail = .0.detail)]
    Refused(Status),
    #[error("the initiator closed it")]
    Closed,
    #[error("the login took too long")]
    LoginTimeout,
    #[error("the initiator was silent for too long")]
    Silent,
    #[error("the same initiator port has logged in anew")]
    Replaced,
    #[error("it was to be cut here")]
    Cut,
}

/// Serves a connection that was just accepted until it ends.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    let deadline = after(shared.config.login_timeout);
    let end = match accept(&shared, stream, deadline).await {
        Ok(()) => return,
        Err(end) => end,
    };
    tracing::debug!(%end, "a connection ended");
}

async fn accept(shared: &Arc<Shared>, stream: TcpStream, deadline: Instant) -> Result<(), End> {
    stream.set_nodelay(true)?;
    let portal = match &shared.config.portal {
        Some(portal) => portal.clone(),
        None => stream.local_addr()?.to_string(),
    };
    match &shared.tls {
        None => run(shared, stream, portal, deadline).await,
        Some(tls) => {
            let stream = timeout_at(deadline, tls.accept(stream)).await.map_err(|_| End::LoginTimeout)??;
            run(shared, stream, portal, deadline).await
        }
    }
}

/// Serves an initiator on any stream.
pub(crate) async fn run<S>(shared: &Arc<Shared>, stream: S, portal: String, deadline: Instant) -> Result<(), End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let end = Arc::new(Notify::new());
    let mut connection = Connection {
        shared: Arc::clone(shared),
        stream,
        decoder: Decoder::new(RECEIVE_MAX),
        transmit: Transmit::default(),
        bytes_until_cut: shared.config.faults.cut_after_bytes,
    };
    let login = timeout_at(deadline, connection.login(portal, &end)).await.map_err(|_| End::LoginTimeout)?;
    match login {
        Ok((start, _entry)) => tokio::select! {
            ended = connection.full_feature(start) => ended,
            () = end.notified() => Err(End::Replaced),
        },
        Err(End::Refused(status)) => {
            connection.farewell().await?;
            Err(End::Refused(status))
        }
        Err(end) => Err(end),
    }
}

struct Connection<S> {
    shared: Arc<Shared>,
    stream: S,
    decoder: Decoder,
    transmit: Transmit,
    bytes_until_cut: Option<u64>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn login(&mut self, portal: String, end: &Arc<Notify>) -> Result<(Start, Option<SessionEntry>), End> {
        let mut login = Login::new(Arc::clone(&self.shared));
        let mut stat_sn = 0_u32;
        loop {
            let pdu = self.next_pdu().await?;
            let (initiator_task_tag, isid) = (pdu.initiator_task_tag(), isid(&pdu));
            let request = match InitiatorPdu::parse(pdu) {
                Ok(InitiatorPdu::Login(request)) => request,
                parsed => {
                    let blank = blank_request(initiator_task_tag, isid);
                    let status = if parsed.is_ok() { Status::INVALID_DURING_LOGIN } else { Status::INITIATOR_ERROR };
                    return Err(self.refuse(&blank, stat_sn, status).await);
                }
            };
            let answer = match login.answer(&request) {
                Ok(answer) => answer,
                Err(status) => return Err(self.refuse(&request, stat_sn, status).await),
            };
            let entry = match &answer.established {
                Some(Established { purpose: Purpose::Normal(port), .. }) => {
                    match self.shared.sessions.enter(port.clone(), end) {
                        Some(entry) => Some(entry),
                        None => return Err(self.refuse(&request, stat_sn, Status::OUT_OF_RESOURCES).await),
                    }
                }
                _ => None,
            };
            self.accept_login(&request, &answer, stat_sn, entry.as_ref()).await?;
            stat_sn = stat_sn.wrapping_add(1);
            if let Some(established) = answer.established {
                let Established { agreed, purpose } = established;
                let digests = Digests { header: agreed.header_digest, data: agreed.data_digest };
                self.transmit.digests = digests;
                self.decoder.set_digests(digests);
                let (cmd_sn, connection_id) = (request.cmd_sn, request.cid);
                return Ok((Start { agreed, purpose, cmd_sn, stat_sn, connection_id, portal }, entry));
            }
        }
    }

    async fn accept_login(
        &mut self,
        request: &LoginRequest,
        answer: &LoginAnswer,
        stat_sn: u32,
        entry: Option<&SessionEntry>,
    ) -> Result<(), End> {
        let mut response = self.login_response(request, stat_sn, &answer.text);
        response.stage.transit_to = request.stage.transit_to.filter(|_| answer.transit);
        if answer.established.is_some() {
            response.tsih = entry.map_or(DISCOVERY_TSIH, |entry| entry.tsih);
        }
        self.transmit.push(&response.into_pdu());
        self.flush().await
    }

    /// Sends a refusal and gives back what the connection ends with.
    async fn refuse(&mut self, request: &LoginRequest, stat_sn: u32, status: Status) -> End {
        let mut text = Pairs::default();
        if let Some(address) = &status.moved_to {
            text.push("TargetAddress", address);
        }
        let mut response = self.login_response(request, stat_sn, &text);
        response.status_class = status.class;
        response.status_detail = status.detail;
        self.transmit.push(&response.into_pdu());
        match self.flush().await {
            Ok(()) => End::Refused(status),
            Err(end) => end,
        }
    }

    fn login_response(&self, request: &LoginRequest, stat_sn: u32, text: &Pairs) -> LoginResponse {
        let max_cmd_sn = request.cmd_sn.wrapping_add(self.shared.config.commands_max).wrapping_sub(1);
        LoginResponse {
            stage: TransitFlags { current: request.stage.current, transit_to: None, continues: false },
            version_max: 0,
            version_active: 0,
            isid: request.isid,
            tsih: request.tsih,
            initiator_task_tag: request.initiator_task_tag,
            numbers: StatusNumbers { stat_sn, exp_cmd_sn: request.cmd_sn, max_cmd_sn },
            status_class: 0,
            status_detail: 0,
            data: text.encode(),
        }
    }

    async fn full_feature(&mut self, start: Start) -> Result<(), End> {
        let config = &self.shared.config;
        let (ping_interval, silence_max) = (config.ping_interval, config.silence_max);
        let (completed, mut completions) = mpsc::unbounded_channel();
        let mut session = FullFeature::new(Arc::clone(&self.shared), start, completed);
        let mut pings = interval_at(after(ping_interval), ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        // What came along with the last Login Request.
        if self.take_received(&mut session).await? == After::Close {
            return self.farewell().await;
        }
        loop {
            while self.transmit.waiting() < FLUSH_BYTES
                && let Ok(answer) = completions.try_recv()
            {
                if session.complete(answer, &mut self.transmit) == After::Close {
                    return self.farewell().await;
                }
            }
            let flushing = Instant::now();
            self.flush().await?;
            if flushing.elapsed() > SLOW_FLUSH {
                heard = Instant::now();
            }
            self.decoder.buffer_mut().reserve(READ_BYTES);
            tokio::select! {
                read = self.stream.read_buf(self.decoder.buffer_mut()) => {
                    if read? == 0 {
                        return Err(End::Closed);
                    }
                    heard = Instant::now();
                    if self.take_received(&mut session).await? == After::Close {
                        return self.farewell().await;
                    }
                }
                Some(answer) = completions.recv() => {
                    if session.complete(answer, &mut self.transmit) == After::Close {
                        return self.farewell().await;
                    }
                }
                now = pings.tick() => {
                    if now.duration_since(heard) > silence_max {
                        return Err(End::Silent);
                    }
                    session.ping(&mut self.transmit);
                }
            }
        }
    }

    /// Takes every PDU that is complete.
    async fn take_received(&mut self, session: &mut FullFeature) -> Result<After, End> {
        while let Some(pdu) = self.decoder.next_pdu()? {
            match session.receive(pdu, &mut self.transmit) {
                Ok(After::Stay) => {}
                Ok(After::Close) => return Ok(After::Close),
                Err(violation) => {
                    // What was answered before counts all the same.
                    self.flush().await?;
                    return Err(violation.into());
                }
            }
            if self.transmit.waiting() >= FLUSH_BYTES {
                self.flush().await?;
            }
        }
        Ok(After::Stay)
    }

    async fn next_pdu(&mut self) -> Result<Pdu, End> {
        loop {
            if let Some(pdu) = self.decoder.next_pdu()? {
                return Ok(pdu);
            }
            self.decoder.buffer_mut().reserve(READ_BYTES);
            if self.stream.read_buf(self.decoder.buffer_mut()).await? == 0 {
                return Err(End::Closed);
            }
        }
    }

    /// Sends all that waits.
    async fn flush(&mut self) -> Result<(), End> {
        let length = u64::try_from(self.transmit.waiting()).unwrap_or(u64::MAX);
        if length == 0 {
            return Ok(());
        }
        let cut = self.bytes_until_cut.filter(|left| *left <= length);
        if let Some(left) = cut {
            self.transmit.outgoing.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        self.bytes_until_cut = self.bytes_until_cut.map(|left| left.saturating_sub(length));
        let silence_max = self.shared.config.silence_max;
        while self.transmit.outgoing.has_remaining() {
            let written = timeout(silence_max, self.stream.write_buf(&mut self.transmit.outgoing)).await;
            if written.map_err(|_| End::Silent)?? == 0 {
                return Err(End::Closed);
            }
        }
        timeout(silence_max, self.stream.flush()).await.map_err(|_| End::Silent)??;
        if cut.is_some() { Err(End::Cut) } else { Ok(()) }
    }

    /// Sends all that waits and closes, after the initiator has closed its side: what it still sends would reset the
    /// connection, and the last answer could be lost.
    async fn farewell(&mut self) -> Result<(), End> {
        self.flush().await?;
        let closed = async {
            self.stream.shutdown().await?;
            let mut ignored = [0; 512];
            while self.stream.read(&mut ignored).await? > 0 {}
            Ok(())
        };
        timeout(FAREWELL, closed).await.unwrap_or(Ok(()))
    }
}

/// The moment when so much time will have passed.
fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}

/// ISID of a login PDU, for the answer to one that makes no sense otherwise.
fn isid(pdu: &Pdu) -> [u8; 6] {
    let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, ..] = pdu.header;
    [a, b, c, d, e, f]
}

/// What is answered when a request cannot be understood at all.
fn blank_request(initiator_task_tag: u32, isid: [u8; 6]) -> LoginRequest {
    LoginRequest {
        stage: TransitFlags { current: Stage::Security, transit_to: None, continues: false },
        version_max: 0,
        version_min: 0,
        isid,
        tsih: 0,
        initiator_task_tag,
        cid: 0,
        cmd_sn: 0,
        exp_stat_sn: 0,
        data: bytes::Bytes::new(),
    }
}
