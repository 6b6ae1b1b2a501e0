//! From a route to a connection that HTTP is spoken over.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use hyper::rt::{Executor, Read, ReadBufCursor, Write};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{Error, Reason};
use crate::pool::{Place, Sender};
use crate::proxy::Proxy;
use crate::resolve::resolve;
use crate::settings::Route;
use crate::shared::{Shared, lock, wake_at, within};
use crate::socket::{Probe, Socket};

/// How long one address of a host has before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Most bytes a proxy may answer to CONNECT.
const MAX_PROXY_ANSWER_BYTES: usize = 16 * 1024;

/// A connection that was just made.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: Sender,
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
}

/// Connects along `route`. `limit` holds for TCP (with the proxy's part) and once more for TLS.
pub(crate) async fn dial(
    shared: &Arc<Shared>,
    route: &Arc<Route>,
    place: Place,
    limit: Option<Duration>,
) -> Result<Connection, Error> {
    let failed = |reason| Error::Connect {
        to: route.to(),
        reason,
    };
    let late = || Error::ConnectTimeout {
        to: route.to(),
        milliseconds: limit.map_or(0, |limit| limit.as_millis() as u64),
    };
    let tls = if route.is_tls || route.proxy.as_ref().is_some_and(|proxy| proxy.is_tls) {
        Some(TlsConnector::from(shared.settings.tls()?))
    } else {
        None
    };
    let begun = Instant::now();
    let stream = within(shared, limit, reach(shared, route, tls.as_ref()))
        .await
        .ok_or_else(late)?
        .map_err(failed)?;
    let connect = begun.elapsed();
    let begun = Instant::now();
    let stream = match &tls {
        Some(tls) if route.is_tls => within(shared, limit, stream.secure(tls, &route.host))
            .await
            .ok_or_else(late)?
            .map_err(failed)?,
        _ => stream,
    };
    let took = if route.is_tls {
        begun.elapsed()
    } else {
        Duration::ZERO
    };
    let sender = speak(shared, stream, place)
        .await
        .map_err(|_| failed(Reason::Reset))?;
    if let Sender::Http2(sender) = &sender {
        let mut pool = lock(&shared.pool);
        pool.give_back(route, Sender::Http2(sender.clone()));
    }
    if route.asks_for_http2 {
        lock(&shared.pool).probed(route);
    }
    Ok(Connection {
        sender,
        connect,
        tls: took,
    })
}

/// A stream to the server, or to the proxy where that passes requests on.
async fn reach(
    shared: &Arc<Shared>,
    route: &Route,
    tls: Option<&TlsConnector>,
) -> Result<Stream, Reason> {
    let Some(proxy) = &route.proxy else {
        return Ok(Stream::Plain(tcp(shared, &route.host, route.port).await?));
    };
    let mut stream = Stream::Plain(tcp(shared, &proxy.host, proxy.port).await?);
    if let (true, Some(tls)) = (proxy.is_tls, tls) {
        stream = stream.secure(tls, &proxy.host).await?;
    }
    if !route.is_forwarded() {
        tunnel(&mut stream, route, proxy).await?;
    }
    Ok(stream)
}

/// A TCP connection to whichever address of the host answers first.
async fn tcp(shared: &Arc<Shared>, host: &str, port: u16) -> Result<Socket, Reason> {
    let addresses = resolve(shared, host, port).await?;
    let mut race = Race {
        shared,
        left: addresses.into_iter(),
        running: Vec::new(),
        next: None,
        last: Reason::UnknownHost,
    };
    poll_fn(|context| race.poll(context)).await
}

struct Race<'a> {
    shared: &'a Arc<Shared>,
    left: std::vec::IntoIter<SocketAddr>,
    running: Vec<Socket>,
    /// When the next address gets its turn although one is still being tried.
    next: Option<Instant>,
    last: Reason,
}

impl Race<'_> {
    fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Socket, Reason>> {
        loop {
            let mut at = 0;
            while let Some(socket) = self.running.get(at) {
                match socket.poll_connected(context) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Ok(self.running.swap_remove(at))),
                    Poll::Ready(Err(error)) => {
                        self.last = Reason::of(&error);
                        self.running.swap_remove(at);
                        self.next = None;
                    }
                    Poll::Pending => at += 1,
                }
            }
            if !self.running.is_empty() && self.next.is_none_or(|next| Instant::now() < next) {
                return Poll::Pending;
            }
            let Some(address) = self.left.next() else {
                if self.running.is_empty() {
                    return Poll::Ready(Err(self.last));
                }
                self.next = None;
                return Poll::Pending;
            };
            match Socket::connect(self.shared, address) {
                Ok(socket) => {
                    self.running.push(socket);
                    let next = Instant::now() + HEAD_START;
                    self.next = Some(next);
                    if self.left.len() > 0 {
                        wake_at(self.shared, next, context);
                    }
                }
                Err(error) => self.last = Reason::of(&error),
            }
        }
    }
}

