//! The fast transport: an HTTP client that has no thread and no event loop of its own.
//!
//! A [`Reactor`] opens connections, speaks HTTP/1.1 or HTTP/2 (hyper) and TLS (rustls), keeps connections for
//! reuse and sets timers. It does so when its owner calls [`Reactor::turn`]: an event loop that watches
//! [`Reactor::descriptor`], or a thread that has nothing else to do. An answer goes from the socket to its reader
//! without a hop to another thread, which costs more than everything else here.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use inferail_http::{Options, Outgoing, Piece, Reactor, Settings};
//!
//! let mut reactor = Reactor::new(Settings::new(Options::default()))?;
//! let cell = reactor.start(Outgoing {
//!     method: http::Method::GET,
//!     uri: "http://127.0.0.1:8000/healthz".parse()?,
//!     headers: http::HeaderMap::new(),
//!     body: bytes::Bytes::new(),
//!     connect_timeout: Some(Duration::from_secs(5)),
//! })?;
//! while !cell.has_ended() {
//!     reactor.turn(Duration::from_secs(1))?;
//! }
//! println!("{:?}", cell.head()?);
//! while let Piece::Bytes(bytes) = cell.next()? {
//!     println!("{} bytes", bytes.len());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod connect;
mod decompress;
mod error;
mod exchange;
mod pool;
mod proxy;
mod reactor;
mod resolve;
mod settings;
mod shared;
mod socket;

pub use error::{Error, Reason};
pub use exchange::{Cell, Head, Piece};
pub use proxy::{Proxies, Proxy};
pub use reactor::{Nudger, Outgoing, Reactor};
pub use settings::{Options, Route, Settings};
