//! From the words of the other crates into the words of the log. Here, once: the four leaves do not know each other.

use audit::{
    Check, CredentialKind, FieldPath, FieldPattern, Hit, LabelScore, Name, OutcomeStatus,
    PolicyRef, Tokens, Verdict, Who,
};
use backends::{Failure, Usage};
use guardrails::{Finding, Report};
use policy::{Denied, Permit, RuleRef};

use crate::pipeline::authenticate::{Caller, Credential};
use crate::pipeline::release::Piece;
use crate::refusal::Refusal;

pub(super) fn who(caller: &Caller) -> Option<Who> {
    let credential = match caller.credential {
        Credential::ApiKey => CredentialKind::ApiKey,
        Credential::Token => CredentialKind::Token,
        Credential::Certificate => CredentialKind::ClientCertificate,
        Credential::Both => CredentialKind::Both,
    };
    Some(Who {
        principal: Name::new(caller.subject.principal())?,
        tenant: Name::new(caller.subject.tenant())?,
        credential,
        on_behalf_of: match &caller.user {
            Some(user) => Some(Name::new(user.principal())?),
            None => None,
        },
    })
}

/// The rule that permits, with all that it rests on.
pub(super) fn permitted(permit: &Permit) -> Option<PolicyRef> {
    Some(PolicyRef {
        profile: Name::new(permit.profile())?,
        purpose: Name::new(permit.purpose()),
        authority: permit.authority().and_then(Name::new),
        ..policy_ref(permit.policy_digest(), permit.rule())?
    })
}

/// The deny row that matched, or the allow row that came nearest.
pub(super) fn denied(digest: &str, denied: &Denied) -> Option<PolicyRef> {
    let rule = denied.rule.as_ref()?;
    Some(PolicyRef {
        nearest: !denied.by_rule(),
        ..policy_ref(digest, rule)?
    })
}

fn policy_ref(digest: &str, rule: &RuleRef) -> Option<PolicyRef> {
    Some(PolicyRef {
        digest: audit::Digest::parse(digest)?,
        rule: Name::new(rule.id())?,
        file: Name::new(&rule.file().to_string_lossy())?,
        line: rule.line(),
        profile: Name::literal("-"),
        purpose: None,
        authority: None,
        nearest: false,
    })
}

/// What ran, and only that, as entries list it: detectors that read the same in one pass, and found nothing, together.
pub(super) fn checks(report: &Report) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for check in report.checks.iter().filter_map(check) {
        let alike = checks.iter_mut().find(|other| are_alike(other, &check));
        match alike {
            Some(other) => {
                other.us = other.us.max(check.us);
                other.detectors.extend(check.detectors);
            }
            None => checks.push(check),
        }
    }
    checks
}

fn are_alike(one: &Check, other: &Check) -> bool {
    let found_nothing = |check: &Check| {
        let nothing = check.hits.is_empty() && check.more == 0 && check.scores.is_empty();
        nothing && (check.verdict, check.action) == (Verdict::Pass, audit::Action::Allow)
    };
    found_nothing(one)
        && found_nothing(other)
        && (one.stage, one.strict, one.bytes, &one.fields)
            == (other.stage, other.strict, other.bytes, &other.fields)
        && one.detectors.len() < audit::entry::DETECTORS_MAX
}

fn check(check: &guardrails::Check) -> Option<Check> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut more = check.truncated_findings;
    for finding in check.findings.iter().filter(|f| f.score >= f.threshold) {
        match hit(finding) {
            Some(new) => match hits.iter_mut().find(|known| are_same(known, &new)) {
                Some(same) => same.n += 1,
                None => hits.push(new),
            },
            None => more += 1,
        }
    }
    let strongest = check
        .findings
        .iter()
        .map(|f| f.action)
        .max()
        .unwrap_or(guardrails::Action::Allow);
    let verdict = match (hits.is_empty() && more == 0, strongest) {
        (true, _) => Verdict::Pass,
        (false, guardrails::Action::Allow | guardrails::Action::Flag) => Verdict::Flag,
        (false, guardrails::Action::Redact | guardrails::Action::Block) => Verdict::Block,
    };
    Some(Check {
        detectors: vec![Name::new(&format!("{}@{}", check.detector, check.version))?],
        stage: match check.stage {
            guardrails::Stage::Prompt => audit::Stage::Prompt,
            guardrails::Stage::Answer => audit::Stage::Answer,
        },
        strict: check.strict,
        fields: fields(&check.fields),
        bytes: check.bytes,
        us: check.micros,
        verdict,
        action: action(strongest),
        hits,
        more,
        scores: check.scores.iter().filter_map(score).collect(),
    })
}

