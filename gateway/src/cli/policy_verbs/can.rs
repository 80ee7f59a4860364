//! `portcullis policy can` and `who`: what may somebody do, and who may do it?
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use policy::{Action, Label, Nationality, Policy, Reach, Subject};
use serde_json::{Value, json};

use super::{Circumstances, Common};
use crate::cli::Output;

/// List what somebody may do: under which rule, for which purposes, in which zones, with data up to which label.
/// Exit code 1 if it is nothing
#[derive(Args)]
pub(crate) struct CanOptions {
    #[command(flatten)]
    common: Common,
    /// Who, such as svc:benefits-app, or all below a name that has a record, such as oidc:agency:*
    sub: String,
    /// With this model or tool only: model/NAME or tool/NAME
    obj: Option<String>,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    circumstances: Circumstances,
}

/// List who may use a model or tool, and how. Exit code 1 if nobody may
#[derive(Args)]
pub(crate) struct WhoOptions {
    #[command(flatten)]
    common: Common,
    /// What: model/NAME or tool/NAME
    obj: String,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    circumstances: Circumstances,
}

/// What must be permitted to be listed.
#[derive(Args)]
struct Wish {
    /// For this: chat, complete, embed, moderate or tool
    #[arg(long)]
    act: Option<Action>,
    /// For this purpose
    #[arg(long)]
    purp: Option<String>,
    /// With data of this label
    #[arg(long, value_parser = super::label)]
    data: Option<Label>,
    /// In this zone
    #[arg(long)]
    zone: Option<String>,
}

pub(crate) fn can(options: &CanOptions) -> ExitCode {
    let policy = match options.common.load() {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    let known = options
        .obj
        .as_deref()
        .map_or(Ok(()), |object| check_object(&policy, object));
    let subjects = known.and_then(|()| asked_about(&policy, options));
    let subjects = match subjects {
        Ok(subjects) => subjects,
        Err(code) => return code,
    };
    let mut any = false;
    for subject in &subjects {
        any |= show(&policy, subject, options);
    }
    found(any)
}

/// Whom the command names: somebody, or everybody below `oidc:agency:*`, who may be in several tenants.
fn asked_about(policy: &Policy, options: &CanOptions) -> Result<Vec<Subject>, ExitCode> {
    let (name, circumstances) = (&options.sub, &options.circumstances);
    let everybody = policy
        .principals()
        .any(|known| known == name && known.ends_with('*'));
    if !everybody {
        return Ok(vec![circumstances.subject(policy, name)?]);
    }
    let most = policy.at_most(name, circumstances.at()).into_iter();
    Ok(most.map(|subject| circumstances.capped(subject)).collect())
}

/// Prints what one subject may do; whether it is anything.
fn show(policy: &Policy, subject: &Subject, options: &CanOptions) -> bool {
    let object = options.obj.as_deref();
    let reach = reach(
        policy,
        subject,
        &options.circumstances,
        &options.wish,
        object,
    );
    match options.common.output {
        Output::Human => {
            println!("{}", heading(subject));
            print!("{}", table(&reach));
            for model in barred(policy, subject, &reach, options) {
                println!(
                    "  sees model/{model}, and may not do this with it: `policy explain` says why"
                );
            }
        }
        Output::Json => println!(
            "{}",
            json!({ "principal": subject.principal(), "tenant": subject.tenant(), "may": rows_json(&reach) })
        ),
    }
    !reach.is_empty()
}

/// `svc:app of a/b/c: clearance CUI, aal2`.
fn heading(subject: &Subject) -> String {
    let nationality = match subject.nationality() {
        Nationality::NotAsked => String::new(),
        nationality => format!(", nationality {nationality}"),
    };
    let most = match subject.principal().ends_with('*') {
        true => "at most ",
        false => "",
    };
    format!(
        "{} of {}: {most}clearance {}, {}{nationality}",
        subject.principal(),
        subject.tenant(),
        subject.clearance(),
        subject.assurance()
    )
}

pub(crate) fn who(options: &WhoOptions) -> ExitCode {
    let policy = match options.common.load() {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    if let Err(code) = check_object(&policy, &options.obj) {
        return code;
    }
    let mut any = false;
    let mut rows = Vec::new();
    for subject in policy.everybody(options.circumstances.at()) {
        let subject = options.circumstances.capped(subject);
        let principal = subject.principal();
        let wish = &options.wish;
        let object = Some(options.obj.as_str());
        let reach = reach(&policy, &subject, &options.circumstances, wish, object);
        if reach.is_empty() {
            continue;
        }
        any = true;
        match options.common.output {
            // Of everybody below a name there is more to say than the name.
            Output::Human if principal.ends_with('*') => {
                print!("{}\n{}", heading(&subject), table(&reach));
            }
            Output::Human => print!("{principal}\n{}", table(&reach)),
            Output::Json => rows.push(
                json!({ "principal": principal, "tenant": subject.tenant(), "may": rows_json(&reach) }),
            ),
        }
    }
    match options.common.output {
        Output::Json => println!("{}", json!({ "object": options.obj, "who": rows })),
        Output::Human if !any => println!("nobody"),
        Output::Human => {}
    }
    found(any)
}

/// What the subject may do, narrowed to the wish.
fn reach(
    policy: &Policy,
    subject: &Subject,
    circumstances: &Circumstances,
    wish: &Wish,
    object: Option<&str>,
) -> Vec<Reach> {
    let narrowed = |mut reach: Reach| {
        if let Some(act) = wish.act {
            reach.actions.retain(|action| *action == act);
        }
        if let Some(purp) = &wish.purp {
            reach.purposes.retain(|purpose| purpose == purp);
        }
        if let Some(wanted) = &wish.zone {
            reach.zones.retain(|zone| zone == wanted);
        }
        let data = wish.data.as_ref();
        let permitted = data.is_none_or(|data| {
            reach.ceiling.dominates(data)
                && !reach.except.iter().any(|(floor, _)| data.dominates(floor))
        });
        let empty = reach.actions.is_empty() || reach.purposes.is_empty() || reach.zones.is_empty();
        (permitted && !empty).then_some(reach)
    };
    policy
        .reach(subject, circumstances.at())
        .into_iter()
        .filter(|reach| object.is_none_or(|object| reach.object == object))
        .filter_map(narrowed)
        .collect()
}

/// Models that the subject sees and may not use.
fn barred<'p>(
    policy: &'p Policy,
    subject: &Subject,
    reach: &[Reach],
    options: &CanOptions,
) -> Vec<&'p str> {
    let used: BTreeSet<&str> = reach.iter().map(|reach| reach.object.as_str()).collect();
    let asked_for = |model: &str| {
        let object = format!("model/{model}");
        options.obj.as_ref().is_none_or(|asked| *asked == object) && !used.contains(object.as_str())
    };
    policy
        .models()
        .filter(|model| asked_for(model) && policy.visible(subject, model))
        .collect()
}

