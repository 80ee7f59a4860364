//! What is written down: the entries, their exact bytes, and the way back.
//!
//! An entry is one JSON object, UTF-8, integers only, written once and never re-serialised: **the
//! leaf of the tree is the stored bytes exactly**. An example, wrapped here for reading:
//!
//! ```text
//! {"type":"req.deny","ts":1790000000000000000,"boot":"5bd1e8d3a9b1c204","n":17,
//!  "body":[{"dir":"request","epoch":"90b1…","commit":"5c04…","ct":"77aa…","vol":0,"at":4096,"len":345}],
//!  "req":"01998a5e-…","op":"chat_completions","src":{"ip":"10.0.0.7","port":53211,"listener":"data"},
//!  "http":403,"code":"access_denied","stage":"authorize","reason":"no_rule","checks":[],"dropped":0}
//! ```
//!
//! Invariants, all of them re-checked by [`parse`] on every stored leaf:
//! - the envelope (`type ts boot n`, then `cut body omitted` where there is something to say) comes
//!   first, the type's own fields follow, each in the order of its struct;
//! - unknown keys, repeated keys, spaces and numbers with a fraction do not parse: an entry that
//!   serialises to other bytes than those stored is not an entry;
//! - every text is a word of `entry/words.rs`: nothing a caller typed can be spelled.
//!
//! Bounds: [`ENTRY_BYTES_MAX`] per entry, [`HITS_MAX`] hits per check, [`BODIES_MAX`] bodies. What
//! does not fit is cut and the cut is counted in the entry, hits first, then whole checks.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize, Serializer};

mod bytes;
mod officers;
mod words;

pub(crate) use bytes::{Envelope, Payload, Peek, compose, peek};
pub use bytes::{NotAnEntry, StoredEntry, parse};
pub use officers::{Export, Hold, HoldAct, Review, ReviewAct};
pub(crate) use words::unhex;
pub use words::{
    Digest, EntryIndex, FieldPath, FieldPattern, NAME_BYTES_MAX, Name, NotAWord, RequestId, Tag,
};

/// The longest entry, in bytes: C2SP tlog-tiles stores the length of an entry in 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// The version of the format that FORMAT.md describes.
pub(crate) const FORMAT: u32 = 1;

/// The most hits listed by one [`Check`]; the rest are counted in `more`.
pub const HITS_MAX: usize = 16;

/// The most detectors named by one [`Check`].
pub const DETECTORS_MAX: usize = 16;

/// The most scores listed by one [`Check`].
pub const SCORES_MAX: usize = 16;

/// The highest score, and the highest threshold: 1 times 10,000.
pub const SCORE_MAX: u16 = 10_000;

/// The most bodies one entry refers to.
pub const BODIES_MAX: usize = 8;

/// The most finish reasons an [`Outcome`] lists (one per choice).
pub const FINISH_MAX: usize = 16;

/// Everything an entry can be. The `type` of the stored object says which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// `req.intent`: about to ask a model.
    Intent(Intent),
    /// `req.outcome`: how that ended. Exactly one for each intent.
    Outcome(Outcome),
    /// `req.deny` or `req.undecided`: refused before any model was asked.
    Refusal(Refusal),
    /// `req.served`: answered by the gateway itself, without a model.
    Served(Served),
    /// What the gateway reports of itself.
    Event(Event),
    /// `boot`: this log was opened.
    Boot(Boot),
    /// `shutdown`: this log was closed in order.
    Shutdown(Nothing),
    /// `key.epoch`: bodies are sealed under a new epoch key from here on.
    Epoch(Epoch),
    /// `key.rewrap`: an epoch key was sealed again, to other recipients.
    Rewrap(Rewrap),
    /// `audit.degraded`: requests are being refused because they cannot be recorded.
    Degraded(Degraded),
    /// `audit.restored`: recording works again.
    Restored(Restored),
    /// `req.late`: an outcome became durable after its writer had given up waiting for it.
    Late(Late),
    /// `heartbeat`: nothing happened, and the log was alive to say so.
    Heartbeat(Nothing),
}

/// The operation asked for. A path that is not one of ours is `unknown`, never its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `GET /v1/models`
    Models,
    /// `GET /v1/models/{id}`
    Model,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `GET /v1/portcullis/decisions/{request-id}`
    Decisions,
    /// None of these.
    Unknown,
}

