//! `[audit]` and `[records]`: where decisions are recorded, how much of what was said is kept, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::section::Section;
use super::{Mode, name};

/// Where decisions are recorded.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Folder of the log.
    pub dir: PathBuf,
    /// The log's name in its checkpoints, such as `gw1.agency.example/audit`.
    pub origin: String,
    /// File of the key that signs checkpoints.
    pub signing_key: PathBuf,
    /// Files of the officers' certificates, PEM: who can open bodies.
    pub officers: Vec<PathBuf>,
    /// File of the certificate that bodies are sealed to as well, for when no officer can open them.
    pub recovery: PathBuf,
    /// Bytes of one write-ahead segment.
    pub segment_bytes: u64,
    /// A commit that takes longer refuses traffic.
    pub commit_timeout: Duration,
    /// How much of what was said is kept, where no route says otherwise.
    pub level: AuditLevel,
    /// The routes that say otherwise.
    pub levels: Vec<(audit::Op, AuditLevel)>,
}

/// How much of what was said is kept, sealed to the officers. Each keeps what the one before keeps. Entries are the
/// same at every level: who asked, what was decided, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuditLevel {
    /// Nothing.
    Metadata,
    /// What went upstream, after redaction.
    Request,
    /// What went downstream, after redaction, too.
    RequestResponse,
    /// Texts as they were before redaction, and those that were refused or held back, too. Below, those that were masked
    /// or that a content rule refused are committed to and not kept.
    Full,
}

/// How long records must be kept, and who says so. Nothing is destroyed without a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The records schedule: `GRS 5.2 item 020`. `None` for "unscheduled": everything is kept.
    pub schedule: Option<String>,
    /// The office that answers for the records.
    pub owner: String,
}

impl AuditConfig {
    /// How much of what is said on a route is kept.
    pub fn level(&self, op: audit::Op) -> AuditLevel {
        let own = self.levels.iter().find(|(of, _)| *of == op);
        own.map_or(self.level, |(_, level)| *level)
    }

    /// The longest body of a request that can always be recorded. What is recorded of it can be twice as long as it was
    /// (escapes), with the texts before redaction four times; it must fit into half a segment, or it would be refused
    /// for ever, for want of a record.
    pub fn recordable(&self) -> u64 {
        let levels = self.levels.iter().map(|(_, level)| *level);
        match levels.chain([self.level]).max() {
            Some(AuditLevel::Full) => self.segment_bytes / 8,
            _ => self.segment_bytes / 4,
        }
    }
}

/// 16 MiB hold some 8,000 requests with their bodies.
pub(super) const SEGMENT_BYTES: u64 = 16 << 20;

pub(super) fn audit(mut s: Section<'_>) -> Option<AuditConfig> {
    let dir = s.required_path("dir");
    let origin = s
        .required("origin")
        .and_then(|value| name(s.source(), value, "a log's name"));
    let signing_key = s.required_path("signing_key");
    let written = s.strings("officers");
    if written.is_empty() && !s.has_problem_at("officers") {
        s.report(
            "`audit.officers` is missing: nobody could read what is recorded",
            Some(
                "write `officers = [\"certs/officer.pem\"]`, the certificates of those who may"
                    .into(),
            ),
        );
    }
    let officers = written.into_iter().map(|v| s.source().resolve(&v.value));
    let officers = officers.collect();
    let recovery = s.path_to("recovery");
    if recovery.is_none() && !s.has_problem_at("recovery") {
        s.report(
            "`audit.recovery` is missing: what is recorded would be lost with the officers' keys",
            Some("write `recovery = \"certs/recovery.pem\"`, a certificate whose key is kept in a safe".into()),
        );
    }
    // Below 256 KiB no body fits its reservation.
    let segment_bytes = s.number("segment_bytes", SEGMENT_BYTES, 256 << 10..=1 << 30);
    // A healthy disk flushes in milliseconds; two seconds mean that it does not work.
    let commit_timeout = Duration::from_millis(s.number("commit_timeout_ms", 2000, 250..=60_000));
    let level = level(&mut s, "level", AuditLevel::RequestResponse);
    let mut of_routes = s.section("levels");
    let levels = ROUTES.map(|(route, op)| (op, self::level(&mut of_routes, route, level)));
    of_routes.finish();
    s.finish();
    Some(AuditConfig {
        dir: dir?.value,
        origin: origin?,
        signing_key: signing_key?.value,
        officers,
        recovery: recovery?.value,
        segment_bytes,
        commit_timeout,
        level,
        levels: levels.to_vec(),
    })
}

/// The routes on which something is said.
const ROUTES: [(&str, audit::Op); 10] = [
    ("chat_completions", audit::Op::ChatCompletions),
    ("completions", audit::Op::Completions),
    ("responses", audit::Op::Responses),
    ("messages", audit::Op::Messages),
    ("count_tokens", audit::Op::CountTokens),
    ("embeddings", audit::Op::Embeddings),
    ("moderations", audit::Op::Moderations),
    ("models", audit::Op::Models),
    ("model", audit::Op::Model),
    ("decisions", audit::Op::Decisions),
];

fn level(s: &mut Section<'_>, key: &'static str, default: AuditLevel) -> AuditLevel {
    let words = [
        ("metadata", AuditLevel::Metadata),
        ("request", AuditLevel::Request),
        ("request_response", AuditLevel::RequestResponse),
        ("full", AuditLevel::Full),
    ];
    s.choice_or(key, &words, default)
}

/// Production says how long records must be kept: or says that nobody has said so.
pub(super) fn records(root: &mut Section<'_>, mode: Option<Mode>) -> Option<Records> {
    let Some(mut s) = root.optional_section("records") else {
        if mode == Some(Mode::Production) {
            root.report(
                "`[records]` is missing: production says how long its records must be kept, and who answers for them",
                Some("write `[records]`, `schedule = \"GRS 5.2 item 020\"` (or \"unscheduled\": keep everything) and `owner = \"…\"`".into()),
            );
        }
        return None;
    };
    let schedule = s.required("schedule");
    let owner = s.required("owner");
    s.finish();
    let schedule = schedule?.value;
    Some(Records {
        schedule: (schedule != "unscheduled").then_some(schedule),
        owner: owner?.value,
    })
}
