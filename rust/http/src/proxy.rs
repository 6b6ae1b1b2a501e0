//! Which proxy a request goes through, if any: `HTTP_PROXY` and its kin, as curl and httpx read them.

use std::env;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;

use crate::error::Error;

/// A proxy that requests are sent to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<Secret>,
}

/// A value that does not show in `Debug`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Secret(pub(crate) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("***")
    }
}

/// The proxies of a client, by the scheme of the request, and the hosts that are reached without.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Address>,
    https: Option<Address>,
    bypassed: Vec<Bypass>,
}

/// A proxy as it was configured; a mistake in it is told when a request would use it.
#[derive(Debug, Clone)]
enum Address {
    Usable(Proxy),
    Unusable(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Bypass {
    Everything,
    /// A host and what is below it, on this port or any.
    Domain(String, Option<u16>),
    /// Addresses whose first bits are these.
    Network(IpAddr, u8),
}

impl Proxies {
    /// No proxy at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// One proxy for every request to a host that `bypassed` (in the form of `NO_PROXY`) does not name.
    pub fn all(url: &str, bypassed: &str) -> Self {
        let address = Address::parse(url);
        Self {
            http: address.clone(),
            https: address,
            bypassed: parse_bypassed(bypassed),
        }
    }

    /// What `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in either case; the lower one wins.
    pub fn from_environment() -> Self {
        // A web server passes a request's "Proxy:" header to CGI programs as HTTP_PROXY.
        let is_cgi = env::var_os("REQUEST_METHOD").is_some();
        let any = variable("all_proxy", true);
        let of = |name: &str, upper: bool| variable(name, upper).or_else(|| any.clone());
        Self {
            http: of("http_proxy", !is_cgi).and_then(|url| Address::parse(&url)),
            https: of("https_proxy", true).and_then(|url| Address::parse(&url)),
            bypassed: parse_bypassed(&variable("no_proxy", true).unwrap_or_default()),
        }
    }

    pub(crate) fn find(&self, is_tls: bool, host: &str, port: u16) -> Result<Option<Proxy>, Error> {
        let address = if is_tls { &self.https } else { &self.http };
        match address {
            None => Ok(None),
            Some(_) if self.bypassed.iter().any(|bypass| bypass.holds(host, port)) => Ok(None),
            Some(Address::Usable(proxy)) => Ok(Some(proxy.clone())),
            Some(Address::Unusable(why)) => Err(Error::Settings((*why).to_owned())),
        }
    }
}

impl Address {
    /// `None` for an empty text, which is how a variable says "none".
    fn parse(url: &str) -> Option<Self> {
        let url = url.trim();
        if url.is_empty() {
            return None;
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => {
                return Some(Self::Unusable(
                    "this transport speaks to http:// and https:// proxies only: use transport=\"httpx\" for others",
                ));
            }
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (credentials, place) = match authority.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, authority),
        };
        let parsed: Option<Uri> = place.parse().ok();
        let Some(host) = parsed
            .as_ref()
            .and_then(Uri::host)
            .filter(|h| !h.is_empty())
        else {
            return Some(Self::Unusable("the URL of the proxy names no host"));
        };
        let port = parsed.as_ref().and_then(Uri::port_u16);
        Some(Self::Usable(Proxy {
            host: host.to_owned(),
            port: port.unwrap_or(if is_tls { 443 } else { 80 }),
            is_tls,
            authorization: credentials.map(|credentials| {
                Secret(format!("Basic {}", STANDARD.encode(unquoted(credentials))))
            }),
        }))
    }
}

impl Bypass {
    fn holds(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
        match self {
            Self::Everything => true,
            Self::Domain(domain, only) => {
                let is_below = host
                    .len()
                    .checked_sub(domain.len())
                    .and_then(|start| Some((host.get(..start)?, host.get(start..)?)))
                    .is_some_and(|(before, end)| {
                        end.eq_ignore_ascii_case(domain)
                            && (before.is_empty() || before.ends_with('.'))
                    });
                is_below && only.is_none_or(|only| only == port)
            }
            Self::Network(network, bits) => host
                .parse()
                .is_ok_and(|address| is_within(address, *network, *bits)),
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32 - u32::from(bits.min(32));
            let differing = address.to_bits() ^ network.to_bits();
            differing.checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128 - u32::from(bits.min(128));
            let differing = address.to_bits() ^ network.to_bits();
            differing.checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

fn parse_bypassed(list: &str) -> Vec<Bypass> {
    let entries = list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries.map(parse_bypass).collect()
}

fn parse_bypass(entry: &str) -> Bypass {
    if entry == "*" {
        return Bypass::Everything;
    }
    let bare = |text: &str| text.trim_matches(['[', ']']).to_owned();
    if let Some((address, bits)) = entry.split_once('/')
        && let (Ok(address), Ok(bits)) = (bare(address).parse(), bits.parse())
    {
        return Bypass::Network(address, bits);
    }
    if let Ok(address) = bare(entry).parse() {
        return Bypass::Network(address, u8::MAX);
    }
    let entry = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    let (domain, port) = match entry.rsplit_once(':') {
        Some((domain, port)) if port.parse::<u16>().is_ok() => (domain, port.parse().ok()),
        _ => (entry, None),
    };
    Bypass::Domain(domain.trim_start_matches(['*', '.']).to_owned(), port)
}

fn variable(name: &str, with_upper: bool) -> Option<String> {
    let read = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    read(name).or_else(|| with_upper.then(|| read(&name.to_ascii_uppercase()))?)
}

/// `%40` and the like as the bytes they stand for.
fn unquoted(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3);
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if byte == b'%' => {
                plain.push(value);
                at += 3;
            }
            _ => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Address, Proxies, Proxy, Secret};

    fn parsed(url: &str) -> Option<Proxy> {
        match Address::parse(url) {
            Some(Address::Usable(proxy)) => Some(proxy),
            _ => None,
        }
    }

    #[test]
    fn proxy_is_read_in_every_form() {
        let plain = |host: &str, port, is_tls| Proxy {
            host: host.to_owned(),
            port,
            is_tls,
            authorization: None,
        };

        assert_eq!(
            parsed("proxy.example:3128"),
            Some(plain("proxy.example", 3128, false))
        );
        assert_eq!(parsed("http://proxy/"), Some(plain("proxy", 80, false)));
        assert_eq!(
            parsed("https://[::1]:8443"),
            Some(plain("[::1]", 8443, true))
        );
        assert_eq!(parsed("socks5://proxy:1080"), None);
        assert_eq!(parsed(""), None);
    }

    #[test]
    fn credentials_are_unquoted_and_never_shown() {
        let proxy = parsed("http://me:p%40ss:word@proxy:1").unwrap();

        let wanted = "Basic bWU6cEBzczp3b3Jk"; // me:p@ss:word
        assert_eq!(proxy.authorization, Some(Secret(wanted.to_owned())));
        assert!(!format!("{proxy:?}").contains("bWU6"));
    }

    #[test]
    fn hosts_are_bypassed_when_no_proxy_names_them() {
        let list = "localhost, .corp.example,10.0.0.0/8, api.example:8080,::1, *.wild.example";
        let proxies = Proxies::all("http://proxy:3128", list);
        let is_direct = |host, port| proxies.find(true, host, port).unwrap().is_none();

        for (host, port) in [
            ("localhost", 80),
            ("a.localhost", 80),
            ("corp.example", 443),
            ("deep.corp.example", 443),
            ("10.200.3.4", 443),
            ("api.example", 8080),
            ("[::1]", 1),
            ("x.wild.example", 443),
        ] {
            assert!(is_direct(host, port), "{host}:{port}");
        }
        for (host, port) in [
            ("notlocalhost", 80),
            ("mycorp.example", 443),
            ("11.0.0.1", 443),
            ("api.example", 443),
            ("example", 443),
        ] {
            assert!(!is_direct(host, port), "{host}:{port}");
        }
    }
}