/// Asks a proxy for a connection to the server.
async fn tunnel(stream: &mut Stream, route: &Route, proxy: &Proxy) -> Result<(), Reason> {
    let to = route.to();
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request = request + "Proxy-Authorization: " + &authorization.0 + "\r\n";
    }
    request += "\r\n";
    let reset = |_| Reason::Reset;
    let stream = stream.inner();
    stream.write_all(request.as_bytes()).await.map_err(reset)?;
    stream.flush().await.map_err(reset)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte, since what follows the head is the server's.
        answer.push(stream.read_u8().await.map_err(reset)?);
        if answer.len() > MAX_PROXY_ANSWER_BYTES {
            return Err(Reason::ProxyRefused);
        }
    }
    let status = answer.split(|byte| *byte == b' ').nth(1);
    match status {
        Some(b"200") => Ok(()),
        Some(b"407") => Err(Reason::ProxyCredentials),
        _ => Err(Reason::ProxyRefused),
    }
}

/// Begins to speak the protocol that was agreed on; the place is given back when the connection ends.
async fn speak(shared: &Arc<Shared>, stream: Stream, place: Place) -> hyper::Result<Sender> {
    if stream.agreed_on_http2() {
        let (sender, connection) = http2::Builder::new(Spawner(Arc::clone(shared)))
            .handshake(stream)
            .await?;
        shared.spawn(Box::pin(async move {
            // How it ended is told to each exchange.
            let _ = connection.await;
            drop(place);
        }));
        return Ok(Sender::Http2(sender));
    }
    let probe = stream.probe();
    let (sender, connection) = http1::Builder::new().handshake(stream).await?;
    shared.spawn(Box::pin(async move {
        let _ = connection.await;
        drop(place);
    }));
    Ok(Sender::Http1(sender, probe))
}

/// Lets hyper start tasks of its own.
#[derive(Debug, Clone)]
struct Spawner(Arc<Shared>);

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(Box::pin(async move {
            future.await;
        }));
    }
}

/// A connection below HTTP.
#[derive(Debug)]
enum Stream {
    Plain(Socket),
    Secure(Box<TlsStream<Socket>>),
    /// TLS to a server within TLS to a proxy.
    Nested(Box<TlsStream<TlsStream<Socket>>>),
}

impl Stream {
    /// The TLS handshake over this stream.
    async fn secure(self, tls: &TlsConnector, host: &str) -> Result<Self, Reason> {
        let bare = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(bare).map_err(|_| Reason::UnknownHost)?;
        let failed = |error: io::Error| match Reason::of(&error) {
            Reason::Unreachable => Reason::Tls,
            reason => reason,
        };
        Ok(match self {
            Self::Plain(socket) => {
                let stream = tls.connect(name, socket).await.map_err(failed)?;
                Self::Secure(Box::new(stream))
            }
            Self::Secure(outer) => {
                let stream = tls.connect(name, *outer).await.map_err(failed)?;
                Self::Nested(Box::new(stream))
            }
            Self::Nested(_) => return Err(Reason::Tls),
        })
    }

    fn probe(&self) -> Probe {
        match self {
            Self::Plain(socket) => socket.probe(),
            Self::Secure(stream) => stream.get_ref().0.probe(),
            Self::Nested(stream) => stream.get_ref().0.get_ref().0.probe(),
        }
    }

    fn agreed_on_http2(&self) -> bool {
        let protocol = match self {
            Self::Plain(_) => None,
            Self::Secure(stream) => stream.get_ref().1.alpn_protocol(),
            Self::Nested(stream) => stream.get_ref().1.alpn_protocol(),
        };
        protocol == Some(b"h2")
    }

    fn inner(&mut self) -> &mut dyn Both {
        match self {
            Self::Plain(stream) => stream,
            Self::Secure(stream) => stream.as_mut(),
            Self::Nested(stream) => stream.as_mut(),
        }
    }
}

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// Plain bytes of one TLS record (RFC 8446, section 5.1).
const RECORD_BYTES: usize = 16 * 1024;

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Self::Plain(socket) = this {
            let room = buffer.remaining();
            return socket.read_with(context, room, |bytes| buffer.put_slice(bytes));
        }
        // The copy is what spares `unsafe`: tokio's and hyper's buffers know nothing of each other.
        let mut space = [MaybeUninit::uninit(); RECORD_BYTES];
        let room = buffer.remaining().min(space.len());
        let mut read = ReadBuf::uninit(&mut space[..room]);
        ready!(Pin::new(this.inner()).poll_read(context, &mut read))?;
        buffer.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().inner()).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().inner()).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().inner()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().inner()).poll_shutdown(context)
    }
}
