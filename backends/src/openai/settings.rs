//! What an operator sets for one server, and the checked form that requests are made from.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio_rustls::TlsConnector;

use crate::openai::decode::Limits;

/// What an operator sets for one server. [`OpenAiSettings::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct OpenAiSettings {
    /// The configured name of this upstream.
    pub name: String,
    /// `http` or `https`, host, port, and the path before `/chat/completions` and
    /// `/embeddings`, usually `/v1`.
    pub base_url: Uri,
    /// PEM file of the certificate authorities to trust; needed for `https`, and the only ones
    /// trusted. For a public server name the system's bundle, such as
    /// `/etc/ssl/certs/ca-certificates.crt`.
    pub ca_file: Option<PathBuf>,
    /// File with the bearer token that the server wants; white space around it is ignored.
    pub bearer_file: Option<PathBuf>,
    /// How long to wait for what.
    pub clocks: Clocks,
    /// Longest single event, 1 MiB: room for a tool call that carries a document.
    pub event_bytes_max: usize,
    /// Longest answer, 16 MiB on the wire: a stream spends some 200 bytes on a token, so about
    /// 80,000 tokens.
    pub answer_bytes_max: u64,
    /// How often to ask again before the first event, 2: what the OpenAI client does by default.
    pub retries_max: u32,
    /// Connections kept open between requests, 256: as many as are in flight on a busy replica, some 20 KiB each.
    pub idle_connections_max: usize,
    /// How long one is kept, 4 s: uvicorn, which is in front of most Llama servers, closes after 5.
    pub connection_idle_max: Duration,
}

/// Four clocks rather than one, because a slow model and a dead one differ only in where they are
/// silent. Comments that a server sends to keep the connection open stop none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Resolving, connecting, TLS handshake: 5 s.
    pub connect: Duration,
    /// From the request to the first event of a *stream*: 60 s. Not for plain answers, whose first
    /// byte comes when the whole answer is ready.
    pub first_byte: Duration,
    /// Between two events of a stream, or two reads of a plain answer: 60 s.
    pub idle: Duration,
    /// Everything, retries included: 600 s. The caller's deadline may be sooner.
    pub whole: Duration,
}

/// Why settings cannot work.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The base URL lacks a scheme or a host, has a query, or carries credentials.
    #[error("base_url must be http(s)://host[:port][/path], without query or credentials")]
    BaseUrl,
    /// TLS without anything to trust.
    #[error("base_url is https, so ca_file must name the certificate authorities to trust")]
    NoCertificateAuthority,
    /// A token over an open network.
    #[error("bearer_file would send a token in the clear: use https, or a loopback address")]
    BearerInTheClear,
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The CA file holds no usable certificate.
    #[error("{path} holds no usable PEM certificate")]
    BadCertificates {
        /// Which file.
        path: PathBuf,
    },
    /// The bearer file is empty or holds something that cannot be in a header.
    #[error("{path} does not hold a token: one line of printable ASCII is expected")]
    BadBearer {
        /// Which file.
        path: PathBuf,
    },
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// A clock that never, or always, runs out, or a limit that lets nothing through.
    #[error("{0} must be more than zero, and a clock at most a day")]
    OutOfRange(&'static str),
}

impl OpenAiSettings {
    /// The defaults for one server.
    pub fn new(name: impl Into<String>, base_url: Uri) -> OpenAiSettings {
        OpenAiSettings {
            name: name.into(),
            base_url,
            ca_file: None,
            bearer_file: None,
            clocks: Clocks::default(),
            event_bytes_max: 1024 * 1024,
            answer_bytes_max: 16 * 1024 * 1024,
            retries_max: 2,
            idle_connections_max: 256,
            connection_idle_max: Duration::from_secs(4),
        }
    }
}

impl Default for Clocks {
    fn default() -> Clocks {
        Clocks {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            whole: Duration::from_secs(600),
        }
    }
}

/// Checked settings, ready to connect and to make requests from.
pub(super) struct Endpoint {
    pub(super) name: String,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Tls>,
    pub(super) clocks: Clocks,
    pub(super) retries_max: u32,
    chats: Uri,
    embeddings: Uri,
    headers: HeaderMap,
    event_bytes_max: usize,
    answer_bytes_max: u64,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The answer to a chat as it is written.
    Stream,
    /// The answer to a chat when it is written.
    Document,
    /// Embeddings.
    Vectors,
}

/// How to secure a connection.
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) server_name: ServerName<'static>,
}

impl Endpoint {
    pub(super) fn new(settings: OpenAiSettings) -> Result<Endpoint, SettingsError> {
        settings.check_limits()?;
        let (scheme, authority) = scheme_and_authority(&settings.base_url)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let secure = scheme == &Scheme::HTTPS;
        let tls = match (&settings.ca_file, secure) {
            (Some(ca_file), true) => Some(Tls::new(ca_file, &host)?),
            (None, true) => return Err(SettingsError::NoCertificateAuthority),
            (_, false) => None,
        };
        let bearer = settings
            .bearer_file
            .as_deref()
            .map(Bearer::read)
            .transpose()?;
        if bearer.is_some() && !secure && !is_loopback(&host) {
            return Err(SettingsError::BearerInTheClear);
        }
        Ok(Endpoint {
            host,
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            tls,
            chats: target(&settings.base_url, "/chat/completions")?,
            embeddings: target(&settings.base_url, "/embeddings")?,
            headers: headers(authority, bearer)?,
            name: settings.name,
            clocks: settings.clocks,
            retries_max: settings.retries_max,
            event_bytes_max: settings.event_bytes_max,
            answer_bytes_max: settings.answer_bytes_max,
        })
    }

