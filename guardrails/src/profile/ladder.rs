//! The roll-out ladder: how far a rule has come, who answers for it, when that is looked at again, and how many honest
//! texts it may stop.
//!
//! ```toml
//! rung = "warn", owner = "office of responsible AI", review = 2027-06-30, budget = 0.001
//! ```
//!
//! A guard that blocks honest work is switched off, and a guard that only watches is forgotten. So a rule that does not yet
//! do what it says needs an owner and a day on which somebody decides; one by which a classifier blocks needs a budget
//! besides: the share of honest texts of a kind that it may stop. Enforced, its threshold has to keep to that by the
//! model's own measurements.

use std::ops::Range;

use jiff::civil::Date;

use super::fields::{At, Fields, Problems};
use super::{On, Subject, load};
use crate::{Action, Measured, Problem, Score};

/// How far a rule has been rolled out; it caps the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    Observe,
    Warn,
    Enforce,
}

impl Rung {
    pub(crate) const ALL: [(&'static str, Rung); 3] = [
        ("observe", Rung::Observe),
        ("warn", Rung::Warn),
        ("enforce", Rung::Enforce),
    ];

    pub(crate) fn cap(self, action: Action) -> Action {
        match self {
            Rung::Observe => Action::Allow,
            Rung::Warn => action.min(Action::Flag),
            Rung::Enforce => action,
        }
    }
}

/// Where a rule stands on the ladder.
#[derive(Debug)]
pub(crate) struct Ladder {
    pub(crate) rung: Rung,
    /// Of honest texts, the share that it may stop.
    pub(crate) budget: Option<Score>,
    /// When somebody looks again, and who.
    pub(crate) review: Option<Review>,
}

/// A day on which somebody decides about a rule.
#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub(crate) day: Date,
    /// What is said from shortly before that day on.
    due: Problem,
}

impl Review {
    /// A warning, if the day is near or past.
    pub(crate) fn warning_at(&self, today: Date) -> Option<Problem> {
        let days = i64::from(today.until(self.day).ok()?.get_days());
        let when = match days {
            ..0 => "was due",
            0..=SOON_DAYS => "is due",
            _ => return None,
        };
        let mut problem = self.due.clone();
        problem.message = format!("{} {when} on {}", problem.message, self.day);
        Some(problem)
    }
}

/// What the fields are for.
const LADDER: &str = "`owner = \"…\"` answers for it, `review = 2027-06-30` is when it is looked at again, \
                      `budget = 0.001` how many honest texts a classifier may stop: one in a thousand";

/// As for everything else that ends.
const SOON_DAYS: i64 = 30;

/// What a rule's fields say about it.
pub(super) struct Written {
    rung: Option<At<Rung>>,
    owner: Option<At<String>>,
    review: Option<At<Date>>,
    budget: Option<At<Score>>,
}

/// The rest of the rule, as far as the ladder asks.
pub(super) struct About<'a> {
    pub(super) id: &'a At<String>,
    pub(super) subject: Subject,
    pub(super) action: Action,
    pub(super) on: &'a [On],
    pub(super) at: &'a At<Score>,
    /// What the model's card says of the labels that it is about.
    pub(super) measured: Vec<&'a Measured>,
}

