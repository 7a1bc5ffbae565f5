//! One connection: TLS, login, full feature phase; and the bytes that go in and out.

use crate::audit::Audit;
use crate::full_feature::{After, Completed, FullFeature, Start, Violation};
use crate::gate::Pass;
use crate::login::{Established, Login, LoginAnswer, Purpose, RECEIVE_MAX, Status};
use crate::sessions::SessionEntry;
use crate::shared::Shared;
use crate::transmit::Transmit;
use crate::{SessionEvent, SessionEventKind};
use bytes::Buf;
use iscsi::pdu::{
    Decoder, Digests, InitiatorPdu, LoginRequest, LoginResponse, Pdu, PduError, Stage, StatusNumbers, TransitFlags,
};
use iscsi::text::Pairs;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout, timeout_at};

/// What is taken from the connection at a time.
const READ_BYTES: usize = 16 << 10;
/// Once so much waits to be sent, it is sent before anything else is done.
const FLUSH_BYTES: usize = 256 << 10;
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
    #[error("the export was withdrawn")]
    Withdrawn,
    #[error("it was to be cut here")]
    Cut,
}

/// Who is at the other end.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) pass: Pass,
}

/// Serves a connection that was just accepted until it ends.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream, peer: Peer) {
    let deadline = after(shared.config.login_timeout);
    let address = peer.address;
    let end = match accept(&shared, stream, peer, deadline).await {
        Ok(()) => return,
        Err(end) => end,
    };
    tracing::debug!(%end, peer = %address, "a connection ended");
}

async fn accept(shared: &Arc<Shared>, stream: TcpStream, peer: Peer, deadline: Instant) -> Result<(), End> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    match &shared.tls {
        None => run(shared, stream, (local, peer), deadline).await,
        Some(tls) => {
            let stream = timeout_at(deadline, tls.accept(stream)).await.map_err(|_| End::LoginTimeout)??;
            run(shared, stream, (local, peer), deadline).await
        }
    }
}

/// Serves an initiator on any stream, between our address and the peer.
pub(crate) async fn run<S>(
    shared: &Arc<Shared>,
    stream: S,
    (local, peer): (SocketAddr, Peer),
    deadline: Instant,
) -> Result<(), End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = Connection {
        shared: Arc::clone(shared),
        stream,
        local,
        peer,
        decoder: Decoder::new(RECEIVE_MAX),
        transmit: Transmit::default(),
        bytes_until_cut: shared.config.faults.cut_after_bytes,
    };
    let mut login = Login::new(Arc::clone(shared));
    let end = Arc::new(Notify::new());
    match timeout_at(deadline, connection.login(&mut login, &end)).await.map_err(|_| End::LoginTimeout)? {
        Ok(start) => connection.session(start, &end).await,
        Err(End::Refused(status)) => {
            connection.tell_refusal(&login, &status);
            connection.farewell().await?;
            Err(End::Refused(status))
        }
        Err(end) => Err(end),
    }
}

