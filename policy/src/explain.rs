//! Why a policy says what it says: every check and every row of one decision.
//!
//! [`Policy::authorize`] stops at the first refusal. An explanation goes on, so that an admin who
//! mends the first obstacle is not stopped by a second one that was there all along. Its answer is
//! `authorize`'s own, and each check asks the same function as `authorize` does: it cannot tell
//! another story than the gateway.

use std::cmp::Reverse;

use crate::{
    Policy,
    decide::{check_ceiling, check_release},
    decision::{Ask, DenyReason, Object, Permit, Refused},
    records::Purpose,
    rule::{Column, Facts, Rule, RuleRef},
    subject::{Nationality, SUSPENDED, Subject},
};

/// One decision, taken apart.
#[derive(Debug)]
pub struct Explanation {
    /// What [`Policy::authorize`] answers.
    pub answer: Result<Permit, Refused>,
    /// The native checks, in their order. Each can only refuse.
    pub checks: Vec<Check>,
    /// The purpose that was decided upon, even if it was refused.
    pub purpose: String,
    /// The rows that speak about the subject's tenant and the action; `None` if no row does.
    pub section: Option<SectionView>,
}

/// One native check.
#[derive(Debug)]
pub struct Check {
    /// Its name, such as `clearance`.
    pub name: &'static str,
    /// What was compared.
    pub detail: String,
    /// Whether it lets the request through.
    pub outcome: CheckOutcome,
}

/// How a native check ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It has nothing against the request.
    Passed,
    /// It refuses.
    Refused,
    /// It rests on one that refuses, so there was nothing to ask.
    NotAsked,
}

/// The rows of one section, asked about one request.
#[derive(Debug)]
pub struct SectionView {
    /// The section's number in the compiled model.
    pub number: usize,
    /// How many rows it holds.
    pub rows: usize,
    /// The rows that match, in the order of the bundle.
    pub matched: Vec<RowView>,
    /// The rows that do not: those that could grant before those that could deny, nearest first.
    pub missed: Vec<RowView>,
}

/// One row, asked about one request.
#[derive(Debug)]
pub struct RowView {
    /// Where it stands.
    pub rule: RuleRef,
    /// The profile that an allow row grants; `None` on a deny row.
    pub profile: Option<String>,
    /// The columns that do not match, in the order of the file; empty if the row matches.
    pub misses: Vec<Miss>,
}

/// A column that does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// Which.
    pub column: Column,
    /// What the row asks for.
    pub wants: String,
    /// What the request has.
    pub has: String,
}

impl Policy {
    /// Decides one request and says why.
    #[must_use]
    pub fn explain(&self, subject: &Subject, ask: &Ask<'_>) -> Explanation {
        let purpose = ask.purpose.unwrap_or(subject.default_purpose());
        let facts = self.facts(subject, ask, purpose);
        Explanation {
            answer: self.authorize(subject, ask),
            checks: self.checks(subject, ask),
            purpose: purpose.to_owned(),
            section: self.section_view(&facts),
        }
    }

    /// The native checks in the order of [`Policy::authorize`].
    fn checks(&self, subject: &Subject, ask: &Ask<'_>) -> Vec<Check> {
        let mut checks = Vec::new();
        if let Object::Model(model) = ask.object {
            let seen = self.check_visible(subject, ask.object);
            checks.push(Check::of("visible", self.visibility(subject, model), &seen));
        }
        let free = self.check_suspension(subject);
        let detail = match free {
            Ok(()) => format!("`{}` does not hold {SUSPENDED}", subject.principal()),
            Err(_) => format!("`{}` holds {SUSPENDED}", subject.principal()),
        };
        checks.push(Check::of("suspension", detail, &free));
        let purpose = self.purpose(subject, ask);
        let wanted = ask.purpose.unwrap_or(subject.default_purpose());
        checks.push(Check::of(
            "purpose",
            self.purpose_detail(subject, wanted),
            &purpose,
        ));
        match purpose {
            Ok((name, record)) => {
                let authority = self.authority(subject, name, record, ask.at);
                let detail = self.authority_detail(subject, name, record);
                checks.push(Check::of("authority", detail, &authority));
            }
            Err(_) => checks.push(Check {
                name: "authority",
                detail: "follows from the purpose".into(),
                outcome: CheckOutcome::NotAsked,
            }),
        }
        checks.extend(self.label_checks(subject, ask));
        checks
    }

    fn visibility(&self, subject: &Subject, model: &str) -> String {
        if !self.models().any(|known| known == model) {
            return format!("attributes.toml has no model `{model}`");
        }
        match self.showing_row(subject, model) {
            Some(rule) => format!("{rule} shows `{model}`"),
            None => format!(
                "no allow row about `{model}` names a role that `{}` holds",
                subject.principal()
            ),
        }
    }

    fn purpose_detail(&self, subject: &Subject, wanted: &str) -> String {
        if let Some(family) = self.purposes.forbidden_family(wanted) {
            return format!("`{wanted}` belongs to `{family}`, which is forbidden to everybody");
        }
        let Some(purpose) = self.purposes.registered.get(wanted) else {
            return format!("`{wanted}` is not registered in purposes.toml");
        };
        let granted = match subject.purposes().iter().any(|name| name == wanted) {
            true => "granted",
            false => "not granted to the subject",
        };
        let until = purpose.expires.last_day();
        format!("`{wanted}` is registered, runs to the end of {until}, is {granted}")
    }

