//! Times `Policy::load` and `Policy::authorize` at 10, 1,000 and 10,000 rules.
//!
//! ```sh
//! cargo run --release -p policy --example authorize_time
//! ```
//!
//! Rules are spread over tenants with 100 rules each (10 in the smallest set), so a decision looks at
//! one section of 100 rows. No decision is cached. Printed are the median and the 99th percentile of
//! single calls on one thread, wall time.

use std::{
    error::Error,
    io::{Write, stdout},
    path::PathBuf,
    time::{Duration, Instant},
};

use policy::{Action, Ask, Evidence, Label, Level, Object, Policy, UnixTime};

fn main() -> Result<(), Box<dyn Error>> {
    writeln!(
        stdout(),
        "{:>7} {:>9} {:>10} {:>10} {:>10}",
        "rules",
        "load ms",
        "permit p50",
        "permit p99",
        "refuse p50"
    )?;
    for (tenants, rules_each) in [(1, 10), (10, 100), (100, 100), (1000, 100)] {
        measure(tenants, rules_each)?;
    }
    Ok(())
}

/// Loads one bundle and prints its line; times in microseconds unless said otherwise.
fn measure(tenants: usize, rules_each: usize) -> Result<(), Box<dyn Error>> {
    let files = bundle(tenants, rules_each);
    let started = Instant::now();
    let policy = Policy::from_files(files)
        .map_err(|problems| {
            problems
                .first()
                .map(ToString::to_string)
                .unwrap_or_default()
        })?
        .policy;
    let load = started.elapsed();
    let at = UnixTime(1_795_446_000);
    let subject = policy.subject("svc:app-0", &Evidence::at(at));
    let subject = subject.ok_or("no subject")?;
    let data = Label::of(Level::Cui);
    let time = |purpose: &str| -> Vec<Duration> {
        let object = Object::Model("m");
        let ask = Ask {
            object,
            action: Action::Chat,
            purpose: Some(purpose),
            data: &data,
            zone: "net",
            at,
        };
        let mut times: Vec<Duration> = (0..CALLS)
            .map(|_| {
                let started = Instant::now();
                let answer = policy.authorize(&subject, &ask);
                let took = started.elapsed();
                drop(answer);
                took
            })
            .collect();
        times.sort();
        times
    };
    let (permit, refuse) = (time("p.last"), time("p.none"));
    let micros = |times: &[Duration], per_mille: usize| {
        times
            .get(times.len() * per_mille / 1000)
            .map_or(0.0, |took| took.as_secs_f64() * 1e6)
    };
    writeln!(
        stdout(),
        "{:>7} {:>9.1} {:>10.1} {:>10.1} {:>10.1}",
        tenants * rules_each,
        load.as_secs_f64() * 1e3,
        micros(&permit, 500),
        micros(&permit, 990),
        micros(&refuse, 500),
    )?;
    Ok(())
}

/// A bundle in which the last rule of every tenant permits `p.last`.
fn bundle(tenants: usize, rules_each: usize) -> Vec<(PathBuf, Vec<u8>)> {
    let mut rules = String::new();
    let mut roles = String::new();
    let mut identities = String::new();
    for tenant in 0..tenants {
        roles += &format!("g, svc:app-{tenant}, role:app, t/o/m{tenant}\n");
        identities += &format!(
            "[identity.\"svc:app-{tenant}\"]\ntenant = \"t/o/m{tenant}\"\nclearance = \"CUI\"\nassurance = \"aal2\"\npurposes = [\"p.last\", \"p.none\"]\n"
        );
        for rule in 1..rules_each {
            let effect = if rule % 10 == 0 {
                "-, deny"
            } else {
                "mild, allow"
            };
            rules += &format!(
                "p, R-{tenant}-{rule}, role:app, t/o/m{tenant}, model/m, chat, p.first, CUI, net, aal1, *, {effect}\n"
            );
        }
        rules += &format!(
            "p, R-{tenant}-0, role:app, t/o/m{tenant}, model/m, chat, p.last, CUI, net, aal1, *, mild, allow\n"
        );
    }
    let purpose = |name: &str| {
        format!("[purpose.\"{name}\"]\nowner = \"x\"\nabout = \"x\"\nexpires = 2099-12-31\n")
    };
    let texts: [(&str, String); 8] = [
        ("model.conf", include_str!("../../policies/model.conf").into()),
        ("bundle.toml", "id = \"time\"\nrevision = 1\nexpires = 2099-12-31\nreason = \"x\"\nprofiles = [\"mild\"]\n[tenant.t]\ndomain = \"t/o/*\"\nowner = \"x\"\n".into()),
        ("attributes.toml", "[zone.net]\nabout = \"x\"\nceiling = \"S\"\n[model.m]\nabout = \"x\"\nceiling = \"S\"\n".into()),
        ("purposes.toml", ["p.first", "p.last", "p.none"].map(purpose).concat()),
        ("authorities.toml", String::new()),
        ("identities.toml", identities),
        ("tenants/t/rules.csv", rules),
        ("tenants/t/roles.csv", roles),
    ];
    let baseline = "p, B-1, role:suspended, *, *, *, *, U, *, aal1, *, -, deny\n";
    let files = texts
        .into_iter()
        .chain([("baseline/rules.csv", baseline.to_owned())]);
    files
        .map(|(path, text)| (PathBuf::from(path), text.into_bytes()))
        .collect()
}

/// Decisions per figure.
const CALLS: usize = 2000;
