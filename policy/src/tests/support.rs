//! Small bundles in memory.

use std::path::PathBuf;

use crate::*;

/// The demo bundle's access model.
pub(crate) const MODEL: &str = include_str!("../../../policies/model.conf");

/// A moment on a Monday in duty hours: 2026-11-23 15:00 UTC.
pub(crate) const NOW: UnixTime = UnixTime(1_795_446_000);

/// A bundle in memory, as text by path.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    files: Vec<(String, String)>,
}

impl Bundle {
    /// A bundle that loads: tenant `t/o/m` with `svc:app` (role:app, CUI, aal2, purposes `p.one`,
    /// `p.two`) and `svc:other` (no role); models `a`, `b`; zone `net` (ceiling S); window `duty`.
    pub(crate) fn small() -> Self {
        let texts = [
            ("model.conf", MODEL),
            ("bundle.toml", BUNDLE),
            ("attributes.toml", ATTRIBUTES),
            ("purposes.toml", PURPOSES),
            ("authorities.toml", ""),
            ("identities.toml", IDENTITIES),
            (
                "baseline/rules.csv",
                "p, B-900, role:suspended, *, *, *, *, U, *, aal1, *, -, deny\n",
            ),
            (
                "tenants/t-o/rules.csv",
                "p, R-1, role:app, t/o/m, model/a, chat, p.*, CUI, net, aal1, *, mild, allow\n",
            ),
            ("tenants/t-o/roles.csv", "g, svc:app, role:app, t/o/m\n"),
        ];
        Self {
            files: texts
                .map(|(path, text)| (path.to_owned(), text.to_owned()))
                .into(),
        }
    }

    /// A bundle of these texts by path.
    pub(crate) fn of(texts: impl Iterator<Item = (String, String)>) -> Self {
        Self {
            files: texts.collect(),
        }
    }

    /// The same bundle with one file's text set.
    pub(crate) fn with(mut self, path: &str, text: impl Into<String>) -> Self {
        self.files.retain(|(name, _)| name != path);
        self.files.push((path.to_owned(), text.into()));
        self
    }

    /// The same bundle with the rows of its only tenant.
    pub(crate) fn rules(self, rows: &str) -> Self {
        self.with("tenants/t-o/rules.csv", rows)
    }

    /// The same bundle with one text replaced in one file, where it must occur.
    pub(crate) fn replacing(self, path: &str, from: &str, to: &str) -> Self {
        let text = self.text(path).to_owned();
        assert!(text.contains(from), "{path} holds no {from:?}");
        self.with(path, text.replacen(from, to, 1))
    }

    /// The same bundle with a text added to one file.
    pub(crate) fn adding(self, path: &str, more: &str) -> Self {
        let text = format!("{}{more}", self.text(path));
        self.with(path, text)
    }

    pub(crate) fn without(mut self, path: &str) -> Self {
        self.files.retain(|(name, _)| name != path);
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, Vec<Problem>> {
        let files = self
            .files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), text.clone().into_bytes()));
        Policy::from_files(files.collect())
    }

    pub(crate) fn policy(&self) -> Policy {
        match self.load() {
            Ok(loaded) => loaded.policy,
            Err(problems) => panic!("{}", lines(&problems)),
        }
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        let file = self.files.iter().find(|(name, _)| name == path);
        file.map(|(_, text)| text.as_str())
            .expect("a file of the bundle")
    }
}

/// The problems, one a line.
pub(crate) fn lines(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A request for a model in zone `net`, unclassified, for the default purpose.
pub(crate) fn chat<'a>(model: &'a str, data: &'a Label) -> Ask<'a> {
    Ask {
        object: Object::Model(model),
        action: Action::Chat,
        purpose: None,
        data,
        zone: "net",
        at: NOW,
    }
}

/// What a policy says to `svc:app`, in short: the rule that permits, or the reason for the refusal.
pub(crate) fn verdict(policy: &Policy, principal: &str, ask: &Ask<'_>) -> String {
    let subject = policy
        .subject(principal, &Evidence::at(NOW))
        .expect("a known principal");
    summary(policy.authorize(&subject, ask))
}

/// `permit R-1 mild`, `rule B-1`, `assurance R-2`, `no_rule`, `hidden`, `undecided engine`.
pub(crate) fn summary(answer: Result<Permit, Refused>) -> String {
    match answer {
        Ok(permit) => format!("permit {} {}", permit.rule().id(), permit.profile()),
        Err(Refused::Denied(Denied {
            rule: Some(rule),
            reason,
            ..
        })) => format!("{} {}", reason.code(), rule.id()),
        Err(Refused::Denied(denied)) => denied.reason.code().to_owned(),
        Err(Refused::Hidden) => "hidden".to_owned(),
        Err(Refused::Undecided(fault)) => format!("undecided {}", fault.reason.code()),
    }
}

const BUNDLE: &str = r#"
id = "small"
revision = 3
expires = 2031-12-31
reason = "a test"
profiles = ["mild", "strict"]
[tenant.t-o]
domain = "t/o/*"
owner = "someone"
"#;

const ATTRIBUTES: &str = r#"
[need]
PRVCY = "privacy"
[zone.net]
about = "a network"
ceiling = "S"
[zone.low]
about = "another"
ceiling = "U"
[window.duty]
days = ["mon"]
from = 14:00:00
until = 16:00:00
[model.a]
about = "a model"
ceiling = "S"
[model.b]
about = "another"
ceiling = "CUI"
[tool.saw]
about = "a tool"
"#;

const PURPOSES: &str = r#"
[purpose."p.one"]
owner = "someone"
about = "the first"
expires = 2031-12-31
[purpose."p.two"]
owner = "someone"
about = "the second"
expires = 2031-12-31
[forbidden."bad.deed"]
clause = "RU-1"
about = "never"
"#;

const IDENTITIES: &str = r#"
[identity."svc:app"]
tenant = "t/o/m"
clearance = "CUI"
assurance = "aal2"
purposes = ["p.one", "p.two"]
[identity."svc:other"]
tenant = "t/o/m"
clearance = "CUI"
assurance = "aal2"
purposes = ["p.one"]
"#;