/// Where a request came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The peer's address.
    pub ip: IpAddr,
    /// The peer's port.
    pub port: u16,
    /// The listener's configured name.
    pub listener: Name,
}

/// How the caller proved who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// An API key.
    ApiKey,
    /// A token of a trusted issuer.
    Token,
    /// A client certificate.
    ClientCertificate,
    /// A certificate, and a key or token, that map to one principal.
    Both,
}

/// Who asked, as mapped by the operator's identities.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// The principal with its namespace: `svc:payroll`.
    pub principal: Name,
    /// The tenant domain: `agency/office/mission`.
    pub tenant: Name,
    /// What proved it.
    pub credential: CredentialKind,
    /// The user behind a trusted front end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Name>,
}

/// The policy in force and the rule that matched.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// Digest of the bundle.
    pub digest: Digest,
    /// The rule's id.
    pub rule: Name,
    /// The file that holds the rule.
    pub file: Name,
    /// The line of the rule in that file, from one.
    pub line: u32,
    /// The obligation profile that applied.
    pub profile: Name,
    /// The registered purpose of use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Name>,
    /// The authority record on which the purpose rests, if it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Name>,
    /// The rule did not match: it came nearest to permitting.
    #[serde(default, skip_serializing_if = "is_false")]
    pub nearest: bool,
}

/// Which text was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// What the caller sent.
    Prompt,
    /// What the model answered.
    Answer,
}

/// What a detector says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing found.
    Pass,
    /// Found, below what blocks.
    Flag,
    /// Found.
    Block,
}

/// What was done about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Let through.
    Allow,
    /// Let through and marked.
    Flag,
    /// Let through with the matched bytes masked.
    Redact,
    /// Stopped.
    Block,
}

/// Detectors that ran, read the same and found the same: one, or several that found nothing. What did not
/// run is not listed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Their registered names and versions, `pii@1`; at most [`DETECTORS_MAX`]. The `guard.load` before
    /// has the digests of their models and rules.
    pub detectors: Vec<Name>,
    /// Which text they read.
    pub stage: Stage,
    /// Whether the caller asked that what rules flag or redact be blocked.
    #[serde(default, skip_serializing_if = "is_false")]
    pub strict: bool,
    /// The fields they read, and how many of each.
    pub fields: Vec<(FieldPattern, u32)>,
    /// Bytes read.
    pub bytes: u64,
    /// Microseconds taken.
    pub us: u64,
    /// What they said, over all fields.
    pub verdict: Verdict,
    /// What was done, over all hits.
    pub action: Action,
    /// What they found, at most [`HITS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<Hit>,
    /// Hits that are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u32,
    /// Classifiers: the highest score for each label that a rule asked about, whatever the verdict; at
    /// most [`SCORES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<LabelScore>,
}

/// A classifier's highest score for one label, and what one rule makes of it. In an entry: a list of
/// the four.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(from = "(Name, Name, u16, u16)")]
pub struct LabelScore {
    /// The label.
    pub label: Name,
    /// The rule that asked.
    pub rule: Name,
    /// Score times 10,000, 0..=10,000.
    pub score: u16,
    /// The rule's threshold times 10,000, 0..=10,000.
    pub threshold: u16,
}

impl From<(Name, Name, u16, u16)> for LabelScore {
    fn from((label, rule, score, threshold): (Name, Name, u16, u16)) -> LabelScore {
        LabelScore {
            label,
            rule,
            score,
            threshold,
        }
    }
}

impl Serialize for LabelScore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.label, &self.rule, self.score, self.threshold).serialize(serializer)
    }
}

/// One finding. It says where and what kind, never the matched text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hit {
    /// Where.
    pub path: FieldPath,
    /// The detector's label: `us_ssn`, `prompt_attack`.
    pub label: Name,
    /// The rule of the profile that decided, by its id; the first logs do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Name>,
    /// Score times 10,000, 0..=10,000.
    pub score: u16,
    /// Threshold times 10,000, 0..=10,000.
    pub threshold: u16,
    /// What was done.
    pub action: Action,
    /// What the rule says, where it does not yet do it: it is being observed, or only warns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Action>,
    /// How many of the same kind at that place.
    pub n: u32,
}

