//! The data listener: accept, TLS, HTTP/1.1 and HTTP/2, connection limits, graceful drain.
//!
//! Below the first parsed request head (TLS faults, framing, header timeouts), which hyper and rustls answer or close
//! themselves, there is no request to record: such connections are counted per reason and source prefix, and a
//! `conn.summary` entry tells of them every ten seconds.
//!
//! Bounds: connections, handshake time, head bytes and time, HTTP/2 streams per connection. A connection on which
//! nothing happens gives its place back (`idle.rs`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Gateway;
use crate::connections::Closed;
use crate::incoming::{Incoming, Peer};
use crate::pipeline;
use crate::reply::Unanswered;

mod idle;

use idle::{Busy, Idle};

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
    pub async fn run(self, gw: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
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
                // Settings that were replaced serve no new connection.
                acceptor: TlsAcceptor::from(gw.tls.server()),
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
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let shown = gw.tls.shown(chain, gw.now().as_second());
        let peer = Peer {
            address,
            zone: gw.zone.clone(),
            certificate: shown.map(Arc::new),
        };
        let (idle, hang_up) = (Idle::default(), Arc::new(Notify::new()));
        let service = Service {
            gw: gw.clone(),
            peer,
            idle: idle.clone(),
            hang_up: hang_up.clone(),
        };
        let ended = tokio::select! {
            ended = serve_http(stream, service, &gw, watcher) => ended,
            // Counted where it was decided.
            () = hang_up.notified() => return,
            () = idle.too_long(limits.header_timeout, gw.config.limits.request_timeout) => return gw.connections.count(Closed::Silent, address.ip()),
        };
        if ended.is_err() {
            gw.connections.count(Closed::Protocol, address.ip());
        }
    }
}

/// HTTP/2 if the handshake agreed on it, else HTTP/1.1: by what TLS says, not by guessing from the first bytes.
async fn serve_http(
    stream: TlsStream<TcpStream>,
    service: Service,
    gw: &Gateway,
    watcher: Watcher,
) -> hyper::Result<()> {
    let limits = &gw.config.listener;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| service.clone().handle(request));
    if http2 {
        let connection = http2::Builder::new(gw.tasks.clone())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
            .max_concurrent_streams(HTTP2_STREAMS_MAX)
            .keep_alive_interval(Some(limits.header_timeout))
            .keep_alive_timeout(limits.header_timeout)
            .serve_connection(io, service);
        watcher.watch(connection).await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_buf_size(limits.header_bytes_max)
            .serve_connection(io, service);
        watcher.watch(connection).await
    }
}

/// What answers the requests of one connection.
#[derive(Clone)]
struct Service {
    gw: Arc<Gateway>,
    peer: Peer,
    idle: Idle,
    /// Ends the connection, whatever else goes on over it: HTTP/2 would only reset the stream.
    hang_up: Arc<Notify>,
}

impl Service {
    async fn handle(
        self,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<Busy>, Unanswered> {
        let busy = self.idle.busy();
        let (head, body) = request.into_parts();
        let incoming = Incoming {
            id: self.gw.mint_request_id(),
            peer: self.peer,
            head,
            body,
        };
        let response = pipeline::handle(&self.gw, incoming).await;
        let response = response.inspect_err(|_| self.hang_up.notify_one())?;
        Ok(response.map(|body| busy.until_the_end_of(body)))
    }
}
