//! `baseline/tests.toml`, `tenants/<name>/tests.toml`: what the bundle's authors expect it to say.
//!
//! ```toml
//! at = 2026-11-23T15:00:00Z              # the moment of every case that names none
//!
//! [[case]]
//! name = "the application drafts with the general model"
//! request = { sub = "svc:benefits-app", obj = "model/llama-3.3-70b", act = "chat", data = "CUI", zone = "demo" }
//! expect = { verdict = "allow", because = ["BA-101"], profile = "civ-standard" }
//!
//! [[case]]
//! name = "a model decides on nothing"
//! request = { sub = "svc:benefits-app", obj = "model/llama-3.3-70b", act = "chat", purp = "benefits.decide", zone = "demo" }
//! expect = { verdict = "deny", because = ["BA-190"] }
//! ```
//!
//! `purp` is by default the subject's own, `data` is `U`, `aal` what the identity may have at most;
//! `claims = { clearance = "S" }` come with somebody's token.
//! A case may ask for a model or a purpose that does not exist: that, too, has an answer. Whom it
//! names, where, and by which rule must exist.

use std::collections::BTreeSet;

use super::{
    Records,
    fields::{Fields, Place, Text},
    files::Files,
};
use crate::{
    cases::{Case, Expected, Verdict},
    decision::{DenyReason, Target},
    label::Label,
    problem::Problems,
    rule::Action,
    subject::Assurance,
    time::UnixTime,
};

/// Reads every `tests.toml`, the baseline's first.
pub(super) fn read(
    files: &Files,
    records: &Records,
    ids: Option<&BTreeSet<String>>,
    problems: &Problems,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for (_, source) in files.named("tests.toml") {
        let place = Place { source, problems };
        let Some(table) = place.parse() else {
            continue;
        };
        let parsed = (place, table);
        let mut fields = Fields::root(&parsed);
        // One that is wrong is reported once, and not by every case as well.
        let written = fields.has("at").then_some(UnixTime(0));
        let at = fields.moment("at").or(written);
        for mut fields in fields.list("case") {
            let reader = Reader {
                place,
                records,
                ids,
                at,
            };
            cases.extend(reader.case(&mut fields));
            fields.done();
        }
        fields.done();
    }
    cases
}

/// One `tests.toml` while it is read.
struct Reader<'a> {
    place: Place<'a>,
    records: &'a Records,
    /// Of every rule of the bundle, where all its files are there.
    ids: Option<&'a BTreeSet<String>>,
    /// The moment of a case that names none.
    at: Option<UnixTime>,
}

