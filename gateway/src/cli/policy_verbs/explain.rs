//! `portcullis policy explain`: why a request is permitted or refused, check by check and row by row.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use policy::{
    Action, Ask, CheckOutcome, Explanation, Label, Object, Policy, Refused, RowView, Subject,
};
use serde_json::{Value, json};

use super::{Circumstances, Common};
use crate::cli::Output;

mod entry;

/// Rows that do not match and are shown unless `--all` is given.
const ROWS_SHOWN: usize = 5;

/// Say why a request is permitted or refused: every check, every matching row, and each near miss with the columns that
/// do not fit. Exit code 1 if it is refused
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Who asks, such as svc:benefits-app
    #[arg(required_unless_present = "entry")]
    sub: Option<String>,
    /// What for: model/NAME or tool/NAME
    #[arg(required_unless_present = "entry", value_parser = object)]
    obj: Option<Target>,
    /// chat, complete, embed, moderate or tool; by default chat for a model and tool for a tool
    #[arg(long)]
    act: Option<Action>,
    /// The purpose that the caller selects; by default the subject's own
    #[arg(long)]
    purp: Option<String>,
    /// The label of the data
    #[arg(long, value_parser = super::label, default_value = "U")]
    data: Label,
    /// The zone it comes in by; may be left out where the bundle has only one
    #[arg(long)]
    zone: Option<String>,
    #[command(flatten)]
    circumstances: Circumstances,
    /// Explain a recorded request instead, by the id in its `x-request-id` header, under the bundle as it is now
    #[arg(long, value_name = "ID", requires = "log", conflicts_with_all = ["sub", "obj", "act", "purp", "zone"])]
    entry: Option<String>,
    /// The audit log that holds the entry
    #[arg(long, value_name = "DIR")]
    log: Option<std::path::PathBuf>,
    /// Show every row that does not match, not only the nearest
    #[arg(long)]
    all: bool,
}

/// A model or a tool.
#[derive(Debug, Clone)]
enum Target {
    Model(String),
    Tool(String),
}

/// A request, wherever it comes from.
struct Question {
    subject: Subject,
    target: Target,
    action: Action,
    purpose: Option<String>,
    data: Label,
    zone: String,
    at: policy::UnixTime,
    /// What is to be said about where it comes from.
    note: Option<String>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let policy = match options.common.load() {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    let claims = &options.circumstances.claims;
    let questions = match (&options.entry, &options.log) {
        (Some(id), Some(log)) => entry::questions(&policy, id, log, claims),
        _ => asked(options, &policy).map(|question| (question, None)),
    };
    let (question, user) = match questions {
        Ok(questions) => questions,
        Err(code) => return code,
    };
    let explain = |question: &Question| policy.explain(&question.subject, &question.ask());
    let explanation = explain(&question);
    let user = user.map(|user| (explain(&user), user));
    match options.common.output {
        Output::Human => {
            print!("{}", human(options, &policy, &question, &explanation));
            if let Some((explanation, user)) = &user {
                print!("\n{}", human(options, &policy, user, explanation));
            }
        }
        Output::Json => {
            let mut json = as_json(&policy, &question, &explanation);
            if let (Value::Object(json), Some((explanation, user))) = (&mut json, &user) {
                json.insert("user".into(), as_json(&policy, user, explanation));
            }
            println!("{json}");
        }
    }
    let permitted = |explanation: &Explanation| explanation.answer.is_ok();
    match permitted(&explanation) && user.is_none_or(|(explanation, _)| permitted(&explanation)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    }
}

/// The request on the command line.
fn asked(options: &Options, policy: &Policy) -> Result<Question, ExitCode> {
    let principal = options.sub.as_deref().unwrap_or_default();
    let subject = options.circumstances.subject(policy, principal)?;
    let Some(target) = options.obj.clone() else {
        return Err(ExitCode::from(2)); // clap asks for it
    };
    let default = match target {
        Target::Model(_) => Action::Chat,
        Target::Tool(_) => Action::Tool,
    };
    Ok(Question {
        subject,
        target,
        action: options.act.unwrap_or(default),
        purpose: options.purp.clone(),
        data: options.data.clone(),
        zone: zone(options, policy)?,
        at: options.circumstances.at(),
        note: None,
    })
}

fn zone(options: &Options, policy: &Policy) -> Result<String, ExitCode> {
    let zones: Vec<&str> = policy.zones().collect();
    match (&options.zone, zones.as_slice()) {
        (Some(zone), _) => Ok(zone.clone()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, several) => {
            eprintln!("error: name the zone, `--zone` {}", several.join(", "));
            Err(ExitCode::from(2))
        }
    }
}

impl Question {
    fn ask(&self) -> Ask<'_> {
        Ask {
            object: match &self.target {
                Target::Model(name) => Object::Model(name),
                Target::Tool(name) => Object::Tool(name),
            },
            action: self.action,
            purpose: self.purpose.as_deref(),
            data: &self.data,
            zone: &self.zone,
            at: self.at,
        }
    }
}

