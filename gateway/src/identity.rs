//! Who is it? Tokens of issuers that the configuration trusts (RFC 7519, RFC 8725), and their keys (RFC 7517).
//!
//! ```text
//! token   one token: shape, issuer, key, signature, claims; each can only refuse
//! jwks    the keys of one issuer: read at start, read again, and once more when a token names an unknown one
//! fetch   one GET over TLS, bounded in time and size
//! ```
//!
//! API keys are in `keys.rs`, certificates in `tls.rs`; `pipeline/authenticate.rs` makes one principal of them all.

pub mod token;

mod fetch;
mod jwks;

pub use token::{Issuers, TokenFault, Verified};
