//! A request as it comes off the listener: head, body, and what the connection knows of the peer.

use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use uuid::Uuid;

use crate::tls::Shown;

/// One request whose head has been read.
pub struct Incoming {
    /// Minted by us: the key of the audit entries, and the `x-request-id` of the answer.
    pub id: Uuid,
    /// What the connection knows.
    pub peer: Peer,
    /// Method, path and headers.
    pub head: Parts,
    /// The body, read by one stage.
    pub body: hyper::body::Incoming,
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it connects from.
    pub address: SocketAddr,
    /// The zone of the listener it came in by.
    pub zone: Arc<str>,
    /// Its certificate, if it showed one that the listener's CA signed.
    pub certificate: Option<Arc<Shown>>,
}
