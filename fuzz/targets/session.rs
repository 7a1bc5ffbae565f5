//! A target that answers whatever the input says: the initiator never panics, hangs or reads what it was not given.
//!
//! The input is a list of answers, one for each PDU that the initiator sends: a byte with flags, a length, and as many
//! bytes of header and data. With the first flag the numbers that a target has to repeat are put right, so that the input
//! gets further than to the first check.
#![no_main]

use bytes::{Bytes, BytesMut};
use iscsi::pdu::{Decoder, Digests, Pdu, encode};
use iscsi::{Session, SessionConfig};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tunnel::{Address, MemoryDial, MemoryListener};

/// Where a login, text, command or NOP request has its answer's opcode.
fn answer_opcode(request: u8) -> u8 {
    match request & 0x3f {
        1 => 0x25,
        opcode => opcode | 0x20,
    }
}

async fn target(mut listener: MemoryListener, mut answers: Bytes) {
    let mut stat_sn = 0_u32;
    while let Some((_, mut stream)) = listener.accept().await {
        let mut decoder = Decoder::new(1 << 20);
        loop {
            let request = match decoder.next_pdu() {
                Ok(Some(request)) => request,
                Ok(None) => match stream.read_buf(decoder.buffer_mut()).await {
                    Ok(length) if length > 0 => continue,
                    _ => break,
                },
                Err(_) => break,
            };
            if answers.len() < 2 {
                return;
            }
            let (flags, length) = (answers[0], usize::from(answers[1]));
            let _ = answers.split_to(2);
            let mut header = [0; 48];
            let taken = answers.split_to(answers.len().min(16));
            header[..taken.len()].copy_from_slice(&taken);
            let data = answers.split_to(length.min(answers.len()));
            if flags & 1 != 0 {
                header[0] = if flags & 2 != 0 { answer_opcode(request.header[0]) } else { header[0] };
                // ISID or LUN, task tag, StatSN, ExpCmdSN, MaxCmdSN.
                header[8..16].copy_from_slice(&request.header[8..16]);
                header[16..20].copy_from_slice(&request.header[16..20]);
                header[24..28].copy_from_slice(&stat_sn.to_be_bytes());
                header[28..32].copy_from_slice(&request.header[24..28]);
                header[32..36].copy_from_slice(&u32::from_be_bytes([0, 0, 1, flags]).to_be_bytes());
                stat_sn = stat_sn.wrapping_add(1);
            }
            let mut bytes = BytesMut::new();
            encode(&Pdu::new(header, data), Digests::default(), &mut bytes);
            if stream.write_all(&bytes).await.is_err() {
                break;
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (dial, listener) = MemoryDial::new(1 << 16);
        let target = tokio::spawn(target(listener, Bytes::copy_from_slice(data)));
        let mut config = SessionConfig::new(Address::new("target", 3260));
        config.login_timeout = Duration::from_secs(5);
        config.reconnect_timeout = Duration::ZERO;
        if let Ok(session) = Session::login(Arc::new(dial), &config, "iqn.x").await
            && let Ok(disks) = session.disks().await
            && let Some(lun) = disks.luns.first()
        {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            lun.submit(0, 1, Box::new(move |answer| drop(sender.send(answer))));
            if let Ok(Ok(block)) = receiver.await {
                assert_eq!(u32::try_from(block.len()), Ok(lun.info().block_bytes));
            }
        }
        target.abort();
    });
});