    /// The HTTP request around an encoded question.
    pub(super) fn request(&self, body: Bytes, wanted: Wanted) -> Request<Full<Bytes>> {
        let (target, accept) = match wanted {
            Wanted::Stream => (&self.chats, EVENT_STREAM),
            Wanted::Document => (&self.chats, JSON),
            Wanted::Vectors => (&self.embeddings, JSON),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = target.clone();
        *request.headers_mut() = self.headers.clone();
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static(accept));
        request
    }

    /// Longest body of an answer.
    pub(super) fn answer_bytes_max(&self) -> u64 {
        self.answer_bytes_max
    }

    /// What an answer must keep to, if `choices` were asked for in a request of `request_bytes`.
    pub(super) fn limits(&self, choices: u32, request_bytes: usize) -> Limits {
        Limits {
            choices: choices.max(1),
            event_bytes_max: self.event_bytes_max,
            answer_bytes_max: self.answer_bytes_max,
            // A byte-level tokenizer makes at most one token of a byte, and JSON writes a text in at
            // least its own bytes.
            input_tokens_at_most: request_bytes as u64 + TEMPLATE_TOKENS,
        }
    }
}

impl OpenAiSettings {
    fn check_limits(&self) -> Result<(), SettingsError> {
        let clocks = [
            ("connect clock", self.clocks.connect),
            ("first_byte clock", self.clocks.first_byte),
            ("idle clock", self.clocks.idle),
            ("whole clock", self.clocks.whole),
        ];
        let clocks = clocks.map(|(name, clock)| (name, !clock.is_zero() && clock <= CLOCK_MAX));
        let limits = [
            ("event_bytes_max", self.event_bytes_max > 0),
            ("answer_bytes_max", self.answer_bytes_max > 0),
        ];
        match clocks.into_iter().chain(limits).find(|(_, fits)| !fits) {
            Some((name, _)) => Err(SettingsError::OutOfRange(name)),
            None => Ok(()),
        }
    }
}

impl Tls {
    fn new(ca_file: &Path, host: &str) -> Result<Tls, SettingsError> {
        let server_name =
            ServerName::try_from(host.to_owned()).map_err(|_| SettingsError::BaseUrl)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(certificate_authorities(ca_file)?)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls {
            connector: TlsConnector::from(Arc::new(config)),
            server_name,
        })
    }
}

/// A token for the server. Prints as `***`.
struct Bearer(HeaderValue);

impl Bearer {
    fn read(path: &Path) -> Result<Bearer, SettingsError> {
        let text = String::from_utf8(read(path)?).unwrap_or_default();
        let token = text.trim();
        let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::try_from(format!("Bearer {token}"));
        match header {
            Ok(mut header) if usable => {
                header.set_sensitive(true);
                Ok(Bearer(header))
            }
            _ => Err(SettingsError::BadBearer {
                path: path.to_owned(),
            }),
        }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn scheme_and_authority(base_url: &Uri) -> Result<(&Scheme, &Authority), SettingsError> {
    let scheme = base_url.scheme().ok_or(SettingsError::BaseUrl)?;
    let authority = base_url.authority().ok_or(SettingsError::BaseUrl)?;
    let known = scheme == &Scheme::HTTP || scheme == &Scheme::HTTPS;
    let credentials = authority.as_str().contains('@');
    if known && !credentials && !authority.host().is_empty() && base_url.query().is_none() {
        Ok((scheme, authority))
    } else {
        Err(SettingsError::BaseUrl)
    }
}

/// The request target in origin form (RFC 9112 section 3.2.1).
fn target(base_url: &Uri, resource: &str) -> Result<Uri, SettingsError> {
    let path = base_url.path().trim_end_matches('/');
    Uri::try_from(format!("{path}{resource}")).map_err(|_| SettingsError::BaseUrl)
}

fn headers(authority: &Authority, bearer: Option<Bearer>) -> Result<HeaderMap, SettingsError> {
    let host = HeaderValue::try_from(authority.as_str()).map_err(|_| SettingsError::BaseUrl)?;
    let mut headers = HeaderMap::new();
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static("portcullis"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(Bearer(value)) = bearer {
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn certificate_authorities(path: &Path) -> Result<RootCertStore, SettingsError> {
    let unusable = || SettingsError::BadCertificates {
        path: path.to_owned(),
    };
    let pem = read(path)?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| unusable())?;
        store.add(certificate).map_err(|_| unusable())?;
    }
    if store.is_empty() {
        return Err(unusable());
    }
    Ok(store)
}

fn read(path: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(path).map_err(|source| SettingsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Beyond any generation, and far from where adding to an instant could overflow.
const CLOCK_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What a chat template adds beyond the JSON around each message: Llama 3.1's writes a system header
/// with dates, and some hundred tokens on how to call tools.
const TEMPLATE_TOKENS: u64 = 256;

pub(super) const JSON: &str = "application/json";
pub(super) const EVENT_STREAM: &str = "text/event-stream";

#[cfg(test)]
mod tests;
