//! A TLS stream whose late alerts are told in words.
//!
//! In TLS 1.3 the client has finished before the server looks at the client's certificate, so that a refusal arrives
//! when the stream is already in use: as an alert on a read, or as a write that fails because the server has gone. In
//! the second case the alert waits unread behind the failure; it is fetched, so that the user hears why.

use crate::handshake_error::{Circumstances, explain_tls, inner};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What is read behind a failed write at most; the rest is left.
const LAST_WORDS_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct AlertStream {
    stream: TlsStream<TcpStream>,
    circumstances: Circumstances,
    /// Data that came before the alert that was looked for; the reader still gets it.
    unread: VecDeque<u8>,
}

impl AlertStream {
    pub(crate) fn new(stream: TlsStream<TcpStream>, circumstances: Circumstances) -> Self {
        Self { stream, circumstances, unread: VecDeque::new() }
    }

    /// `error` in words when it is a TLS failure.
    fn explained(&self, error: io::Error) -> io::Error {
        match inner(&error) {
            Some(tls) => io::Error::new(error.kind(), explain_tls(tls, &self.circumstances)),
            // What rustls says here is a link to its manual.
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the peer closed the connection without ending the TLS session")
            }
            None => error,
        }
    }

    /// `error` of a write, or why the peer has gone, where it said so before.
    fn explained_write(&mut self, cx: &mut Context<'_>, error: io::Error) -> io::Error {
        let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted];
        if !gone.contains(&error.kind()) {
            return self.explained(error);
        }
        let mut space = [0; 4096];
        while self.unread.len() < LAST_WORDS_BYTES_MAX {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => self.unread.extend(buffer.filled()),
                Poll::Ready(Err(last)) if inner(&last).is_some() => return self.explained(last),
                Poll::Ready(_) | Poll::Pending => break,
            }
        }
        error
    }

    fn after_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        written.map(|result| result.map_err(|error| self.explained_write(cx, error)))
    }
}

impl AsyncRead for AlertStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.unread.is_empty() {
            let count = this.unread.len().min(buffer.remaining());
            buffer.put_slice(&this.unread.drain(..count).collect::<Vec<u8>>());
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(cx, buffer).map_err(|error| this.explained(error))
    }
}

impl AsyncWrite for AlertStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.after_write(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