fn score(score: &guardrails::LabelScore) -> Option<LabelScore> {
    Some(LabelScore {
        label: Name::new(&score.label)?,
        rule: Name::new(&score.rule)?,
        score: score.score.ten_thousandths(),
        threshold: score.threshold.ten_thousandths(),
    })
}

/// How often each contract field was read.
fn fields(fields: &[(String, u32)]) -> Vec<(FieldPattern, u32)> {
    let of_contract = |(field, n): &(String, u32)| Some((FieldPattern::new(field)?, *n));
    fields.iter().filter_map(of_contract).collect()
}

fn hit(finding: &Finding) -> Option<Hit> {
    Some(Hit {
        path: FieldPath::new(&finding.path)?,
        label: Name::new(&finding.label)?,
        rule: Some(Name::new(&finding.rule)?),
        score: finding.score.ten_thousandths(),
        threshold: finding.threshold.ten_thousandths(),
        action: action(finding.action),
        would: (finding.written > finding.action).then(|| action(finding.written)),
        n: 1,
    })
}

/// Whether two hits differ in how often alone.
fn are_same(one: &Hit, other: &Hit) -> bool {
    (&one.path, &one.label, &one.rule, one.action)
        == (&other.path, &other.label, &other.rule, other.action)
}

fn action(action: guardrails::Action) -> audit::Action {
    match action {
        guardrails::Action::Allow => audit::Action::Allow,
        guardrails::Action::Flag => audit::Action::Flag,
        guardrails::Action::Redact => audit::Action::Redact,
        guardrails::Action::Block => audit::Action::Block,
    }
}

pub(super) fn finish(pieces: &[Piece]) -> Vec<Name> {
    let reason = |piece: &Piece| match piece {
        Piece::Finish { reason, .. } => Name::new(reason.as_str()),
        _ => None,
    };
    pieces
        .iter()
        .filter_map(reason)
        .take(audit::FINISH_MAX)
        .collect()
}

pub(super) fn tokens(usage: Usage) -> Tokens {
    Tokens {
        input: usage.input,
        output: usage.output,
        estimated: usage.estimated,
    }
}

/// How an admitted request ended that was then refused.
pub(super) fn status(refusal: &Refusal) -> OutcomeStatus {
    match refusal {
        Refusal::Upstream(error) => match error.failure() {
            Failure::Timeout(_) => OutcomeStatus::UpstreamTimeout,
            Failure::Incomplete => OutcomeStatus::UpstreamIncomplete,
            Failure::Auth => OutcomeStatus::UpstreamAuth,
            _ => OutcomeStatus::UpstreamError,
        },
        Refusal::GuardrailUnavailable(..)
        | Refusal::IdentityUnavailable
        | Refusal::PolicyUnavailable
        | Refusal::ClearanceMismatch => OutcomeStatus::GuardrailUnavailable,
        Refusal::AuditUnavailable(_) => OutcomeStatus::AuditUnavailable,
        Refusal::Overloaded => OutcomeStatus::Overloaded,
        Refusal::ShuttingDown => OutcomeStatus::Shutdown,
        Refusal::Content(_) | Refusal::AccessDenied(_) => OutcomeStatus::Blocked,
        Refusal::Unauthenticated(_)
        | Refusal::ModelNotFound
        | Refusal::BadRequest(_)
        | Refusal::TooLarge { .. }
        | Refusal::SlowBody
        | Refusal::BrokenBody
        | Refusal::UnknownUrl
        | Refusal::DecisionNotFound
        | Refusal::MethodNotAllowed { .. }
        | Refusal::UnsupportedEncoding => OutcomeStatus::Abandoned,
    }
}

/// The metric's word for an outcome.
pub(super) fn status_word(status: OutcomeStatus) -> &'static str {
    match status {
        OutcomeStatus::Completed => "completed",
        OutcomeStatus::Blocked => "blocked",
        _ => "other",
    }
}

/// The stage that refused.
pub(super) fn stage(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownUrl | Refusal::DecisionNotFound | Refusal::MethodNotAllowed { .. } => {
            "route"
        }
        Refusal::Unauthenticated(_) | Refusal::IdentityUnavailable => "authenticate",
        Refusal::BadRequest(_)
        | Refusal::TooLarge { .. }
        | Refusal::SlowBody
        | Refusal::BrokenBody
        | Refusal::UnsupportedEncoding => "ingest",
        Refusal::AccessDenied(_) | Refusal::ModelNotFound | Refusal::PolicyUnavailable => {
            "authorize"
        }
        Refusal::Content(_) | Refusal::GuardrailUnavailable(..) => "screen",
        Refusal::ClearanceMismatch | Refusal::Overloaded | Refusal::AuditUnavailable(_) => "admit",
        Refusal::Upstream(_) => "forward",
        Refusal::ShuttingDown => "release",
    }
}