impl Written {
    pub(super) fn read(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Written {
        let rung = load::choice(fields, "rung", &Rung::ALL, problems);
        let owner = match fields.has("owner") {
            true => fields.needed("owner", problems),
            false => None,
        };
        let review = fields.day("review", problems);
        let budget = fields.number("budget", problems);
        let budget = budget.and_then(|budget| share(&budget, problems));
        Written {
            rung,
            owner,
            review,
            budget,
        }
    }

    /// Where the rule stands, or what it leaves open.
    pub(super) fn settle(
        self,
        about: &About<'_>,
        span: &Range<usize>,
        problems: &mut Problems<'_>,
    ) -> Ladder {
        let trained = matches!(about.subject, Subject::Classifier(_));
        let rung = self.rung.as_ref().map(|rung| rung.value);
        let rung = rung.unwrap_or(if trained { Rung::Warn } else { Rung::Enforce });
        let holds_back = rung.cap(about.action) < about.action;
        let blocks = trained && about.action == Action::Block;
        let missing = [
            ("owner", holds_back || blocks, self.owner.is_none()),
            ("review", holds_back || blocks, self.review.is_none()),
            ("budget", blocks, self.budget.is_none()),
        ];
        let missing = missing
            .iter()
            .filter(|(_, needed, absent)| *needed && *absent);
        let missing: Vec<String> = missing.map(|(name, ..)| format!("`{name}`")).collect();
        if !missing.is_empty() {
            let what = match holds_back {
                true => "the rule does not yet do what it says",
                false => "a classifier blocks by this rule",
            };
            let message = format!("{what}, and says no {}", missing.join(", no "));
            problems.report_with(span.clone(), message, LADDER);
        }
        if let (Some(budget), true, Rung::Enforce) = (&self.budget, trained, rung) {
            keeps_to(budget, about, problems);
        }
        Ladder {
            rung,
            budget: self.budget.map(|budget| budget.value),
            review: self.review.map(|review| {
                let owner = self
                    .owner
                    .as_ref()
                    .map(|owner| format!(" by {}", owner.value));
                let message = format!(
                    "a look at rule `{}`{}",
                    about.id.value,
                    owner.unwrap_or_default()
                );
                let hint = "decide on its `rung` from what it found, and set the next day";
                let file = problems.file;
                let due = Problem::at(&file.path, &file.text, review.span, message);
                Review {
                    day: review.value,
                    due: due.hint(hint).warning(),
                }
            }),
        }
    }
}

/// Whether the threshold lets no more honest texts be stopped than the budget says, as the model was measured.
fn keeps_to(budget: &At<Score>, about: &About<'_>, problems: &mut Problems<'_>) {
    let percent = |share: Score| f64::from(share.ten_thousandths()) / 100.0;
    for (word, on) in On::ALL.iter().filter(|(_, on)| about.on.contains(on)) {
        // What was measured on prompts was measured on what people type.
        let like = match on {
            On::Conversation => On::Prompt,
            other => *other,
        };
        let of_kind = about.measured.iter();
        let of_kind: Vec<&&Measured> = of_kind.filter(|known| known.on == like).collect();
        let mut labels: Vec<&str> = of_kind.iter().map(|known| known.label.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        if labels.is_empty() {
            let message =
                format!("nobody has measured how often this stops honest texts of kind `{word}`");
            let hint = "the model's manifest has no threshold for them: observe before it enforces";
            problems.warn(budget.span.clone(), message, hint);
        }
        for label in labels {
            let known = of_kind.iter().filter(|known| known.label == label);
            let reached = known
                .clone()
                .filter(|known| known.threshold <= about.at.value);
            let rate = reached.map(|known| known.false_rate).min();
            if rate.unwrap_or(Score::MAX) <= budget.value {
                continue;
            }
            let reach = match rate {
                Some(rate) => format!("{} %", percent(rate)),
                None => "more than was measured".to_owned(),
            };
            let message = format!(
                "`budget` is {} %, and by the model's manifest {reach} of honest texts of kind `{word}` score \
                 {} or more for `{label}`",
                percent(budget.value),
                about.at.value
            );
            let within = known.filter(|known| known.false_rate <= budget.value);
            let hint = match within.map(|known| known.threshold).min() {
                Some(least) => format!("`at = {least}` keeps to it; so does `rung = \"warn\"`"),
                None => {
                    "no threshold was measured to keep to it: `rung = \"warn\"` does".to_owned()
                }
            };
            problems.report_with(about.at.span.clone(), message, hint);
        }
    }
}

fn share(budget: &At<f64>, problems: &mut Problems<'_>) -> Option<At<Score>> {
    if !(LEAST_SHARE..=1.0).contains(&budget.value) {
        let message = format!("a budget is a share of honest texts, from {LEAST_SHARE} to 1");
        problems.report(budget.span.clone(), message);
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "four decimals of a ratio")]
    let value = Score::from_ratio(budget.value as f32);
    Some(At {
        value,
        span: budget.span.clone(),
    })
}

/// The step of scores and shares.
const LEAST_SHARE: f64 = 0.0001;
