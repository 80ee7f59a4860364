//! The admin listener: `/livez`, `/readyz` and `/metrics` for probes, and for people with a duty, `/policy` and `/reload`.
//! Plain HTTP on loopback or TLS, never the port of model traffic.
//!
//! Whoever asks for more than a probe shows a token of a trusted issuer or a client certificate, and the policy says
//! what duties they have. An API key opens nothing here: it stands for a service, and duties are people's.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use policy::{Duty, Evidence, Policy, UnixTime};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::Gateway;
use crate::identity::{TokenFault, Verified};
use crate::problem::Problem;
use crate::reload::Reloaded;

mod connections;

use connections::{Doors, Peer};

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
        let doors = Doors::new(self.socket, gw.clone());
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/policy", get(policy))
            .route("/reload", post(reload))
            .with_state(gw);
        let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
        if let Err(error) = axum::serve(doors, router.into_make_service_with_connect_info::<Peer>())
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

/// Which bundle is in force, since when, and what is wrong with the files that are not.
async fn policy(
    State(gw): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Response {
    match on_duty(&gw, &peer, &headers, &Duty::ALL).await {
        Ok(_) => json_response(StatusCode::OK, &status(&gw)),
        Err(refused) => refused.into_response(),
    }
}

/// Loads all files again, and says what came of it.
async fn reload(
    State(gw): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Response {
    let who = match on_duty(&gw, &peer, &headers, &[Duty::Admin, Duty::Operator]).await {
        Ok(who) => who,
        Err(refused) => return refused.into_response(),
    };
    tracing::info!(who, "a reload was asked for");
    let reloaded = gw.clone().reload().await;
    let (code, result) = match reloaded {
        Reloaded::Swapped => (StatusCode::OK, "swapped"),
        Reloaded::Unchanged => (StatusCode::OK, "unchanged"),
        Reloaded::Rejected => (StatusCode::CONFLICT, "rejected"),
    };
    let mut said = status(&gw);
    if let Value::Object(members) = &mut said {
        members.insert("result".to_owned(), result.into());
    }
    json_response(code, &said)
}

fn status(gw: &Gateway) -> Value {
    let rules = gw.rules.load();
    let state = gw.reloads.state();
    let warnings = rules.warnings_at(gw.now());
    let problems = state.failure.iter().flat_map(|failure| &failure.problems);
    json!({
        "id": rules.policy.id(),
        "revision": rules.policy.revision(),
        "digest": rules.policy.digest(),
        "rules": rules.policy.rule_count(),
        "expires": rules.policy.expires().map(|end| end.last_day()),
        "in_force_since": state.in_force_since.to_string(),
        "rejected_at": state.failure.as_ref().map(|failure| failure.at.to_string()),
        "problems": problems.map(Problem::to_json).collect::<Vec<_>>(),
        "warnings": warnings.iter().map(Problem::to_json).collect::<Vec<_>>(),
    })
}

/// Why somebody is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// Nothing shown, or nothing that proves who it is.
    Unknown,
    /// A person without the duty.
    NotOnDuty,
    /// Whether the token holds could not be found out.
    Undecided,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, sentence) = match self {
            Refused::Unknown => (
                StatusCode::UNAUTHORIZED,
                "show a token of a trusted issuer, 'Authorization: Bearer …', or a client certificate\n",
            ),
            Refused::NotOnDuty => (StatusCode::FORBIDDEN, "none of your duties allows this\n"),
            Refused::Undecided => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the token could not be checked, because its issuer's keys cannot be had\n",
            ),
        };
        let mut response = (status, sentence).into_response();
        if self == Refused::Unknown {
            let challenge = header::HeaderValue::from_static("Bearer realm=\"portcullis admin\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The principal who asks, if it has one of these duties and is not suspended.
async fn on_duty(
    gw: &Gateway,
    peer: &Peer,
    headers: &HeaderMap,
    duties: &[Duty],
) -> Result<String, Refused> {
    let by_token = by_token(gw, peer, headers).await?;
    // Loaded only now: an issuer may have let us wait, and duties end meanwhile.
    let rules = gw.rules.load();
    let policy = &rules.policy;
    let at = UnixTime(gw.now().as_second());
    let by_token = by_token.map(|token| (token.subject(policy, at), token.principal));
    let by_certificate = by_certificate(gw, peer, policy)?;
    let by_certificate =
        by_certificate.map(|principal| (policy.subject(&principal, &Evidence::at(at)), principal));
    let (subject, who) = match (by_token, by_certificate) {
        (None, None) => return Err(Refused::Unknown),
        (Some((_, one)), Some((_, other))) if one != other => {
            tracing::warn!(one, other, "a token and a certificate of two were shown");
            return Err(Refused::Unknown);
        }
        (Some(proved), _) | (None, Some(proved)) => proved,
    };
    let subject = subject.ok_or(Refused::Unknown)?;
    let allowed = subject.duties().iter().any(|duty| duties.contains(duty));
    match allowed && !subject.is_suspended() {
        true => Ok(who),
        false => {
            tracing::warn!(who, "has no duty that allows this");
            Err(Refused::NotOnDuty)
        }
    }
}

/// Whom a token stands for, if one is shown.
async fn by_token(
    gw: &Gateway,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Option<Verified>, Refused> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (shown.next(), shown.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().map_err(|_| Refused::Unknown)?,
        (Some(_), Some(_)) => return Err(Refused::Unknown),
    };
    let (scheme, token) = value.split_once(' ').ok_or(Refused::Unknown)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refused::Unknown);
    }
    let checked = gw.issuers.check(token.trim(), gw.now()).await;
    let token = checked.map_err(|fault| {
        turned_away(peer, fault.code());
        match fault {
            TokenFault::Unavailable => Refused::Undecided,
            _ => Refused::Unknown,
        }
    })?;
    match token.front_end_only {
        true => Err(Refused::Unknown),
        false => Ok(Some(token)),
    }
}

/// Whom the client certificate stands for, if one is shown.
fn by_certificate(gw: &Gateway, peer: &Peer, policy: &Policy) -> Result<Option<String>, Refused> {
    let Some(shown) = &peer.certificate else {
        return Ok(None);
    };
    if !gw.tls.still_holds(shown, gw.now().as_second()) {
        turned_away(peer, "certificate_ended");
        return Err(Refused::Unknown);
    }
    let principal = policy.certificate_principal(&shown.certificate.facts());
    principal.map(Some).map_err(|fault| {
        turned_away(peer, fault.code());
        Refused::Unknown
    })
}

fn turned_away(peer: &Peer, reason: &str) {
    let from = peer.address;
    tracing::warn!(%from, reason, "somebody was turned away from the admin interface");
}

fn json_response(status: StatusCode, value: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        format!("{value}\n"),
    )
        .into_response()
}