/// About to ask a model. Durable before any byte goes upstream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The request.
    pub req: RequestId,
    /// What is asked.
    pub op: Op,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// From where.
    pub src: Source,
    /// By whom.
    pub who: Who,
    /// The model as configured.
    pub model: Name,
    /// The backend chosen.
    pub backend: Name,
    /// Under which rule.
    pub policy: PolicyRef,
    /// The data label of the request: the high-water mark of its parts.
    pub label: Name,
    /// What was checked on the prompt.
    pub checks: Vec<Check>,
    /// How many unknown keys were dropped.
    pub dropped: u32,
}

/// How an intent ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// The whole answer was about to be released.
    Completed,
    /// A check on the answer stopped it.
    Blocked,
    /// The upstream said no, or nonsense.
    UpstreamError,
    /// The upstream was silent for too long.
    UpstreamTimeout,
    /// The upstream's stream had no end mark.
    UpstreamIncomplete,
    /// The upstream refused our credential.
    UpstreamAuth,
    /// The client left.
    ClientGone,
    /// A check could not decide.
    GuardrailUnavailable,
    /// The outcome could not be recorded in time; the end of the answer was not released.
    AuditUnavailable,
    /// A bound of our own was reached.
    Overloaded,
    /// The request's writer vanished without saying how it ended.
    Abandoned,
    /// The process ended before it could say.
    UnknownCrash,
    /// The gateway was shut down first.
    Shutdown,
}

impl OutcomeStatus {
    /// The word in entries.
    pub const fn as_str(self) -> &'static str {
        match self {
            OutcomeStatus::Completed => "completed",
            OutcomeStatus::Blocked => "blocked",
            OutcomeStatus::UpstreamError => "upstream_error",
            OutcomeStatus::UpstreamTimeout => "upstream_timeout",
            OutcomeStatus::UpstreamIncomplete => "upstream_incomplete",
            OutcomeStatus::UpstreamAuth => "upstream_auth",
            OutcomeStatus::ClientGone => "client_gone",
            OutcomeStatus::GuardrailUnavailable => "guardrail_unavailable",
            OutcomeStatus::AuditUnavailable => "audit_unavailable",
            OutcomeStatus::Overloaded => "overloaded",
            OutcomeStatus::Abandoned => "abandoned",
            OutcomeStatus::UnknownCrash => "unknown_crash",
            OutcomeStatus::Shutdown => "shutdown",
        }
    }
}

/// Token counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Prompt tokens.
    pub input: u64,
    /// Completion tokens.
    pub output: u64,
    /// Whether we estimated them (an upper bound) rather than were told.
    pub estimated: bool,
}

/// How a request that reached a model ended. Durable before the end goes to the client.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The request.
    pub req: RequestId,
    /// Its intent's place in the log. [`crate::Pending::outcome`] writes the true one.
    pub intent: EntryIndex,
    /// How it ended.
    pub status: OutcomeStatus,
    /// The status sent downstream, 0 when none was.
    pub http: u16,
    /// The error code sent downstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Name>,
    /// Finish reasons, one per choice, at most [`FINISH_MAX`].
    pub finish: Vec<Name>,
    /// Token counts, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// What was checked on the answer.
    pub checks: Vec<Check>,
    /// Milliseconds from the request's first byte to this.
    pub ms_total: u32,
    /// Milliseconds to the first byte sent downstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms_first_byte: Option<u32>,
    /// The most bytes of answer text that the client can have seen: what was handed to its connection,
    /// which may have lost some of it.
    pub released_bytes: u64,
    /// Fields of the upstream's answer that nobody knows, and that were dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stripped: u32,
    /// Whether the upstream went on after its end mark.
    #[serde(default, skip_serializing_if = "is_false")]
    pub spoke_after_end: bool,
    /// The id that the upstream gave the request, for whoever asks its vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<KeyedDigest>,
}

/// Somebody else's words, to be compared and not to be read: HMAC-SHA-256 under the epoch's key, which
/// the officers have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyedDigest {
    /// The epoch.
    pub epoch: Tag,
    /// The digest.
    pub hmac: Digest,
}

