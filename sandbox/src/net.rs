//! A listener whose connections can be cut by the request handler, which plain HTTP servers cannot
//! do: a fault must look like a broken network, not like an answer.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// No cut is planned.
const UNCUT: u64 = u64::MAX;
/// Pause after a failed accept (too many open files and the like).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The handler's hand on its connection.
#[derive(Clone, Debug)]
pub(crate) struct Switch(Arc<AtomicU64>);

impl Switch {
    /// Lets `bytes` more bytes out and then breaks the connection.
    pub(crate) fn cut_after(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Release);
    }
}

/// A TCP listener that hands out [`Cuttable`] connections.
#[derive(Debug)]
pub(crate) struct CuttableListener(pub(crate) TcpListener);

impl Listener for CuttableListener {
    type Io = Cuttable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    // Small answers must not wait for the peer's acknowledgement.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "could not set TCP_NODELAY");
                    }
                    return (
                        Cuttable {
                            stream,
                            left: Arc::new(AtomicU64::new(UNCUT)),
                        },
                        peer,
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Switch {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        Self(Arc::clone(&stream.io().left))
    }
}

/// A connection that breaks once its byte budget is used up.
#[derive(Debug)]
pub(crate) struct Cuttable {
    stream: TcpStream,
    left: Arc<AtomicU64>,
}

impl Cuttable {
    /// How much of `wanted` may go out now, or the error of a broken connection.
    fn budget(&self, wanted: usize) -> io::Result<usize> {
        let left = self.left.load(Ordering::Acquire);
        if left == 0 {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        Ok(usize::try_from(left).map_or(wanted, |left| left.min(wanted)))
    }

    fn spend(&self, written: usize) {
        let spent = u64::try_from(written).unwrap_or(UNCUT);
        let left = self.left.load(Ordering::Acquire);
        if left != UNCUT {
            self.left
                .store(left.saturating_sub(spent), Ordering::Release);
        }
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = match self.budget(buf.len()) {
            Ok(allowed) => allowed,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let written = Pin::new(&mut self.stream).poll_write(cx, &buf[..allowed]);
        if let Poll::Ready(Ok(count)) = written {
            self.spend(count);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
