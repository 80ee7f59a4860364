//! The connections of the admin listener: plain on loopback, or TLS with the data listener's certificate and the
//! authorities that it trusts. Whoever shows a client certificate is known by it; nobody has to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::Gateway;
use crate::tls::Shown;

/// Handshakes at a time; whoever comes then waits in the system's queue.
const HANDSHAKES_MAX: usize = 32;

/// A pause after the system had no connection to give, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections.
pub(super) struct Doors {
    socket: TcpListener,
    gw: Arc<Gateway>,
    handshakes: JoinSet<Option<(Stream, Peer)>>,
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The certificate shown in the handshake.
    pub(super) certificate: Option<Arc<Shown>>,
}

/// A connection that can be read and written.
pub(super) type Stream = Box<dyn Duplex>;

/// See [`Stream`].
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

impl Doors {
    pub(super) fn new(socket: TcpListener, gw: Arc<Gateway>) -> Doors {
        Doors {
            socket,
            gw,
            handshakes: JoinSet::new(),
        }
    }

    /// Begins a handshake, which may take its time without holding up others.
    fn greet(&mut self, stream: TcpStream, address: SocketAddr) {
        let gw = self.gw.clone();
        let limit = gw.config.listener.handshake_timeout;
        self.handshakes.spawn(async move {
            let acceptor = TlsAcceptor::from(gw.tls.admin());
            let stream = timeout(limit, acceptor.accept(stream)).await.ok()?.ok()?;
            let (_, connection) = stream.get_ref();
            let chain = connection.peer_certificates().unwrap_or_default();
            let certificate = gw.tls.shown(chain, gw.now().as_second()).map(Arc::new);
            let stream: Stream = Box::new(stream);
            Some((
                stream,
                Peer {
                    address,
                    certificate,
                },
            ))
        });
    }
}

impl axum::serve::Listener for Doors {
    type Io = Stream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Stream, Peer) {
        loop {
            let accepted = tokio::select! {
                Some(greeted) = self.handshakes.join_next() => {
                    match greeted {
                        Ok(Some(greeted)) => return greeted,
                        // A handshake that failed is over.
                        Ok(None) | Err(_) => continue,
                    }
                }
                accepted = self.socket.accept(), if self.handshakes.len() < HANDSHAKES_MAX => accepted,
            };
            match accepted {
                Ok((stream, address)) if self.gw.config.admin.tls => self.greet(stream, address),
                Ok((stream, address)) => {
                    let certificate = None;
                    return (
                        Box::new(stream),
                        Peer {
                            address,
                            certificate,
                        },
                    );
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        let address = self.socket.local_addr()?;
        let certificate = None;
        Ok(Peer {
            address,
            certificate,
        })
    }
}

impl Connected<IncomingStream<'_, Doors>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Peer {
        stream.remote_addr().clone()
    }
}
