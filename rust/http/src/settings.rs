//! What holds for every exchange of a client: certificates, proxies, limits. And the way a request takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;
use crate::proxy::{Proxies, Proxy};

/// What a user may choose.
#[derive(Debug, Clone)]
pub struct Options {
    /// A PEM file of certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the client's certificate chain, and one with its key (which may be the same file).
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Proxies.
    pub proxies: Proxies,
    /// Whether HTTP/2 is offered to servers that are reached by TLS.
    pub http2: bool,
    /// Most connections at a time.
    pub max_connections: usize,
    /// How long an unused connection is kept.
    pub idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ca_file: None,
            client_certificate: None,
            proxies: Proxies::from_environment(),
            http2: false,
            max_connections: 1024,
            idle: Duration::from_secs(50),
        }
    }
}

/// [`Options`], and the certificates once somebody needs them: reading those of the system takes 10 ms.
#[derive(Debug)]
pub struct Settings {
    options: Options,
    pub(crate) max_connections: usize,
    pub(crate) idle: Duration,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Settings {
    /// Takes the options; files are read when the first connection needs them.
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            max_connections: options.max_connections.max(1),
            idle: options.idle,
            options,
            tls: OnceLock::new(),
        })
    }

    /// How TLS is done, `http/1.1` only where `http2` is false.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, Error> {
        self.tls
            .get_or_init(|| configure(&self.options).map(Arc::new))
            .clone()
            .map_err(Error::Settings)
    }

    /// The way to `uri`.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] where it is no `http://` or `https://` address.
    pub fn route(&self, uri: &Uri) -> Result<Route, Error> {
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => {
                return Err(Error::Request(
                    "its URL is not an http:// or https:// address",
                ));
            }
        };
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err(Error::Request("its URL names no host"));
        }
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        let is_host_alone = authority.ends_with(host);
        if !is_host_alone && uri.port_u16().is_none_or(|port| port == 0) {
            return Err(Error::Request(
                "the port in its URL is no number up to 65535",
            ));
        }
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Route {
            proxy: self.options.proxies.find(is_tls, host, port)?,
            host: host.to_owned(),
            port,
            is_tls,
            asks_for_http2: is_tls && self.options.http2,
        })
    }
}

/// Where a connection leads, and through which proxy. Exchanges of the same route share connections.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    pub(crate) asks_for_http2: bool,
    pub(crate) proxy: Option<Proxy>,
}

impl Route {
    /// Host and port, for messages.
    pub(crate) fn to(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whether requests carry the whole URL, because a proxy passes them on.
    pub(crate) fn is_forwarded(&self) -> bool {
        self.proxy.is_some() && !self.is_tls
    }
}

fn configure(options: &Options) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| "TLS cannot be set up".to_owned())?
        .with_root_certificates(roots(options.ca_file.as_deref())?);
    let mut config = match &options.client_certificate {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let certificates = read_certificates(chain)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|_| unusable("holds no private key that is not encrypted", key))?;
            builder
                .with_client_auth_cert(certificates, key)
                .map_err(|_| unusable("and its key do not belong together", chain))?
        }
    };
    if options.http2 {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(config)
}

/// The authorities to trust: those of `file`, else the system's (or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name),
/// else, on a system without any, Mozilla's list of the time this was built.
fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = match file {
        Some(file) => read_certificates(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        if let Some(file) = file {
            return Err(unusable("holds no certificate that can be used", file));
        }
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(roots)
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = fs::read(file).map_err(|_| unusable("cannot be read", file))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(unusable("holds no certificate in PEM form", file)),
    }
}

fn unusable(what: &str, file: &Path) -> String {
    format!("the certificate file {} {what}", file.display())
}
