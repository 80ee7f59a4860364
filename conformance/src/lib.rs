//! What a gateway that judges text must not let through, tried from outside on any gateway that speaks OpenAI's or
//! Anthropic's protocol.
//!
//! The suite stands on both sides of the gateway. In front it is a client; behind it is the model server that the gateway
//! forwards to ([`Model`]). One text, the *forbidden text*, is what the gateway's rules refuse or mask both ways. Each
//! [`Case`] hides it somewhere, and two laws decide:
//!
//! - what a client sends never arrives at the model: refused, masked or not forwarded, the gateway may choose;
//! - what the model answers never arrives at the client, neither as a whole nor half of it.
//!
//! So the suite needs no knowledge of the gateway's own words for a refusal. Each case names where such a gap has been
//! seen. A client that talks to [`Model`] directly has no guard at all, and must fail every case: that is how the suite
//! itself is tested.
//!
//! This crate knows no other crate of this workspace.

mod answer;
mod asked;
mod catalogue;
mod disguise;
mod endpoint;
mod judge;
mod model;
mod places;
mod report;
mod run;
mod target;

pub use catalogue::{Case, all};
pub use endpoint::{Endpoint, Way};
pub use judge::{How, Outcome};
pub use model::Model;
pub use report::{Report, catalogue_table};
pub use run::{Ran, Suite};
pub use target::{Target, TargetError, Trouble};
