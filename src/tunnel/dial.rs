//! The seam between who needs a byte stream and how it is made.

use crate::{Address, Error};
use std::future::Future;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// A byte stream to a peer, in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection that is being opened.
pub type Dialing<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Stream>, Error>> + Send + 'a>>;

/// Opens byte streams.
pub trait Dial: Send + Sync {
    /// Opens one byte stream to `address`. When `deadline` passes first, whatever the step it is at, the answer is
    /// [`crate::ErrorKind::TimedOut`]. Dropping the future abandons the attempt.
    fn dial<'a>(&'a self, address: &'a Address, deadline: Instant) -> Dialing<'a>;
}