/// `permit by BA-101 … under civ-standard`, `deny: assurance …`.
fn verdict(explanation: &Explanation) -> String {
    match &explanation.answer {
        Ok(permit) => {
            let authority = permit.authority();
            let authority = authority.map_or_else(String::new, |id| format!(", on {id}"));
            let (rule, profile) = (permit.rule(), permit.profile());
            format!("permit by {rule} under {profile}{authority}")
        }
        Err(Refused::Denied(denied)) => {
            let cited = match (&denied.rule, &denied.authority) {
                (Some(rule), _) if denied.by_rule() => format!(" by {rule}"),
                (Some(rule), _) => format!("; nearest is {rule}"),
                (None, Some(record)) => format!(": {record} has run out"),
                (None, None) => String::new(),
            };
            format!("deny: {}{cited}", denied.reason.code())
        }
        Err(Refused::Hidden) => "hidden: to this subject the model does not exist (404)".to_owned(),
        Err(Refused::Undecided(fault)) => format!("undecided: {fault} (503, never a permit)"),
    }
}

fn human(
    options: &Options,
    policy: &Policy,
    question: &Question,
    explanation: &Explanation,
) -> String {
    let mut text = format!("{}\n\n", verdict(explanation));
    // Writing into a string does not fail.
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}");
    };
    let subject = &question.subject;
    if let Some(note) = &question.note {
        line(format_args!("  {note}"));
    }
    line(format_args!(
        "  {} of {}: clearance {}, {}, {}",
        subject.principal(),
        subject.tenant(),
        subject.clearance(),
        subject.assurance(),
        match subject.roles() {
            [] => "no role".to_owned(),
            roles => roles.join(" "),
        }
    ));
    let ask = question.ask();
    let at = Timestamp::from_second(question.at.0).unwrap_or(Timestamp::UNIX_EPOCH);
    line(format_args!(
        "  asks to {} {} for {}, data {}, zone {}, {at}",
        ask.action, ask.object, explanation.purpose, ask.data, ask.zone
    ));
    line(format_args!(
        "  of {} revision {}, digest {}",
        policy.id(),
        policy.revision(),
        policy.short_digest()
    ));
    line(format_args!("\nchecks, each of which can only refuse"));
    for check in &explanation.checks {
        let mark = match check.outcome {
            CheckOutcome::Passed => "ok",
            CheckOutcome::Refused => "NO",
            CheckOutcome::NotAsked => "-",
        };
        line(format_args!(
            "  {mark:<3} {:<11} {}",
            check.name, check.detail
        ));
    }
    let about = format!("`{}` and `{}`", subject.tenant(), ask.action);
    let Some(section) = &explanation.section else {
        line(format_args!("\nno row speaks about {about}"));
        return text;
    };
    line(format_args!(
        "\nsection {}: {} rows speak about {about}",
        section.number, section.rows
    ));
    for row in &section.matched {
        line(format_args!("  match {}", row_text(row)));
    }
    let shown = if options.all {
        section.missed.len()
    } else {
        ROWS_SHOWN
    };
    for row in section.missed.iter().take(shown) {
        line(format_args!("  miss  {}", row_text(row)));
        for miss in &row.misses {
            line(format_args!(
                "        {:<6} wants {}, has {}",
                miss.column.as_str(),
                miss.wants,
                miss.has
            ));
        }
    }
    let rest = section.missed.len().saturating_sub(shown);
    if rest > 0 {
        line(format_args!("  and {rest} that are farther off (--all)"));
    }
    text
}