    fn authority_detail(&self, subject: &Subject, name: &str, purpose: &Purpose) -> String {
        let clauses: Vec<&str> = purpose.needs_lifted.iter().map(String::as_str).collect();
        if clauses.is_empty() {
            return format!("`{name}` needs none");
        }
        let needed = format!("`{name}` needs {} lifted", clauses.join(" and "));
        let records: Vec<String> = self
            .covering(subject.tenant(), name, purpose)
            .map(|record| {
                let until = record.expires.last_day();
                format!("{} lifts it until the end of {until}", record.id)
            })
            .collect();
        match records.is_empty() {
            true => format!("{needed}, and no record does for `{}`", subject.tenant()),
            false => format!("{needed}: {}", records.join("; ")),
        }
    }

    /// The data label against every ceiling.
    fn label_checks(&self, subject: &Subject, ask: &Ask<'_>) -> Vec<Check> {
        let data = ask.data;
        let mut checks = Vec::new();
        let clearance = subject.clearance();
        checks.push(Check::of(
            "clearance",
            format!("data {data}, the subject may handle {clearance}"),
            &check_ceiling(clearance, data, DenyReason::LabelAboveClearance),
        ));
        if *subject.nationality() != Nationality::NotAsked {
            checks.push(Check::of(
                "release",
                format!("data {data}, nationality {}", subject.nationality()),
                &check_release(subject, data),
            ));
        }
        let zone = self.zone_ceiling(ask);
        let detail = match &zone {
            Ok(ceiling) => format!("data {data}, zone `{}` carries {ceiling}", ask.zone),
            Err(_) => format!("attributes.toml has no zone `{}`", ask.zone),
        };
        let zone =
            zone.and_then(|ceiling| check_ceiling(ceiling, data, DenyReason::LabelAboveZone));
        checks.push(Check::of("zone", detail, &zone));
        if let Object::Model(model) = ask.object {
            let detail = match self.attributes.models.get(model) {
                Some(ceiling) => format!("data {data}, `{model}` is accredited for {ceiling}"),
                None => format!("attributes.toml has no model `{model}`"),
            };
            checks.push(Check::of("model", detail, &self.check_model_ceiling(ask)));
        }
        checks
    }

    fn section_view(&self, facts: &Facts<'_>) -> Option<SectionView> {
        let (section, rows) = self.section(facts.subject, facts.action)?;
        let view = |rule: &&Rule| RowView {
            rule: rule.reference.clone(),
            profile: self.profile_of(rule).map(|name| name.to_string()),
            misses: rule.misses(facts),
        };
        let (matched, mut missed): (Vec<_>, Vec<_>) =
            rows.iter().map(view).partition(|row| row.misses.is_empty());
        missed.sort_by_key(RowView::distance);
        Some(SectionView {
            number: section.number,
            rows: rows.len(),
            matched,
            missed,
        })
    }
}

impl RowView {
    /// How far the row is from deciding: rows that could grant before rows that could only deny, then
    /// by the number of columns that miss; among equals, the later the first of them the nearer.
    fn distance(&self) -> (bool, usize, Option<Reverse<Column>>) {
        let first = self.misses.first().map(|miss| Reverse(miss.column));
        (self.profile.is_none(), self.misses.len(), first)
    }
}

impl Check {
    pub(crate) fn of<T, E>(
        name: &'static str,
        detail: impl Into<String>,
        outcome: &Result<T, E>,
    ) -> Self {
        Self {
            name,
            detail: detail.into(),
            outcome: match outcome {
                Ok(_) => CheckOutcome::Passed,
                Err(_) => CheckOutcome::Refused,
            },
        }
    }
}

impl Rule {
    fn misses(&self, facts: &Facts<'_>) -> Vec<Miss> {
        let miss = |column| Miss {
            column,
            wants: self.cell(column),
            has: has(column, facts),
        };
        self.missed(facts).into_iter().map(miss).collect()
    }

    /// What the row says in a column.
    fn cell(&self, column: Column) -> String {
        match column {
            Column::Role => self.role.clone(),
            Column::Object => self.objects.clone(),
            Column::Purpose => self.purposes.clone(),
            Column::Label if self.is_deny() => format!("at least {}", self.label),
            Column::Label => format!("at most {}", self.label),
            Column::Zone => self.zones.clone(),
            Column::Assurance => self.assurance.to_string(),
            Column::Window => self.windows.clone(),
        }
    }
}

/// What the request has for a column.
fn has(column: Column, facts: &Facts<'_>) -> String {
    match column {
        Column::Role => match facts.subject.roles() {
            [] => "no role".into(),
            roles => roles.join("|"),
        },
        Column::Object => facts.object.clone(),
        Column::Purpose => facts.purpose.to_owned(),
        Column::Label => facts.data.to_string(),
        Column::Zone => facts.zone.to_owned(),
        Column::Assurance => facts.subject.assurance().to_string(),
        Column::Window if facts.windows.is_empty() => "no open window".into(),
        Column::Window => facts.windows.clone(),
    }
}
