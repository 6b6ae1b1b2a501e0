//! A TCP connection that the tasks of a reactor read and write.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use mio::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::shared::{Readiness, Shared, keep, lock, register};

/// A non-blocking socket. Dropping it closes the connection.
///
/// It is registered once, for edges; a read that did not fill its buffer has emptied the socket, so the read
/// after it waits for the next edge without asking the operating system.
#[derive(Debug)]
pub(crate) struct Socket {
    inner: Arc<TcpStream>,
    key: usize,
    readiness: Arc<Readiness>,
    shared: Arc<Shared>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // The operating system forgets the registration with the descriptor. It is not taken back here: after a
        // fork this may be the child, whose registrations are the parent's.
        lock(&self.shared.sockets).try_remove(self.key);
    }
}

impl Socket {
    /// Begins to connect.
    pub(crate) fn connect(shared: &Arc<Shared>, address: SocketAddr) -> io::Result<Self> {
        let mut inner = TcpStream::connect(address)?;
        let (key, readiness) = register(shared, &mut inner)?;
        Ok(Self {
            inner: Arc::new(inner),
            key,
            readiness,
            shared: Arc::clone(shared),
        })
    }

    /// Looks at the connection from outside.
    pub(crate) fn probe(&self) -> Probe {
        Probe(Arc::downgrade(&self.inner))
    }

    /// Whether the connection stands.
    pub(crate) fn poll_connected(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        if !self.readiness.writable.load(Ordering::Relaxed) {
            keep(&self.readiness.writer, context.waker());
            return Poll::Pending;
        }
        if let Some(error) = self.inner.take_error()? {
            return Poll::Ready(Err(error));
        }
        match self.inner.peer_addr() {
            Ok(_) => {
                // Without it a request in two writes waits 40 ms for the other side's delayed acknowledgement.
                self.inner.set_nodelay(true)?;
                Poll::Ready(Ok(()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                self.readiness.writable.store(false, Ordering::Relaxed);
                keep(&self.readiness.writer, context.waker());
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// Asks the operating system about an idle connection whose events may not have been looked at yet.
#[derive(Debug)]
pub(crate) struct Probe(Weak<TcpStream>);

impl Probe {
    /// Whether the other side has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        let Some(socket) = self.0.upgrade() else {
            return true;
        };
        match socket.peek(&mut [0]) {
            // What is there may be a TLS session ticket. hyper refuses what does not belong there.
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        self.read_with(context, room, |bytes| buffer.put_slice(bytes))
    }
}

impl Socket {
    /// Hands at most `room` bytes to `take`; none at the end.
    pub(crate) fn read_with(
        &self,
        context: &Context<'_>,
        room: usize,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<()>> {
        if !self.readiness.readable.load(Ordering::Relaxed) {
            keep(&self.readiness.reader, context.waker());
            return Poll::Pending;
        }
        // By way of the scratch buffer: to read into memory that was never written needs `unsafe`, and to clear
        // it first costs more than the copy of the little that comes.
        let mut scratch = lock(&self.shared.scratch);
        let room = room.min(scratch.len());
        loop {
            match (&*self.inner).read(&mut scratch[..room]) {
                Ok(count) => {
                    if count < room && !self.readiness.closed.load(Ordering::Relaxed) {
                        self.readiness.readable.store(false, Ordering::Relaxed);
                    }
                    take(&scratch[..count]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.readable.store(false, Ordering::Relaxed);
                    keep(&self.readiness.reader, context.waker());
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn write_with(
        &self,
        context: &Context<'_>,
        mut write: impl FnMut(&mut &TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(&mut &*self.inner) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readiness.writable.store(false, Ordering::Relaxed);
                    keep(&self.readiness.writer, context.waker());
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write_with(context, |socket| socket.write(buffer))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_with(context, |socket| socket.write_vectored(buffers))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.inner.shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}
