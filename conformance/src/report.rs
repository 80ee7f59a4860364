//! What came of a run, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write as _};

use serde_json::{Value, json};

use crate::catalogue::Case;
use crate::judge::Outcome;
use crate::run::Ran;

/// How many places of one case are named.
const NAMED_MAX: usize = 12;

/// The results of a run, case by case.
#[derive(Default)]
pub struct Report {
    cases: Vec<(&'static str, &'static str, Vec<Ran>)>,
}

impl Report {
    /// Adds what came of a case.
    pub fn add(&mut self, case: &Case, ran: Vec<Ran>) {
        self.cases.push((case.name, case.gap, ran));
    }

    /// How many probes leaked.
    pub fn leaks(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Leaked(_)))
    }

    /// How many probes showed nothing.
    pub fn untested(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Untested(_)))
    }

    fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        let all = self.cases.iter().flat_map(|(_, _, ran)| ran);
        all.filter(|ran| is(&ran.outcome)).count()
    }

    /// Everything, for programs.
    pub fn json(&self) -> Value {
        let case = |(name, _, ran): &(&str, &str, Vec<Ran>)| json!({ "case": name, "probes": ran.iter().map(Value::from).collect::<Vec<_>>() });
        json!({ "leaks": self.leaks(), "untested": self.untested(), "cases": self.cases.iter().map(case).collect::<Vec<_>>() })
    }
}

/// One line for each case, and below it what leaked.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let widest = self
            .cases
            .iter()
            .map(|(name, _, _)| name.len())
            .max()
            .unwrap_or_default();
        for (name, gap, ran) in &self.cases {
            writeln!(f, "{}", line(name, widest, ran))?;
            let leaked: Vec<_> = ran.iter().filter_map(leak).collect();
            if !leaked.is_empty() {
                writeln!(f, "        gap: {gap}")?;
            }
            named(f, &leaked)?;
            let untested: Vec<_> = ran.iter().filter_map(untested).collect();
            named(f, &untested)?;
        }
        let probes: usize = self.cases.iter().map(|(_, _, ran)| ran.len()).sum();
        let (leaks, untested) = (self.leaks(), self.untested());
        let cases = self.cases.len();
        write!(
            f,
            "\n{cases} cases, {probes} probes: {leaks} leaked, {untested} untested"
        )
    }
}

/// A case in one line: the verdict, and how often what became of its probes.
pub(crate) fn line(name: &str, widest: usize, ran: &[Ran]) -> String {
    let mut counts = BTreeMap::new();
    for one in ran {
        let word = match &one.outcome {
            Outcome::Held(how) => how.words(),
            Outcome::Leaked(_) => "LEAKED",
            Outcome::Untested(_) => "untested",
        };
        *counts.entry(word).or_insert(0) += 1;
    }
    let has = |word| counts.contains_key(word);
    let verdict = match (has("LEAKED"), has("untested")) {
        (true, _) => "LEAKS",
        (false, true) => "?",
        (false, false) => "holds",
    };
    let counts: Vec<String> = counts
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    format!("{verdict:5}  {name:widest$}  {}", counts.join(", "))
}

fn leak(ran: &Ran) -> Option<String> {
    match &ran.outcome {
        Outcome::Leaked(seen) => Some(format!("{}: {}: {seen}", ran.way, ran.place)),
        _ => None,
    }
}

fn untested(ran: &Ran) -> Option<String> {
    match &ran.outcome {
        Outcome::Untested(why) => Some(format!("{}: {}: untested: {why}", ran.way, ran.place)),
        _ => None,
    }
}

fn named(f: &mut Formatter<'_>, lines: &[String]) -> fmt::Result {
    for line in lines.iter().take(NAMED_MAX) {
        writeln!(f, "        {line}")?;
    }
    match lines.len().saturating_sub(NAMED_MAX) {
        0 => Ok(()),
        more => writeln!(f, "        and {more} more"),
    }
}

/// The catalogue as a table of Markdown.
pub fn catalogue_table(cases: &[Case]) -> String {
    let mut table = String::from("| case | the gap | seen |\n|---|---|---|\n");
    for case in cases {
        // Writing to a string does not fail.
        let _ = writeln!(table, "| `{}` | {} | {} |", case.name, case.gap, case.seen);
    }
    table
}