impl Outcome {
    /// The outcome that says only how it ended.
    pub fn bare(req: RequestId, intent: EntryIndex, status: OutcomeStatus) -> Outcome {
        Outcome {
            req,
            intent,
            status,
            http: 0,
            code: None,
            finish: Vec::new(),
            tokens: None,
            checks: Vec::new(),
            ms_total: 0,
            ms_first_byte: None,
            released_bytes: 0,
            stripped: 0,
            spoke_after_end: false,
            vendor: None,
        }
    }
}

/// Whether a refusal was a decision or the want of one. They never share an entry type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RefusalKind {
    /// `req.deny`: decided, and the answer is no.
    #[default]
    Deny,
    /// `req.undecided`: could not decide.
    Undecided,
}

/// Refused before any model was asked. Durable before the refusal is sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Denied, or undecided: the entry's type.
    #[serde(skip)]
    pub kind: RefusalKind,
    /// The request.
    pub req: RequestId,
    /// What was asked.
    pub op: Op,
    /// From where.
    pub src: Source,
    /// By whom, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// The model as configured, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Name>,
    /// The status sent downstream.
    pub http: u16,
    /// The error code sent downstream.
    pub code: Name,
    /// The pipeline stage that refused.
    pub stage: Name,
    /// What was decisive for a denial of access: `assurance`, `label_above_clearance`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Name>,
    /// The rule that refused, or that came nearest to permitting, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// The registered purpose of use for which access was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Name>,
    /// The data label for which access was denied, if all its tags are registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Name>,
    /// The authority record that would have permitted it, and has run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Name>,
    /// What was checked.
    pub checks: Vec<Check>,
    /// How many unknown keys were dropped.
    pub dropped: u32,
}

/// Answered by the gateway itself, without a model: a list of models, a moderation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// The request.
    pub req: RequestId,
    /// What was asked.
    pub op: Op,
    /// From where.
    pub src: Source,
    /// By whom.
    pub who: Who,
    /// Digest of the policy bundle that decided what may be shown.
    pub policy: Digest,
    /// The status sent downstream.
    pub http: u16,
    /// How many items were shown. (`n` is in the envelope, and no object says a key twice.)
    #[serde(rename = "shown")]
    pub n: u32,
    /// What was said about texts that went nowhere, if that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged>,
}

/// A judgement that was the answer itself: a moderation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// What was asked for, as rules call it.
    pub model: Name,
    /// The rule that permitted it, and the profile under which it was judged.
    pub policy: PolicyRef,
    /// The label of the data.
    pub label: Name,
    /// What was checked.
    pub checks: Vec<Check>,
    /// How many unknown keys were dropped.
    pub dropped: u32,
}

/// What the gateway reports of itself, through [`crate::Log::record`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// `start`: the gateway began to serve.
    Start(Start),
    /// `policy.load`: a bundle is in force from here on.
    PolicyLoad(PolicyLoad),
    /// `policy.rejected`: a reload failed and the old bundle stays.
    PolicyRejected(PolicyRejected),
    /// `guard.load`: a detector is in force from here on.
    GuardLoad(GuardLoad),
    /// `library.load`: a native library was loaded.
    LibraryLoad(LibraryLoad),
    /// `conn.summary`: connections that never became a request.
    ConnSummary(ConnSummary),
    /// `shard.next`: another log goes on from here.
    ShardNext(ShardNext),
    /// `shard.closed`: the log before this one has ended, and this is all of it.
    ShardClosed(Quote),
    /// `review`: somebody looked at what an entry is about.
    Review(Review),
    /// `hold`: a stretch of the log must be kept.
    Hold(Hold),
    /// `export`: a part of the log was handed out.
    Export(Export),
}

/// The gateway began to serve.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The program's version.
    pub version: Name,
    /// Digest of the configuration file.
    pub config: Digest,
}

/// A policy bundle came into force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyLoad {
    /// The bundle's registered name.
    pub bundle: Name,
    /// Its digest.
    pub digest: Digest,
    /// How many rules it holds.
    pub rules: u32,
}

/// A policy reload failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRejected {
    /// Digest of the bundle that stays in force.
    pub kept: Digest,
    /// How many problems the new one had.
    pub problems: u32,
}

/// A detector came into force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardLoad {
    /// Its registered name.
    pub detector: Name,
    /// Its major version.
    pub version: u32,
    /// Digest of its model or rules.
    pub digest: Digest,
}

