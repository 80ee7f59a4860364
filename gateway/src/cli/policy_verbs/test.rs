//! `portcullis policy test`: does the bundle say what its authors expect, and would anybody notice a change?
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::process::ExitCode;

use clap::Args;
use policy::{CaseReport, MutationReport, RuleRef, TestReport};
use serde_json::json;

use super::Common;
use crate::cli::Output;

/// Decide every case of the bundle's tests.toml files, and report which rules decided none
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Least share of the rules that must decide a case, in per cent, if more than bundle.toml asks for
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    floor: Option<u8>,
    /// Turn each rule's effect round, one at a time: a case must notice
    #[arg(long)]
    mutate: bool,
    /// Show the cases that passed, too
    #[arg(long)]
    verbose: bool,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let policy = match options.common.load() {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    let report = policy.run_cases();
    let mutation = options.mutate.then(|| policy.mutate());
    let floor = report.floor.max(options.floor.unwrap_or(0));
    let survivors = mutation.as_ref().map_or(0, |found| found.survivors.len());
    let ok = report.failures() == 0 && report.coverage() >= floor && survivors == 0;
    match options.common.output {
        Output::Human => human(options, &report, mutation.as_ref(), floor),
        Output::Json => println!("{}", as_json(ok, &report, mutation.as_ref(), floor)),
    }
    match ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    }
}

fn human(options: &Options, report: &TestReport, mutation: Option<&MutationReport>, floor: u8) {
    for case in &report.cases {
        match case.passed {
            true if options.verbose => println!("ok      {}", case.name),
            true => {}
            false => println!("FAILED  {}{}", case.name, difference(options, case)),
        }
    }
    let (cases, failures) = (report.cases.len(), report.failures());
    println!("{cases} cases, {failures} failed");
    let covered = report.rules - report.uncovered.len();
    println!(
        "{covered} of {} rules decided a case: {} %, floor {floor} %",
        report.rules,
        report.coverage()
    );
    places(options, "no case is decided by", &report.uncovered);
    if let Some(mutation) = mutation {
        let noticed = mutation.mutants - mutation.survivors.len();
        println!(
            "{noticed} of {} turned effects were noticed",
            mutation.mutants
        );
        places(
            options,
            "nobody would notice a change of",
            &mutation.survivors,
        );
    }
    if report.coverage() < floor {
        eprintln!("the coverage is below the floor: add cases that the rules above decide");
    }
}

fn difference(options: &Options, case: &CaseReport) -> String {
    format!(
        "\n        {}:{}\n        expected {}\n        got      {}",
        options.common.dir.join(&case.file).display(),
        case.line,
        case.expected,
        case.said
    )
}

fn places(options: &Options, what: &str, rules: &[RuleRef]) {
    for rule in rules {
        let file = options.common.dir.join(rule.file());
        println!(
            "  {what} {} ({}:{})",
            rule.id(),
            file.display(),
            rule.line()
        );
    }
}

fn as_json(
    ok: bool,
    report: &TestReport,
    mutation: Option<&MutationReport>,
    floor: u8,
) -> serde_json::Value {
    let case = |case: &CaseReport| {
        json!({
            "name": case.name,
            "file": case.file.display().to_string(),
            "line": case.line,
            "passed": case.passed,
            "expected": case.expected,
            "said": case.said,
        })
    };
    let rules = |rules: &[RuleRef]| rules.iter().map(super::rule_json).collect::<Vec<_>>();
    json!({
        "ok": ok,
        "cases": report.cases.iter().map(case).collect::<Vec<_>>(),
        "failures": report.failures(),
        "rules": report.rules,
        "coverage": report.coverage(),
        "floor": floor,
        "uncovered": rules(&report.uncovered),
        "mutants": mutation.map(|found| found.mutants),
        "survivors": mutation.map(|found| rules(&found.survivors)),
    })
}
