//! What a bundle's authors expect it to say (`tests.toml`), and whether it does.
//!
//! ```text
//! run     every case is decided as the gateway would decide it; which rules did cases decide by?
//! mutate  each rule once with the opposite effect: does a case notice? One that nobody notices could be
//!         changed tomorrow, and nobody would be told.
//! ```
//!
//! A mutant is asked through the same order of decision as a request, but by the typed comparison
//! alone: casbin agrees with it on the bundle as it is, and compiling it anew for every rule would
//! take hours where this takes a second.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    cache::Cache,
    decision::{Ask, Denied, Permit, Refused, Target},
    label::Label,
    pattern,
    rule::{Action, Effect, Rule, RuleRef},
    snapshot::Policy,
    source::{Claims, Evidence},
    subject::{Assurance, Subject},
    time::UnixTime,
};

/// One request, and what the policy is expected to say to it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Relative to the bundle's folder.
    pub(crate) file: PathBuf,
    pub(crate) line: u32,
    pub(crate) principal: String,
    pub(crate) object: Target,
    pub(crate) action: Action,
    /// `None`: the subject's own.
    pub(crate) purpose: Option<String>,
    pub(crate) data: Label,
    pub(crate) zone: String,
    /// `None`: what the identity may have at most.
    pub(crate) assurance: Option<Assurance>,
    /// Of the principal's token, by name.
    pub(crate) claims: BTreeMap<String, String>,
    pub(crate) at: UnixTime,
    pub(crate) expected: Expected,
}

/// What a case expects. What it does not name may be anything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    pub(crate) verdict: Verdict,
    /// All allow rows that match, or the one deny row that decides.
    pub(crate) because: Option<BTreeSet<String>>,
    pub(crate) profile: Option<String>,
    /// The code of a denial's reason.
    pub(crate) reason: Option<String>,
}

/// The three answers that a case may expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Permitted.
    #[default]
    Allow,
    /// Denied.
    Deny,
    /// As if the model did not exist.
    Hidden,
}

/// How a bundle did in its own tests.
#[derive(Debug)]
pub struct TestReport {
    /// Every case, in the order of the bundle.
    pub cases: Vec<CaseReport>,
    /// The rules by which no case was decided, in the order of the bundle.
    pub uncovered: Vec<RuleRef>,
    /// How many rules there are.
    pub rules: usize,
    /// The least coverage that `bundle.toml` asks for, in per cent.
    pub floor: u8,
}

/// How one case ended.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Its file, relative to the bundle's folder.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: u32,
    /// Whether the policy said what was expected.
    pub passed: bool,
    /// What was expected.
    pub expected: String,
    /// What the policy said.
    pub said: String,
}

/// Which opposite effects nobody would notice.
#[derive(Debug)]
pub struct MutationReport {
    /// How many mutants were made: one for each rule.
    pub mutants: usize,
    /// Rules whose effect can be turned round without a case that notices.
    pub survivors: Vec<RuleRef>,
}

/// What the policy said to a case, in the words of an expectation.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    verdict: Option<Verdict>,
    because: BTreeSet<String>,
    profile: Option<String>,
    reason: Option<&'static str>,
}

impl Policy {
    /// Decides every case of the bundle's `tests.toml` files.
    #[must_use]
    pub fn run_cases(&self) -> TestReport {
        let mut covered = BTreeSet::new();
        let mut report = |case: &Case| {
            let said = self.say(case);
            let passed = case.expected.fits(&said);
            if passed {
                covered.extend(said.because.iter().cloned());
            }
            CaseReport {
                name: case.name.clone(),
                file: case.file.clone(),
                line: case.line,
                passed,
                expected: case.expected.to_string(),
                said: said.to_string(),
            }
        };
        let cases = self.cases.iter().map(&mut report).collect();
        let references = self.rules.iter().map(|rule| &rule.reference);
        TestReport {
            cases,
            uncovered: references
                .filter(|rule| !covered.contains(rule.id()))
                .cloned()
                .collect(),
            rules: self.rules.len(),
            floor: self.manifest.coverage_floor,
        }
    }

    /// Turns each rule's effect round, one at a time, and asks whether a case notices. Cases that fail
    /// already notice nothing. The policy is used up: it is not the one that was loaded any more.
    #[must_use]
    pub fn mutate(mut self) -> MutationReport {
        let cases: Vec<Case> = std::mem::take(&mut self.cases);
        let passing: Vec<&Case> = cases
            .iter()
            .filter(|case| case.expected.fits(&self.say(case)))
            .collect();
        self.is_mutant = true;
        let mut survivors = Vec::new();
        for nth in 0..self.rules.len() {
            let Some(rule) = self.rules.get(nth).cloned() else {
                continue;
            };
            let about = |case: &&&Case| {
                let subject = self.subject_of_case(case);
                subject.is_some_and(|subject| pattern::under(subject.tenant(), &rule.tenant))
            };
            let asked: Vec<&Case> = passing.iter().filter(about).copied().collect();
            let opposite = self.opposite(&rule);
            self.replace(nth, opposite);
            let noticed = asked
                .iter()
                .any(|case| !case.expected.fits(&self.say(case)));
            if !noticed {
                survivors.push(rule.reference.clone());
            }
            self.replace(nth, rule);
        }
        MutationReport {
            mutants: self.rules.len(),
            survivors,
        }
    }

    fn subject_of_case(&self, case: &Case) -> Option<Subject> {
        let get = |name: &str| case.claims.get(name).cloned();
        // Whoever comes with a token bears its issuer's name: `oidc:agency:…`.
        let issuer = case.principal.strip_prefix("oidc:").unwrap_or_default();
        let issuer = issuer.split(':').next().unwrap_or_default();
        let claims = Some(Claims { issuer, get: &get });
        self.subject(
            &case.principal,
            &Evidence {
                at: case.at,
                claims,
            },
        )
    }