/// A native library was loaded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LibraryLoad {
    /// Its registered name.
    pub library: Name,
    /// Digest of the file, as checked before loading.
    pub digest: Digest,
}

/// Connections of one kind that ended below the first request head.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnSummary {
    /// The listener's configured name.
    pub listener: Name,
    /// Why they ended: `tls_handshake`, `header_timeout`, `pre_auth_limit`.
    pub reason: Name,
    /// The network they came from.
    pub prefix: IpAddr,
    /// How many leading bits of it count.
    pub bits: u8,
    /// How many connections.
    pub count: u64,
    /// Over how many seconds.
    pub seconds: u32,
}

/// The log was opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// The log's origin.
    pub origin: Name,
    /// The version of this format.
    pub format: u32,
    /// The tree size found.
    pub found: u64,
    /// Whether it had been closed in order.
    pub clean: bool,
    /// Bytes after the last commit that were dropped: never acknowledged to anybody.
    pub torn_bytes: u64,
    /// Intents without an outcome; each gets `unknown_crash`.
    pub open: u32,
    /// The log that this one goes on from, as it stood; said once, by the first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Quote>,
}

/// Another log at some moment: what a checkpoint of it says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// Its name.
    pub origin: Name,
    /// How many entries.
    pub size: u64,
    /// The root hash of them.
    pub root: Digest,
}

/// The log that goes on from this one, and the key that will sign it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardNext {
    /// Its name.
    pub origin: Name,
    /// Its Ed25519 public key.
    pub key: Digest,
}

/// A new epoch key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// The epoch.
    pub epoch: Tag,
    /// Digest of its file under `keyring/`.
    pub keyring: Digest,
    /// Digests of the certificates that it is sealed to; the one to recover with comes first.
    pub recipients: Vec<Digest>,
}

/// An epoch key in another keyring file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewrap {
    /// The epoch.
    pub epoch: Tag,
    /// Digest of the new file under `keyring/`, whose name ends in the first 16 digits of it.
    pub keyring: Digest,
    /// Digests of the certificates that it is sealed to; the one to recover with comes first.
    pub recipients: Vec<Digest>,
}

/// Why requests are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No space is left for an intent and its outcome.
    Full,
    /// A write or a flush failed.
    Failed,
    /// Writes do not return.
    Stalled,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Full => "full",
            Reason::Failed => "failed",
            Reason::Stalled => "stalled",
        })
    }
}

/// Requests are being refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Degraded {
    /// Why.
    pub reason: Reason,
}

/// Recording works again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// Why it had not.
    pub reason: Reason,
    /// Since when, unix nanoseconds.
    pub since: u64,
    /// How many requests were refused meanwhile for want of a record.
    pub refused: u64,
    /// How many outcomes had to wait; they are entries of their own.
    pub owed: u32,
}

/// An outcome, a refusal or an answer of the gateway's own became durable too late: its writer had
/// given up, and what it speaks of was not released.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Late {
    /// The request.
    pub req: RequestId,
    /// The entry's place in the log.
    pub outcome: EntryIndex,
}

/// An entry that says everything by its type and time.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Which way a body went.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What went (or would have gone) upstream.
    Request,
    /// What went (or would have gone) downstream.
    Response,
}

impl Direction {
    /// The word in entries and in the sealing's associated data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Direction::Request => "request",
            Direction::Response => "response",
        }
    }
}

/// A sealed body that belongs to an entry. Written by the log itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyRef {
    /// Which way it went.
    pub dir: Direction,
    /// The epoch whose key opens it.
    pub epoch: Tag,
    /// SHA-256 of a sealed salt and the document: proves the text without revealing it.
    pub commit: Digest,
    /// SHA-256 of the sealed bytes.
    pub ct: Digest,
    /// The content volume that holds them.
    pub vol: u32,
    /// The byte offset there.
    pub at: u64,
    /// How many sealed bytes.
    pub len: u64,
    /// SHA-256 of the same salt and the texts as they were, where something in them was masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Digest>,
}

/// A body that could not be kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Omitted {
    /// Which way it went.
    pub dir: Direction,
    /// How many bytes of plaintext it had.
    pub bytes: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}
