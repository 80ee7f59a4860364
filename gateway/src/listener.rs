//! The data listener: accept, TLS, HTTP/1.1 and HTTP/2, connection limits, graceful drain.
//!
//! Below the first parsed request head (TLS faults, framing, header timeouts), which hyper and rustls answer or close
//! themselves, there is no request to record: such connections are counted per reason and source prefix, and a
//! `conn.summary` entry tells of them every ten seconds.
//!
//! Bounds: connections, handshake time, head bytes and time, HTTP/2 streams per connection. A connection that sends
//! nothing is closed after the head timeout, so idle connections cannot pile up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::Gateway;
use crate::connections::Closed;
use crate::incoming::{Incoming, Peer};
use crate::pipeline;
use crate::reply::Unanswered;
use crate::tls;

/// Streams that one HTTP/2 connection may have open.
const HTTP2_STREAMS_MAX: u32 = 128;

/// After a failed accept (out of file descriptors, say), wait this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound listener, not yet accepting.
pub struct Listener {
    socket: TcpListener,
    /// The address it is bound to.
    pub address: SocketAddr,
}

impl Listener {
    /// Binds the address.
    ///
    /// # Errors
    /// As the system says.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Listener> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Listener { socket, address })
    }

    /// Accepts connections until `stop` turns true; then drains them for as long as the configuration grants.
    pub async fn run(
        self,
        gw: Arc<Gateway>,
        tls: Arc<rustls::ServerConfig>,
        mut stop: watch::Receiver<bool>,
    ) {
        let acceptor = TlsAcceptor::from(tls);
        let places = Arc::new(Semaphore::new(gw.config.listener.connections_max));
        let graceful = GracefulShutdown::new();
        loop {
            let (stream, address) = tokio::select! {
                accepted = self.socket.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                () = stopped(&mut stop) => break,
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                gw.connections.count(Closed::TooMany, address.ip());
                continue;
            };
            let connection = Connection {
                gw: gw.clone(),
                acceptor: acceptor.clone(),
                address,
                watcher: graceful.watcher(),
                place,
            };
            gw.tasks.spawn(connection.serve(stream));
        }
        drop(self.socket);
        if timeout(gw.config.listener.drain_timeout, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!(
                tasks = gw.tasks.running(),
                "drain timeout: abandoning what still runs"
            );
        }
    }
}

/// Resolves when `stop` turns true, or nobody is left who could say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

struct Connection {
    gw: Arc<Gateway>,
    acceptor: TlsAcceptor,
    address: SocketAddr,
    watcher: Watcher,
    place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let Connection {
            gw,
            acceptor,
            address,
            watcher,
            place,
        } = self;
        let _place = place;
        let _ = stream.set_nodelay(true);
        let limits = &gw.config.listener;
        let stream = match timeout(limits.handshake_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return gw.connections.count(Closed::Handshake, address.ip()),
            Err(_) => return gw.connections.count(Closed::HandshakeTimeout, address.ip()),
        };
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first());
        let certificate = certificate.map(|c| Arc::new(tls::facts(c)));
        let peer = Peer {
            address,
            zone: gw.zone.clone(),
            certificate,
        };
        let handler = gw.clone();
        let service = service_fn(move |request| handle(handler.clone(), peer.clone(), request));
        let http = http_of(limits);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        if watcher.watch(connection.into_owned()).await.is_err() {
            gw.connections.count(Closed::Protocol, address.ip());
        }
    }
}

fn http_of(limits: &crate::config::ListenerConfig) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes_max);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .keep_alive_interval(Some(limits.header_timeout))
        .keep_alive_timeout(limits.header_timeout);
    http
}

async fn handle(
    gw: Arc<Gateway>,
    peer: Peer,
    request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<crate::body::Body>, Unanswered> {
    let (head, body) = request.into_parts();
    let incoming = Incoming {
        id: gw.mint_request_id(),
        peer,
        head,
        body,
    };
    pipeline::handle(&gw, incoming).await
}
