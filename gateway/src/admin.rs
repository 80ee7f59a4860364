//! The admin listener: `/livez`, `/readyz`, `/metrics`. Plain HTTP on loopback, never the port of model traffic.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Gateway;

/// A bound admin listener.
pub struct Admin {
    socket: TcpListener,
    /// The address it is bound to.
    pub address: SocketAddr,
}

impl Admin {
    /// Binds the address.
    ///
    /// # Errors
    /// As the system says.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Admin> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Admin { socket, address })
    }

    /// Serves until `stop` turns true.
    pub async fn run(self, gw: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(gw);
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        if let Err(error) = axum::serve(self.socket, router)
            .with_graceful_shutdown(stopped)
            .await
        {
            tracing::error!(%error, "the admin listener ended");
        }
    }
}

/// Ready while the log can be written and no shutdown has begun; says why not.
async fn readyz(State(gw): State<Arc<Gateway>>) -> Response {
    let audit = gw.audit.status();
    if gw.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response()
    } else if audit.state != audit::State::Serving || audit.space == audit::Space::Spent {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the audit log cannot be written\n",
        )
            .into_response()
    } else {
        "ready\n".into_response()
    }
}

async fn metrics(State(gw): State<Arc<Gateway>>) -> Response {
    let text = gw.metrics.render(&gw.audit.status(), gw.tasks.running());
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