    /// What the policy says to a case.
    fn say(&self, case: &Case) -> Said {
        let Some(subject) = self.subject_of_case(case) else {
            return Said::nothing();
        };
        let subject = match case.assurance {
            Some(cap) => subject.with_assurance(cap),
            None => subject,
        };
        let ask = Ask {
            object: case.object.as_object(),
            action: case.action,
            purpose: case.purpose.as_deref(),
            data: &case.data,
            zone: &case.zone,
            at: case.at,
        };
        Said::of(self.authorize(&subject, &ask))
    }

    /// The same row with the other effect, matching at least whatever it matched.
    fn opposite(&self, rule: &Rule) -> Rule {
        let (label, effect) = match rule.effect {
            Effect::Allow { .. } => (Label::unclassified(), Effect::Deny),
            Effect::Deny => {
                let profile = self.manifest.profiles.len().saturating_sub(1);
                let top = Label::highest(&self.attributes.needs);
                (top, Effect::Allow { profile })
            }
        };
        Rule {
            label,
            effect,
            ..rule.clone()
        }
    }

    /// Puts a row in the place of another that speaks about the same tenants and actions.
    fn replace(&mut self, nth: usize, rule: Rule) {
        let Some(place) = self.rules.get_mut(nth) else {
            return;
        };
        let about = rule.tenant.clone();
        *place = rule;
        for (tenant, rules) in &mut self.tenants {
            if pattern::under(tenant, &about) {
                rules.granting.clear();
                let sections = rules.sections.values().flat_map(|section| &section.rows);
                let rows: BTreeSet<usize> = sections.copied().collect();
                for row in rows {
                    if let Some(rule) = self.rules.get(row).filter(|rule| rule.shows_models(tenant))
                    {
                        rules.grant(row, rule);
                    }
                }
            }
        }
        self.cache = Cache::default();
    }
}

impl TestReport {
    /// How many cases failed.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.cases.iter().filter(|case| !case.passed).count()
    }

    /// Rules by which a case was decided, in per cent, rounded down; 100 for a bundle without rules.
    #[must_use]
    pub fn coverage(&self) -> u8 {
        let covered = self.rules - self.uncovered.len();
        let percent = (covered * 100).checked_div(self.rules).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }
}

impl Expected {
    fn fits(&self, said: &Said) -> bool {
        said.verdict == Some(self.verdict)
            && self.because.as_ref().is_none_or(|ids| *ids == said.because)
            && (self.profile.is_none() || self.profile == said.profile)
            && self
                .reason
                .as_deref()
                .is_none_or(|reason| said.reason == Some(reason))
    }
}

impl Said {
    fn of(answer: Result<Permit, Refused>) -> Self {
        match answer {
            Ok(permit) => Self {
                verdict: Some(Verdict::Allow),
                because: permit.rules().iter().map(id).collect(),
                profile: Some(permit.profile().to_owned()),
                reason: None,
            },
            Err(Refused::Denied(denied)) => Self {
                verdict: Some(Verdict::Deny),
                because: decisive(&denied).map(id).into_iter().collect(),
                reason: Some(denied.reason.code()),
                ..Self::nothing()
            },
            Err(Refused::Hidden) => Self {
                verdict: Some(Verdict::Hidden),
                ..Self::nothing()
            },
            Err(Refused::Undecided(fault)) => Self {
                reason: Some(fault.reason.code()),
                ..Self::nothing()
            },
        }
    }

    /// No answer.
    fn nothing() -> Self {
        Self {
            verdict: None,
            because: BTreeSet::new(),
            profile: None,
            reason: None,
        }
    }
}

/// The deny row that refuses; the row that came nearest decides nothing.
fn decisive(denied: &Denied) -> Option<&RuleRef> {
    denied.rule.as_ref().filter(|_| denied.by_rule())
}

fn id(rule: &RuleRef) -> String {
    rule.id().to_owned()
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Deny, Self::Hidden];

    /// The word in `tests.toml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hidden => "hidden",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = BTreeSet::new();
        let because = self.because.as_ref().unwrap_or(&none);
        write_answer(
            f,
            self.verdict.as_str(),
            self.reason.as_deref(),
            because,
            self.profile.as_deref(),
        )
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict.map_or("undecided", Verdict::as_str);
        write_answer(
            f,
            verdict,
            self.reason,
            &self.because,
            self.profile.as_deref(),
        )
    }
}

/// `allow by BA-101, BA-102 under civ-standard`, `deny (assurance)`, `deny (rule) by B-910`.
fn write_answer(
    f: &mut fmt::Formatter<'_>,
    verdict: &str,
    reason: Option<&str>,
    because: &BTreeSet<String>,
    profile: Option<&str>,
) -> fmt::Result {
    f.write_str(verdict)?;
    if let Some(reason) = reason {
        write!(f, " ({reason})")?;
    }
    for (nth, rule) in because.iter().enumerate() {
        write!(f, "{} {rule}", if nth == 0 { " by" } else { "," })?;
    }
    match profile {
        Some(profile) => write!(f, " under {profile}"),
        None => Ok(()),
    }
}

impl Default for Case {
    /// A case to be filled in.
    fn default() -> Self {
        Self {
            name: String::new(),
            file: Path::new("").into(),
            line: 0,
            principal: String::new(),
            object: Target::Model(String::new()),
            action: Action::Chat,
            purpose: None,
            data: Label::unclassified(),
            zone: String::new(),
            assurance: None,
            claims: BTreeMap::new(),
            at: UnixTime(0),
            expected: Expected::default(),
        }
    }
}
