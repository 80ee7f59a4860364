//! How to ask a Llama server.
//!
//! One closed request type ([`Chat`]) goes in, one closed stream of [`Event`]s comes out, whatever
//! dialect the server behind it speaks; [`Embed`] goes in, [`Embedded`] comes out. An adapter is
//! anything that implements [`Upstream`]:
//!
//! ```text
//! lib.rs       the public face
//! chat.rs      what is asked: messages, tools, sampling
//! answer.rs    what comes back: events, pulled one by one
//! embed.rs     texts, and the vectors for them
//! error.rs     what can go wrong, whose fault it is, whether asking again is safe
//! upstream.rs  the seam between the gateway and an adapter
//! sse.rs       incremental parser of event streams
//! demo.rs      adapter: a script in this process, for trying things out
//! openai.rs    adapter: any server that speaks OpenAI chat completions and embeddings
//! ```
//!
//! What this crate promises:
//!
//! - An [`Answer`] ends (`None`) only after *proof* of its end; everything else is an error.
//! - Nothing that is not understood is passed on: unknown response fields are dropped and counted.
//! - Dropping an [`Answer`], or the future that would yield one, closes its connection at once.
//! - Retries happen only before the first event, never after.
//! - What a server said about a failure stays in [`Detail`], which neither `Display` nor `Debug` prints.
//!
//! What it does not know: users, rules, and what the text means. It starts no tasks.

mod answer;
mod chat;
mod demo;
mod embed;
mod error;
mod openai;
pub mod sse;
mod upstream;

pub use answer::{Answer, Event, EventSource, FinishReason, Remarks, TextField, Usage};
pub use chat::{
    Chat, Message, ReasoningEffort, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolChoice,
};
pub use demo::Demo;
pub use embed::{Embed, Embedded};
pub use error::{Blame, Clock, Detail, Failure, ProtocolFault, UpstreamError};
pub use openai::{Clocks, OpenAi, OpenAiSettings, SettingsError};
pub use upstream::{BoxFuture, Upstream};

pub mod decode {
    //! Response bodies without a server: for fuzzing, and for replaying recorded answers.

    pub use crate::openai::{Decoder, Format, Limits, embedded};
}