fn table(reach: &[Reach]) -> String {
    let mut text = String::new();
    for reach in reach {
        let except: String = reach
            .except
            .iter()
            .map(|(floor, rule)| format!(", but not from {floor} up ({})", rule.id()))
            .collect();
        text.push_str(&format!(
            "  {} {}\n      for {}\n      in {}, data up to {}{except}, profile {}\n      by {}\n",
            words(reach.actions.iter().map(|action| action.as_str())),
            reach.object,
            words(reach.purposes.iter().map(String::as_str)),
            words(reach.zones.iter().map(String::as_str)),
            reach.ceiling,
            reach.profile,
            reach.rule,
        ));
    }
    text
}

fn words<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

fn rows_json(reach: &[Reach]) -> Value {
    let row = |reach: &Reach| {
        let except: Vec<_> = reach
            .except
            .iter()
            .map(|(floor, rule)| json!({ "from": floor.to_string(), "rule": super::rule_json(rule) }))
            .collect();
        json!({
            "object": reach.object,
            "actions": reach.actions.iter().map(|action| action.as_str()).collect::<Vec<_>>(),
            "purposes": reach.purposes,
            "zones": reach.zones,
            "ceiling": reach.ceiling.to_string(),
            "except": except,
            "profile": reach.profile,
            "rule": super::rule_json(&reach.rule),
        })
    };
    reach.iter().map(row).collect()
}

/// Whether the bundle has the object; if not, says so.
fn check_object(policy: &Policy, object: &str) -> Result<(), ExitCode> {
    let known: Vec<String> = policy.objects().map(|known| known.to_string()).collect();
    if known.iter().any(|known| known == object) {
        return Ok(());
    }
    let near = gateway::problem::nearest(object, known.iter().map(String::as_str));
    let hint = near.map(|near| format!(" (did you mean `{near}`?)"));
    Err(super::no_such("attributes.toml names no", object, hint))
}

fn found(any: bool) -> ExitCode {
    match any {
        true => ExitCode::SUCCESS,
        false => {
            eprintln!("not permitted at that moment");
            ExitCode::from(1)
        }
    }
}
