//! From a name to a connection that can carry a request, within the connect clock.
//!
//! Addresses are tried one after the other, and each gets its share of the time that is left, so that
//! a dead first address (often IPv6) does not eat the time of a live second one.

use std::io;
use std::net::SocketAddr;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use crate::error::{Clock, Failure, UpstreamError};
use crate::openai::settings::{Endpoint, Tls};
use crate::openai::wire::{Transport, Wire};

/// A fresh connection to the endpoint.
pub(super) async fn connect(endpoint: &Endpoint, deadline: Instant) -> Result<Wire, UpstreamError> {
    let connect_until = Instant::now() + endpoint.clocks.connect;
    let (until, clock) = if connect_until < deadline {
        (connect_until, Clock::Connect)
    } else {
        (deadline, Clock::Whole)
    };
    match timeout_at(until, open(endpoint, until)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::Timeout(clock).into()),
    }
}

async fn open(endpoint: &Endpoint, until: Instant) -> Result<Wire, UpstreamError> {
    let tcp = tcp(endpoint, until)
        .await
        .map_err(|error| unconnected(&error))?;
    let transport = match &endpoint.tls {
        Some(tls) => secure(tls, tcp).await?,
        None => Transport::plain(tcp),
    };
    let received = transport.received();
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(READ_BYTES_MAX)
        .handshake(TokioIo::new(transport))
        .await
        .map_err(|error| UpstreamError::new(Failure::Incomplete, &error.to_string()))?;
    Ok(Wire::new(sender, connection, received))
}

async fn tcp(endpoint: &Endpoint, until: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((endpoint.host.as_str(), endpoint.port))
        .await?
        .collect();
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let share = until.saturating_duration_since(Instant::now()) / left.max(1);
        left -= 1;
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small chunks matter more than full packets.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn secure(tls: &Tls, tcp: TcpStream) -> Result<Transport, UpstreamError> {
    let name = tls.server_name.clone();
    let stream = tls.connector.connect(name, tcp).await.map_err(|error| {
        let refused = error
            .get_ref()
            .is_some_and(|inner| inner.is::<rustls::Error>());
        if refused {
            UpstreamError::new(Failure::Tls, &error.to_string())
        } else {
            unconnected(&error)
        }
    })?;
    Ok(Transport::tls(stream))
}

fn unconnected(error: &io::Error) -> UpstreamError {
    let failure = match error.kind() {
        io::ErrorKind::TimedOut => Failure::Timeout(Clock::Connect),
        kind => Failure::Connect(kind),
    };
    UpstreamError::new(failure, &error.to_string())
}

/// Bounds one read, and with it the response head.
const READ_BYTES_MAX: usize = 64 * 1024;
