//! What can go wrong, in words that hold no header, body or key.

use std::fmt;

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be sent as it is.
    #[error("the request cannot be sent: {0}")]
    Request(&'static str),
    /// Certificates, a proxy or another setting cannot be used.
    #[error("{0}")]
    Settings(String),
    /// No connection.
    #[error("no connection to {to}: {reason}")]
    Connect {
        /// Host and port.
        to: String,
        /// Why, in a few words.
        reason: Reason,
    },
    /// No connection within the time allowed for it.
    #[error("no connection to {to} within {} s", Seconds(*milliseconds))]
    ConnectTimeout {
        /// Host and port.
        to: String,
        /// The time that was allowed.
        milliseconds: u64,
    },
    /// The connection broke, or what came over it is not HTTP.
    #[error("{what} ({to})")]
    Broken {
        /// Host and port.
        to: String,
        /// What happened, in a few words.
        what: &'static str,
    },
    /// The client was closed, or this exchange was given up.
    #[error("the answer was left before its end")]
    Closed,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing listens there.
    Refused,
    /// The name has no address.
    UnknownHost,
    /// The certificate was not issued for this host by anybody who is trusted, or has expired.
    Certificate,
    /// The TLS handshake failed for another reason.
    Tls,
    /// The other side closed at once.
    Reset,
    /// The proxy wants other credentials, or any.
    ProxyCredentials,
    /// The proxy did not make the connection.
    ProxyRefused,
    /// No route, no file descriptor, and the like.
    Unreachable,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Refused => "refused",
            Self::UnknownHost => "unknown host",
            Self::Certificate => "its TLS certificate cannot be verified",
            Self::Tls => "TLS failed",
            Self::Reset => "closed by the other side",
            Self::ProxyCredentials => {
                "the proxy refused the credentials (407): put user:password@ into its URL"
            }
            Self::ProxyRefused => "the proxy refused",
            Self::Unreachable => "the host cannot be reached",
        })
    }
}

/// Milliseconds as seconds without trailing zeros.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        formatter.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Reason {
    pub(crate) fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        if let Some(tls) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return match tls {
                rustls::Error::InvalidCertificate(_) => Self::Certificate,
                _ => Self::Tls,
            };
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::Reset,
            _ => Self::Unreachable,
        }
    }
}
