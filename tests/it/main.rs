//! Black-box tests by promise: a real gateway, a scripted model server, a client that sees every byte.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop"
)]

mod answers;
mod audit;
mod bad_input;
mod bench;
mod blocked;
mod canary;
mod certificates;
mod completions;
mod conformance;
mod connections;
mod count_tokens;
mod decisions;
mod denied;
mod edges;
mod embeddings;
mod executable;
mod front;
mod gaps;
mod guard_fails;
mod kept;
mod ladder;
mod messages;
mod moderation_object;
mod moderations;
mod notice;
mod overload;
mod proofs;
mod redacted;
mod reload;
mod replayed;
mod responses;
mod shutdown;
mod streaming;
mod tampering;
mod tokens;
mod upstream;
