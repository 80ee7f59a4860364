//! Portcullis: every prompt and every answer is decided, and every decision is recorded, before it passes.
//!
//! ```text
//! pipeline.rs   the life of one request, top to bottom            <- start reading here
//!   route       which endpoint is asked?
//!   authenticate  who asks?
//!   ingest      what, within limits? (the field contract)
//!   label       which markings does it bear?
//!   authorize   may they, for this data and purpose?
//!   screen      is it acceptable, under that permit's profile?
//!   trail       is it written down?
//!   forward     ask the model (takes only a `Cleared`)
//!   release     may the answer go out?
//!   moderate    what do the guardrails say? (asks no model)
//!   deliver     out to the client, the end only once the outcome is durable
//! reply.rs      refusal -> status, body, log level: the one match
//! identity.rs   tokens and the keys of their issuers;  keys.rs  API keys;  tls.rs  certificates
//! listener.rs   accept, TLS, HTTP, connection limits, drain
//! admin.rs      /livez /readyz /metrics /policy, on a port of its own
//! config.rs     portcullis.toml -> checked Config
//! load.rs       files -> keys, rules, models
//! rules.rs      one bundle in force: access rules and guardrails;  reload.rs  the next one
//! server.rs     the parts put together and run
//! ```
//!
//! This crate is the only one that knows the other four. It translates between their words, each once, beside the
//! stage that needs it.

#![cfg_attr(
    test,
    expect(
        clippy::indexing_slicing,
        reason = "a test that indexes wrongly fails, as it should"
    )
)]

pub mod admin;
pub mod anthropic;
pub mod body;
pub mod certs;
pub mod config;
pub mod connections;
pub mod deadline;
pub mod decisions;
pub mod dialect;
pub mod identity;
pub mod incoming;
pub mod json;
pub mod keys;
pub mod listener;
pub mod load;
pub mod metrics;
pub mod openai;
pub mod pipeline;
pub mod places;
pub mod problem;
pub mod refusal;
pub mod reload;
pub mod reply;
pub mod rules;
pub mod runtime;
pub mod server;
pub mod tasks;
pub mod tls;

pub use config::{Config, Limits};
pub use server::{Gateway, Running, Seams, StartError};