fn row_text(row: &RowView) -> String {
    let effect = match &row.profile {
        Some(profile) => format!("allow under {profile}"),
        None => "deny".to_owned(),
    };
    format!("{}  {effect}", row.rule)
}

fn as_json(policy: &Policy, question: &Question, explanation: &Explanation) -> Value {
    let row = |row: &RowView| {
        let misses: Vec<_> = row
            .misses
            .iter()
            .map(|miss| json!({ "column": miss.column.as_str(), "wants": miss.wants, "has": miss.has }))
            .collect();
        json!({
            "rule": super::rule_json(&row.rule),
            "effect": if row.profile.is_some() { "allow" } else { "deny" },
            "profile": row.profile,
            "misses": misses,
        })
    };
    let check = |check: &policy::Check| {
        let outcome = match check.outcome {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Refused => "refused",
            CheckOutcome::NotAsked => "not_asked",
        };
        json!({ "check": check.name, "outcome": outcome, "detail": check.detail })
    };
    let (verdict, reason, rules, profile, authority) = match &explanation.answer {
        Ok(permit) => (
            "permit",
            None,
            permit.rules().iter().map(super::rule_json).collect(),
            Some(permit.profile()),
            permit.authority(),
        ),
        Err(Refused::Denied(denied)) => (
            "deny",
            Some(denied.reason.code()),
            denied.rule.iter().map(super::rule_json).collect(),
            None,
            denied.authority.as_deref(),
        ),
        Err(Refused::Hidden) => ("hidden", None, Vec::new(), None, None),
        Err(Refused::Undecided(fault)) => (
            "undecided",
            Some(fault.reason.code()),
            Vec::new(),
            None,
            None,
        ),
    };
    let (subject, ask) = (&question.subject, question.ask());
    let section = explanation.section.as_ref();
    json!({
        "verdict": verdict,
        "reason": reason,
        "rules": rules,
        "profile": profile,
        "authority": authority,
        "subject": {
            "principal": subject.principal(),
            "tenant": subject.tenant(),
            "clearance": subject.clearance().to_string(),
            "assurance": subject.assurance().to_string(),
            "roles": subject.roles(),
        },
        "request": {
            "object": ask.object.to_string(),
            "action": ask.action.as_str(),
            "purpose": explanation.purpose,
            "data": ask.data.to_string(),
            "zone": ask.zone,
            "at": question.at.0,
        },
        "policy": { "id": policy.id(), "revision": policy.revision(), "digest": policy.digest() },
        "note": question.note,
        "checks": explanation.checks.iter().map(check).collect::<Vec<_>>(),
        "section": section.map(|section| json!({
            "number": section.number,
            "rows": section.rows,
            "matched": section.matched.iter().map(row).collect::<Vec<_>>(),
            "missed": section.missed.iter().map(row).collect::<Vec<_>>(),
        })),
    })
}

fn object(text: &str) -> Result<Target, String> {
    match text.split_once('/') {
        Some(("model", name)) if !name.is_empty() => Ok(Target::Model(name.to_owned())),
        Some(("tool", name)) if !name.is_empty() => Ok(Target::Tool(name.to_owned())),
        _ => Err("write model/NAME or tool/NAME".to_owned()),
    }
}
