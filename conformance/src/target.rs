//! The gateway under test, as its clients see it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::asked::Asked;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(60);
/// No answer of a case is longer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Makes the gateway's guard fail (`true`) and work again (`false`).
pub type Trouble = Arc<dyn Fn(bool) -> std::io::Result<()> + Send + Sync>;

/// A gateway, how to get in, and what it forbids.
#[derive(Clone)]
pub struct Target {
    /// The base URL that its clients are given, such as `https://localhost:8443/v1`.
    base: Uri,
    tls: Option<TlsConnector>,
    /// The caller's key.
    pub(crate) key: String,
    /// The model to ask for.
    pub(crate) model: String,
    /// What its rules refuse or mask, in prompts and in answers.
    pub(crate) forbidden: String,
    /// How to break its guard, if that can be done.
    pub(crate) trouble: Option<Trouble>,
}

/// Why a gateway cannot be tested.
#[derive(Debug)]
pub struct TargetError(pub(crate) String);

impl std::fmt::Display for TargetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TargetError {}

/// Everything that came back.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Target {
    /// The gateway at a base URL (`http` or `https`, which ends with `/v1`), whose certificate a file of authorities (PEM)
    /// vouches for.
    ///
    /// # Errors
    /// If the URL is none, or the file cannot be read or holds no certificate.
    pub fn new(base: &str, authorities: Option<&Path>) -> Result<Target, TargetError> {
        let wrong = |what: &str| TargetError(format!("{base}: {what}"));
        let base: Uri = base
            .trim_end_matches('/')
            .parse()
            .map_err(|_| wrong("neither an http:// nor an https:// URL"))?;
        let tls = match base.scheme_str() {
            Some("http") => None,
            Some("https") => Some(connector(authorities)?),
            _ => return Err(wrong("neither an http:// nor an https:// URL")),
        };
        if base.host().is_none() {
            return Err(wrong("names no host"));
        }
        Ok(Target {
            base,
            tls,
            key: String::new(),
            model: String::new(),
            forbidden: String::new(),
            trouble: None,
        })
    }

    /// Who asks, and for which model.
    #[must_use]
    pub fn asking(mut self, key: &str, model: &str) -> Target {
        (self.key, self.model) = (key.to_owned(), model.to_owned());
        self
    }

    /// What its rules refuse or mask, in prompts and in answers.
    #[must_use]
    pub fn forbidding(mut self, text: &str) -> Target {
        text.clone_into(&mut self.forbidden);
        self
    }

    /// How to break its guard.
    #[must_use]
    pub fn breaking_by(mut self, trouble: Trouble) -> Target {
        self.trouble = Some(trouble);
        self
    }

    /// Sends one request on a connection of its own, and reads the answer as far as it comes.
    pub(crate) async fn send(&self, asked: &Asked) -> Result<Reply, TargetError> {
        let exchange = async {
            let host = self.base.host().unwrap_or_default();
            let port = match (self.base.port_u16(), &self.tls) {
                (Some(port), _) => port,
                (None, Some(_)) => 443,
                (None, None) => 80,
            };
            let told = |e: &dyn std::fmt::Display| TargetError(format!("{}: {e}", self.base));
            // A bracketed IPv6 address is a URL's spelling, not a resolver's.
            let name = host.trim_matches(['[', ']']);
            let tcp = TcpStream::connect((name, port))
                .await
                .map_err(|e| told(&e))?;
            tcp.set_nodelay(true).map_err(|e| told(&e))?;
            match &self.tls {
                None => self.over(tcp, asked).await,
                Some(tls) => {
                    let name = ServerName::try_from(name.to_owned()).map_err(|e| told(&e))?;
                    let tcp = tls.connect(name, tcp).await.map_err(|e| told(&e))?;
                    self.over(tcp, asked).await
                }
            }
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(reply) => reply,
            Err(_) => Err(TargetError(format!("no answer in {PATIENCE:?}"))),
        }
    }

    async fn over(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        asked: &Asked,
    ) -> Result<Reply, TargetError> {
        let told = |e: &dyn std::fmt::Display| TargetError(e.to_string());
        let request = self.request(asked).map_err(|e| told(&e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io))
            .await
            .map_err(|e| told(&e))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|e| told(&e))?;
            let (head, body) = response.into_parts();
            let mut reply = Reply {
                status: head.status.as_u16(),
                headers: head.headers,
                ..Reply::default()
            };
            let mut body = Limited::new(body, ANSWER_BYTES_MAX);
            // An answer that breaks off is judged as far as it came.
            while let Some(Ok(frame)) = body.frame().await {
                match frame.into_data() {
                    Ok(data) => reply.body.extend_from_slice(&data),
                    Err(frame) => reply
                        .trailers
                        .extend(frame.into_trailers().ok().into_iter().flatten()),
                }
            }
            Ok(reply)
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            reply = &mut exchange => reply,
            // The exchange learns by itself that the connection has ended.
            _ = connection => exchange.await,
        }
    }

    fn request(&self, asked: &Asked) -> http::Result<Request<Full<Bytes>>> {
        let base = self.base.path().trim_end_matches('/');
        let path = match asked.path.strip_prefix('/') {
            Some(_) => format!("{base}{}", asked.path),
            // Beside `/v1`, not below it.
            None => format!("{}/{}", base.trim_end_matches("/v1"), asked.path),
        };
        let mut request = Request::post(path)
            .header(
                "host",
                self.base.authority().map_or("", |host| host.as_str()),
            )
            .header("content-type", "application/json")
            .header("te", "trailers");
        request = match asked.anthropic {
            true => request
                .header("x-api-key", &self.key)
                .header("anthropic-version", "2023-06-01"),
            false => request.header("authorization", format!("Bearer {}", self.key)),
        };
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        request.body(Full::from(asked.body.clone()))
    }
}

fn connector(authorities: Option<&Path>) -> Result<TlsConnector, TargetError> {
    let debian = Path::new("/etc/ssl/certs/ca-certificates.crt");
    let file = authorities.unwrap_or(debian);
    let told = |e: &dyn std::fmt::Display| TargetError(format!("{}: {e}", file.display()));
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| told(&e))? {
        let certificate = certificate.map_err(|e| told(&e))?;
        roots.add(certificate).map_err(|e| told(&e))?;
    }
    if roots.is_empty() {
        return Err(told(&"no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| told(&e))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
