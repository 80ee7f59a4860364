//! What happened, provably: an append-only log that is durable before anybody acts on it.
//!
//! # Map
//!
//! | file | owns |
//! |---|---|
//! | `log` | what callers see: reserve, intent, outcome; exactly one outcome for each intent |
//! | `entry` | what may be written, its exact bytes, the strict way back |
//! | `desk` | the queue, the places, the space: what callers and threads share |
//! | `space` | what is said and refused as the disk fills up |
//! | `shards` | a log a month, each with a key of its own, and how one follows the other |
//! | `sequencer` | **the commit protocol**: the one thread that writes. Start reading here |
//! | `wal` | the write-ahead log's bytes |
//! | `storekeeper` | spare segments, made ahead of need |
//! | `publisher` | tiles, volumes, checkpoints: derived, off the commit path |
//! | `recover`, `tail` | what a crash can leave, and how it is put right |
//! | `verify` | the whole log checked from its files alone |
//! | `survey`, `examine` | how a log stands, and whether a disk is fit for one |
//! | `merkle`, `tiles`, `proof` | the RFC 6962 tree and its C2SP layout |
//! | `document` | what a sealed body says, and which texts it need not repeat |
//! | `checkpoint`, `seal`, `keyfile` | signatures, sealed bodies, keys |
//! | `drill` | whether old bodies still open |
//! | `rewrap` | epoch keys sealed again when the officers change |
//! | `storage`, `clock` | the seams: disk and time, and their fakes |
//!
//! `FORMAT.md` beside this crate's manifest specifies the files, so that someone can write a
//! verifier without this code.
//!
//! # What holds
//!
//! - A [`Receipt`] exists only for an entry that is on the disk.
//! - Each intent has exactly one outcome, whatever is cancelled, fails or crashes.
//! - Whoever holds a [`Reservation`] can be written: places and space are set aside first.
//! - Nothing a caller typed is in an entry: it cannot be spelled ([`entry`]).
//! - What was under a published checkpoint is never given up: a log that lost it does not open.
//!
//! # What it cannot do
//!
//! It has never heard of HTTP, rules or detectors. It orders by index, not by time. It proves
//! nothing against someone who holds the signing key and the disk, until a checkpoint has left the
//! machine.
//!
//! # Bounds
//!
//! Requests in flight: [`Settings::queue_max`]. An entry: 65,535 bytes. An entry with its bodies:
//! a segment. The write-ahead log: 64 segments. Memory: the queue, a segment while publishing, and
//! 256 entries at the tree's edge.

#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        reason = "a test that indexes wrongly fails, and that is what it is for"
    )
)]

mod archive;
#[cfg(test)]
mod campaign;
mod checkpoint;
mod clock;
mod content;
mod desk;
mod document;
mod drill;
pub mod entry;
mod examine;
#[cfg(test)]
mod fixtures;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod keyfile;
mod log;
mod merkle;
mod proof;
mod publisher;
mod recover;
mod rewrap;
mod seal;
mod sequencer;
mod settings;
mod shards;
#[cfg(test)]
mod simulation;
mod space;
mod storage;
mod storekeeper;
mod survey;
mod tail;
mod tiles;
#[cfg(test)]
mod vectors;
mod verify;
mod wal;

pub use archive::{BodyError, Entries, entries, open_body};
pub use checkpoint::{BadCheckpoint, Checkpoint, KeyError, Origin, Signer, VerifyKey};
pub use clock::{Clock, ManualClock, SystemClock};
pub use document::{Body, Document, Original, Text};
pub use drill::{Drawn, DrillError, drill};
pub use entry::{
    Action, Check, ConnSummary, CredentialKind, Digest, Direction, Entry, EntryIndex, Event,
    Export, FINISH_MAX, FieldPath, FieldPattern, GuardLoad, Hit, Hold, HoldAct, Intent, Judged,
    KeyedDigest, LabelScore, LibraryLoad, Name, Op, Outcome, OutcomeStatus, PolicyLoad, PolicyRef,
    PolicyRejected, Reason, Refusal, RefusalKind, RequestId, Review, ReviewAct, SCORES_MAX, Served,
    Source, Stage, Start, Tokens, Verdict, Who,
};
pub use examine::{Examination, Fitness, examine};
pub use log::{Log, Pending, Receipt, Reservation, State, Status, Unavailable, Withheld};
pub use merkle::{ProofRejected, check_consistency, check_inclusion, leaf_hash, node_hash};
pub use proof::{
    BadProof, ProofError, check_inclusion_text, consistency_text, inclusion_text,
    prove_consistency, prove_inclusion,
};
pub use recover::{OpenError, Recovery, Remains};
pub use rewrap::{RewrapError, Rewrapped, rewrap};
pub use seal::{
    BadRecipients, NotARecipient, NotAnOpener, Opener, RECIPIENTS_MAX, Recipient, Recipients,
    SEALING_BYTES, Sealer, Unopened,
};
pub use settings::Settings;
pub use shards::{
    Chain, ChainOptions, Link, Progress, ShardSettings, Shards, shards, verify_shards,
};
pub use space::Space;
pub use storage::{CrashStorage, DiskStorage, Fault, Faults, FaultyStorage, File, Room, Storage};
pub use survey::{Survey, survey};
pub use tail::{Damage, DamageKind};
pub use verify::{Kin, Proof, VerifyOptions, verify};
