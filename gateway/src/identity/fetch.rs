//! One GET over TLS, bounded in time and size.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::problem::Problem;
use crate::tls;

/// From the first packet to the last byte.
const TIME_MAX: Duration = Duration::from_secs(2);

/// A key set of a hundred keys takes some 50 KiB.
const BYTES_MAX: usize = 1 << 20;

/// A place that can be fetched.
pub(super) struct Fetcher {
    url: http::Uri,
    host: String,
    connector: TlsConnector,
    server_name: ServerName<'static>,
}

impl Fetcher {
    /// Prepares to fetch; nothing is sent.
    pub(super) fn new(url: &http::Uri, ca: &Path) -> Result<Fetcher, Problem> {
        let host = url.host().unwrap_or_default().to_owned();
        let server_name = ServerName::try_from(host.clone())
            .map_err(|_| Problem::about(host.as_str(), "is no name that a certificate can bear"))?;
        let roots = tls::roots(ca)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Problem::about(ca, e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Fetcher {
            url: url.clone(),
            host,
            connector: TlsConnector::from(Arc::new(config)),
            server_name,
        })
    }

    /// Fetches; redirects are not followed.
    ///
    /// # Errors
    /// Why there is nothing, for the operational log.
    pub(super) async fn get(&self) -> Result<Vec<u8>, String> {
        match timeout(TIME_MAX, self.exchange()).await {
            Ok(got) => got,
            Err(_) => Err(format!("no answer within {} s", TIME_MAX.as_secs())),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the body is bounded where it is collected"
    )]
    async fn exchange(&self) -> Result<Vec<u8>, String> {
        let port = self.url.port_u16().unwrap_or(443);
        let tcp = TcpStream::connect((self.host.trim_matches(['[', ']']), port))
            .await
            .map_err(|e| format!("cannot connect: {e}"))?;
        let tls = self
            .connector
            .connect(self.server_name.clone(), tcp)
            .await
            .map_err(|e| format!("no TLS: {e}"))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|e| e.to_string())?;
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path)
            .header(
                header::HOST,
                self.url.authority().map_or("", |a| a.as_str()),
            )
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|e| e.to_string())?;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|e| e.to_string())?;
            if response.status() != StatusCode::OK {
                return Err(format!("status {}", response.status().as_u16()));
            }
            let body = Limited::new(response.into_body(), BYTES_MAX)
                .collect()
                .await;
            Ok(body.map_err(|e| e.to_string())?.to_bytes().to_vec())
        };
        // The connection is driven beside the exchange, and may end with its last byte.
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            got = &mut exchange => got,
            _ = connection => exchange.await,
        }
    }
}