impl Reader<'_> {
    fn case(&self, fields: &mut Fields<'_>) -> Option<Case> {
        let line = self.place.source.line(fields.start());
        let name = fields.text("name");
        let request = fields.table("request", "{ sub = \"svc:…\", obj = \"model/…\", … }");
        let expect = fields.table("expect", "{ verdict = \"allow\", because = [\"…\"] }");
        let case = request.and_then(|mut request| {
            let case = self.request(&mut request);
            request.done();
            case
        });
        let expected = expect.and_then(|mut expect| {
            let expected = self.expect(&mut expect);
            expect.done();
            expected
        });
        Some(Case {
            name: name?.text.to_owned(),
            file: self.place.source.path.clone(),
            line,
            expected: expected?,
            ..case?
        })
    }

    fn request(&self, fields: &mut Fields<'_>) -> Option<Case> {
        let place = self.place;
        let identities = &self.records.identities;
        let principal = fields.text("sub").filter(|name| {
            let names = identities.records.keys().map(String::as_str);
            identities.record(name.text).is_some() || place.check_known("principal", name, names)
        });
        let claims = fields.named_texts("claims");
        let text =
            |(name, text): (Text<'_>, Text<'_>)| (name.text.to_owned(), text.text.to_owned());
        let object = fields.text("obj").and_then(|text| self.object(&text));
        let action = fields.text("act").and_then(|text| self.action(&text));
        let purpose = fields.optional_text("purp");
        let data = match fields.optional_text("data") {
            Some(text) => {
                let needs = &self.records.attributes.needs;
                place.label(&text, needs.iter().map(String::as_str))
            }
            None => Some(Label::unclassified()),
        };
        let zones = &self.records.attributes.zones;
        let zone = fields
            .text("zone")
            .filter(|name| place.check_known("zone", name, zones.keys().map(String::as_str)));
        let assurance = match fields.optional_text("aal") {
            Some(text) => Some(self.assurance(&text)?),
            None => None,
        };
        let at = fields.moment("at").or(self.at);
        if at.is_none() {
            fields.error(
                "no moment: what may be done depends on the time",
                "write `at = 2026-11-23T15:00:00Z` here, or once at the top of the file",
            );
        }
        Some(Case {
            principal: principal?.text.to_owned(),
            object: object?,
            action: action?,
            purpose: purpose.map(|text| text.text.to_owned()),
            data: data?,
            zone: zone?.text.to_owned(),
            assurance,
            claims: claims.into_iter().map(text).collect(),
            at: at?,
            ..Case::default()
        })
    }

    fn object(&self, text: &Text<'_>) -> Option<Target> {
        match text.text.split_once('/') {
            Some(("model", name)) if !name.is_empty() => Some(Target::Model(name.to_owned())),
            Some(("tool", name)) if !name.is_empty() => Some(Target::Tool(name.to_owned())),
            _ => {
                let attributes = &self.records.attributes;
                let models = attributes.models.keys().map(|name| format!("model/{name}"));
                let tools = attributes.tools.iter().map(|name| format!("tool/{name}"));
                let known: Vec<String> = models.chain(tools).collect();
                let hint = text.mean(known.iter().map(String::as_str));
                let hint = hint.or("write `model/name` or `tool/name`");
                let message = format!("`{}` is neither a model nor a tool", text.text);
                self.place.error(text.span(), message, hint);
                None
            }
        }
    }

    fn action(&self, text: &Text<'_>) -> Option<Action> {
        let known = Action::ALL.map(Action::as_str);
        self.place
            .check_known("action", text, known)
            .then_some(())?;
        text.text.parse().ok()
    }

    fn assurance(&self, text: &Text<'_>) -> Option<Assurance> {
        let known = ["aal1", "aal2", "aal3"];
        self.place
            .check_known("assurance", text, known)
            .then_some(())?;
        text.text.parse().ok()
    }

    fn expect(&self, fields: &mut Fields<'_>) -> Option<Expected> {
        let place = self.place;
        let verdict = fields.text("verdict");
        let because = fields.texts("because");
        let known = because.iter().filter(|id| self.is_rule(id)).count();
        let profiles = &self.records.manifest.profiles;
        let profile = fields
            .optional_text("profile")
            .filter(|name| place.check_known("profile", name, profiles.iter().map(AsRef::as_ref)));
        let reasons = DenyReason::ALL.map(DenyReason::code);
        let reason = fields
            .optional_text("reason")
            .filter(|name| place.check_known("reason", name, reasons));
        let verdict = self.verdict(&verdict?)?;
        for (key, misplaced) in [
            (&profile, verdict != Verdict::Allow),
            (&reason, verdict != Verdict::Deny),
        ] {
            if let Some(text) = key.as_ref().filter(|_| misplaced) {
                let message = format!("a case that expects `{verdict}` has none of these");
                place.error(text.span(), message, "remove it");
            }
        }
        (known == because.len()).then(|| Expected {
            verdict,
            because: match because.is_empty() {
                true => None,
                false => Some(because.into_iter().map(|id| id.text.to_owned()).collect()),
            },
            profile: profile.map(|text| text.text.to_owned()),
            reason: reason.map(|text| text.text.to_owned()),
        })
    }

    fn is_rule(&self, id: &Text<'_>) -> bool {
        let known = |ids: &BTreeSet<String>| {
            self.place
                .check_known("rule", id, ids.iter().map(String::as_str))
        };
        self.ids.is_none_or(known)
    }

    fn verdict(&self, text: &Text<'_>) -> Option<Verdict> {
        let found = Verdict::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == text.text);
        if found.is_none() {
            let hint = text
                .mean(Verdict::ALL.map(Verdict::as_str))
                .or("write `allow`, `deny` or `hidden`");
            let message = format!("unknown verdict `{}`", text.text);
            self.place.error(text.span(), message, hint);
        }
        found
    }
}