struct Connection<S> {
    shared: Arc<Shared>,
    stream: S,
    local: SocketAddr,
    peer: Peer,
    decoder: Decoder,
    transmit: Transmit,
    bytes_until_cut: Option<u64>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn login(&mut self, login: &mut Login, end: &Arc<Notify>) -> Result<Start, End> {
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
            let heard = Instant::now();
            let answer = match login.answer(&request).await {
                Ok(answer) => answer,
                Err(status) => {
                    if status == Status::AUTHENTICATION_FAILURE && login.user().is_some() {
                        let delay = self.shared.config.refusal_delay;
                        sleep_until(heard.checked_add(delay).unwrap_or(heard)).await;
                    }
                    return Err(self.refuse(&request, stat_sn, status).await);
                }
            };
            let Ok(entry) = self.enter(&answer, end) else {
                return Err(self.refuse(&request, stat_sn, Status::OUT_OF_RESOURCES).await);
            };
            self.accept_login(&request, &answer, stat_sn, entry.as_deref()).await?;
            stat_sn = stat_sn.wrapping_add(1);
            if let Some(established) = answer.established {
                let Established { agreed, purpose } = established;
                let digests = Digests { header: agreed.header_digest, data: agreed.data_digest };
                self.transmit.digests = digests;
                self.decoder.set_digests(digests);
                let (cmd_sn, connection_id) = (request.cmd_sn, request.cid);
                let addresses = self.addresses();
                return Ok(Start { agreed, purpose, cmd_sn, stat_sn, connection_id, addresses, entry });
            }
        }
    }

    /// Makes room for a session once it is established, if there is any.
    fn enter(&mut self, answer: &LoginAnswer, end: &Arc<Notify>) -> Result<Option<Arc<SessionEntry>>, NoRoom> {
        let Some(established) = &answer.established else { return Ok(None) };
        let entry = match &established.purpose {
            Purpose::Normal(port, export) => {
                Some(Arc::new(export.sessions.enter(port.clone(), self.peer.address, end).ok_or(NoRoom)?))
            }
            Purpose::Discovery(_) => None,
        };
        let replaces = entry.as_ref().is_some_and(|entry| entry.replaces);
        if self.peer.pass.log_in(replaces) { Ok(entry) } else { Err(NoRoom) }
    }

    /// Where initiators find this portal.
    fn addresses(&self) -> Vec<String> {
        let configured = &self.shared.config.addresses;
        if configured.is_empty() { vec![self.local.to_string()] } else { configured.clone() }
    }

    /// Tells the audit log.
    fn tell_refusal(&self, login: &Login, status: &Status) {
        let status = u16::from_be_bytes([status.class, status.detail]);
        self.shared.exports.event(&SessionEvent {
            export: login.proven().map(Arc::clone),
            peer: self.peer.address,
            initiator: login.initiator().to_owned(),
            kind: SessionEventKind::Refused { user: login.user().map(str::to_owned), status },
        });
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

    /// The full feature phase, from its beginning to its end.
    async fn session(&mut self, start: Start, end: &Notify) -> Result<(), End> {
        let mut audit = match (&start.purpose, &start.entry) {
            (Purpose::Normal(port, export), Some(entry)) => {
                Some(Audit::begin(&self.shared.exports, export, self.peer.address, port, entry))
            }
            _ => None,
        };
        let (completed, completions) = mpsc::unbounded_channel();
        let mut session = FullFeature::new(Arc::clone(&self.shared), start, completed);
        let withdrawn = until_withdrawn(session.export().map(Arc::clone));
        let mut ended = tokio::select! {
            biased;
            () = withdrawn => Err(End::Withdrawn),
            () = end.notified() => Err(End::Replaced),
            ended = self.full_feature(&mut session, completions) => ended,
        };
        if matches!(ended, Err(End::Withdrawn)) {
            session.say_withdrawn(&mut self.transmit);
            ended = self.farewell().await.and(ended);
        }
        if let Some(audit) = &mut audit {
            audit.why =
                Some(ended.as_ref().map_or_else(ToString::to_string, |()| "the initiator logged out".to_owned()));
        }
        ended
    }

    async fn full_feature(
        &mut self,
        session: &mut FullFeature,
        mut completions: UnboundedReceiver<Completed>,
    ) -> Result<(), End> {
        let config = &self.shared.config;
        let (ping_interval, silence_max) = (config.ping_interval, config.silence_max);
        let mut pings = interval_at(after(ping_interval), ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        // What came along with the last Login Request.
        if self.take_received(session).await? == After::Close {
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
            session.sent();
            tokio::select! {
                received = self.receive() => {
                    received?;
                    heard = Instant::now();
                    if self.take_received(session).await? == After::Close {
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
            self.receive().await?;
        }
    }

    /// Feeds the decoder with what comes next. While nothing comes, a connection has no buffer.
    async fn receive(&mut self) -> Result<(), End> {
        let (stream, decoder) = (&mut self.stream, &mut self.decoder);
        let received = poll_fn(|context| {
            let mut space = [0; READ_BYTES];
            let mut space = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut space))?;
            decoder.feed(space.filled());
            Poll::Ready(io::Result::Ok(space.filled().len()))
        });
        if received.await? == 0 { Err(End::Closed) } else { Ok(()) }
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
        self.transmit.release();
        if cut.is_some() { Err(End::Cut) } else { Ok(()) }
    }

    /// Sends all that waits and closes, after the initiator has closed its side: what it still sends would reset the
    /// connection, and the last answer could be lost. It has to be quick.
    async fn farewell(&mut self) -> Result<(), End> {
        let closed = async {
            self.flush().await?;
            self.stream.shutdown().await?;
            let mut ignored = [0; 512];
            while self.stream.read(&mut ignored).await? > 0 {}
            Ok(())
        };
        timeout(FAREWELL, closed).await.unwrap_or(Ok(()))
    }
}

/// There is no room for one more session.
struct NoRoom;

/// Returns once the export is withdrawn; never without one.
async fn until_withdrawn(export: Option<Arc<crate::Export>>) {
    match export {
        Some(export) => export.until_withdrawn().await,
        None => std::future::pending().await,
    }
}

/// The moment when so much time will have passed.
pub(crate) fn after(time: Duration) -> Instant {
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
