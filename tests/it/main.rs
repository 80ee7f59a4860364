//! Black-box tests by promise: a real gateway, a scripted model server, a client that sees every byte.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop"
)]

mod answers;
mod bad_input;
mod bench;
mod blocked;
mod denied;
mod edges;
mod proofs;
mod redacted;
mod streaming;
mod upstream;
