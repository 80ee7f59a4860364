//! Laws over random policies.
//!
//! The oracle of [`Row::matches`] works on the words of the rows as a person would read them; it
//! shares no code with the crate's own patterns, labels and sections, and knows no casbin.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select};

use super::{cases, cases_of, support::*};
use crate::*;

/// One row in words, every column as a list of alternatives.
#[derive(Debug, Clone)]
struct Row {
    role: &'static str,
    tenant: &'static str,
    objects: Vec<&'static str>,
    actions: Vec<&'static str>,
    purposes: Vec<&'static str>,
    /// Level as a number and whether `PRVCY` is needed.
    label: (u8, bool),
    zones: Vec<&'static str>,
    assurance: u8,
    windows: Vec<&'static str>,
    /// The profile of an allow row.
    allows: Option<&'static str>,
    in_baseline: bool,
}

/// One request in words.
#[derive(Debug, Clone)]
struct Wish {
    principal: &'static str,
    object: &'static str,
    action: Action,
    purpose: &'static str,
    label: (u8, bool),
    zone: &'static str,
    assurance: u8,
    at: UnixTime,
}

/// What the oracle expects, and what a policy said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Permit {
        rules: BTreeSet<String>,
        profile: &'static str,
    },
    Deny,
    Hidden,
}

const LEVELS: [&str; 5] = ["U", "CUI", "C", "S", "TS"];

const PRINCIPALS: [(&str, &str, &[&str]); 4] = [
    ("svc:one", "t/o/m", &["role:x", "role:everyone"]),
    ("svc:two", "t/o/m", &["role:x", "role:y", "role:everyone"]),
    ("svc:three", "t/o/n", &["role:y", "role:everyone"]),
    ("svc:four", "t/o/n", &["role:x", "role:everyone"]),
];

impl Row {
    fn csv(&self, id: &str) -> String {
        let profile = self.allows.unwrap_or("-");
        let effect = if self.allows.is_some() {
            "allow"
        } else {
            "deny"
        };
        let label = written(self.label);
        let [objects, actions, purposes, zones, windows] = [
            &self.objects,
            &self.actions,
            &self.purposes,
            &self.zones,
            &self.windows,
        ]
        .map(|list| list.join("|"));
        let Self {
            role,
            tenant,
            assurance,
            ..
        } = self;
        format!(
            "p, {id}, {role}, {tenant}, {objects}, {actions}, {purposes}, {label}, {zones}, aal{assurance}, {windows}, {profile}, {effect}\n"
        )
    }

    /// Whether the row is about the asker and the object, whatever the circumstances.
    fn concerns(&self, wish: &Wish) -> bool {
        let (_, tenant, roles) = asker(wish);
        let in_tenant = ["*", "t/o/*", tenant].contains(&self.tenant);
        in_tenant && roles.contains(&self.role) && fits(wish.object, &self.objects)
    }

    fn matches(&self, wish: &Wish) -> bool {
        let (level, private) = wish.label;
        let label = match self.allows {
            Some(_) => level <= self.label.0 && (!private || self.label.1),
            None => level >= self.label.0 && (private || !self.label.1),
        };
        self.concerns(wish)
            && fits(wish.action.as_str(), &self.actions)
            && fits(wish.purpose, &self.purposes)
            && label
            && fits(wish.zone, &self.zones)
            && wish.assurance >= self.assurance
            && (self.windows == ["*"] || (wish.at == NOW && self.windows.contains(&"duty")))
    }
}

/// The verdict by reading every row.
fn oracle(rows: &[Row], wish: &Wish) -> Said {
    let is_model = wish.object.starts_with("model/");
    let shows = |row: &Row| row.allows.is_some() && row.actions != ["tool"] && row.concerns(wish);
    let known = wish.object != "model/unknown";
    if is_model && !(known && rows.iter().any(shows)) {
        return Said::Hidden;
    }
    // Clearance S:PRVCY, zone ceilings S:PRVCY and CUI, model ceilings S:PRVCY and CUI.
    let top = |name: &str| {
        if ["low", "model/b"].contains(&name) {
            (1, false)
        } else {
            (3, true)
        }
    };
    let below = |(level, private): (u8, bool)| wish.label.0 <= level && (!wish.label.1 || private);
    let labels =
        below((3, true)) && below(top(wish.zone)) && (!is_model || below(top(wish.object)));
    let granted = ["p.one", "p.two"].contains(&wish.purpose);
    let matching: Vec<(usize, &Row)> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.matches(wish))
        .collect();
    let strictest = matching.iter().filter_map(|(_, row)| row.allows).max();
    match strictest {
        Some(profile)
            if labels && granted && matching.iter().all(|(_, row)| row.allows.is_some()) =>
        {
            let rules = matching.iter().map(|(nth, _)| format!("R-{nth}")).collect();
            Said::Permit { rules, profile }
        }
        _ => Said::Deny,
    }
}

fn asker(wish: &Wish) -> (&'static str, &'static str, &'static [&'static str]) {
    PRINCIPALS
        .into_iter()
        .find(|(name, ..)| *name == wish.principal)
        .expect("a principal of the table")
}

/// Whether a name is one of the alternatives, spelled out for this vocabulary.
fn fits(name: &str, alternatives: &[&str]) -> bool {
    alternatives.iter().any(|alternative| match *alternative {
        "*" => true,
        "model/*" => name.starts_with("model/"),
        "p.*" => name == "p.one" || name == "p.two",
        exact => name == exact,
    })
}

fn written((level, private): (u8, bool)) -> String {
    let level = LEVELS.get(usize::from(level)).expect("a level");
    if private {
        format!("{level}:PRVCY")
    } else {
        (*level).to_owned()
    }
}

/// Asks a policy.
fn ask(policy: &Policy, wish: &Wish) -> Said {
    let data = Label::parse(&written(wish.label)).expect("a label");
    let object = match wish.object.split_once('/') {
        Some(("model", name)) => Object::Model(name),
        _ => Object::Tool("saw"),
    };
    let cap = format!("aal{}", wish.assurance)
        .parse()
        .expect("an assurance level");
    let subject = policy
        .subject(wish.principal, &Evidence::at(NOW))
        .expect("a principal")
        .with_assurance(cap);
    let ask = Ask {
        object,
        action: wish.action,
        purpose: Some(wish.purpose),
        data: &data,
        zone: wish.zone,
        at: wish.at,
    };
    match policy.authorize(&subject, &ask) {
        Ok(permit) => Said::Permit {
            rules: permit
                .rules()
                .iter()
                .map(|rule| rule.id().to_owned())
                .collect(),
            profile: if permit.profile() == "strict" {
                "strict"
            } else {
                "mild"
            },
        },
        Err(Refused::Denied(_)) => Said::Deny,
        Err(Refused::Hidden) => Said::Hidden,
        Err(Refused::Undecided(fault)) => panic!("undecided: {fault}"),
    }
}

/// Loads rows as a bundle. Row `nth` has the id `R-nth`.
fn policy(rows: &[Row]) -> Policy {
    let text = |baseline: bool| -> String {
        let chosen = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.in_baseline == baseline);
        chosen
            .map(|(nth, row)| row.csv(&format!("R-{nth}")))
            .collect()
    };
    let identity = |(name, tenant, _): (&str, &str, &[&str])| {
        format!(
            "[identity.\"{name}\"]\ntenant = \"{tenant}\"\nclearance = \"S:PRVCY\"\nassurance = \"aal3\"\npurposes = [\"p.one\", \"p.two\"]\n"
        )
    };
    // Role y of `svc:two` comes by inheritance.
    let roles = "g, svc:one, role:x, t/o/m\ng, svc:two, role:z, t/o/m\ng, role:z, role:y, t/o/m\ng, svc:two, role:x, t/o/m\n\
                 g, svc:three, role:y, t/o/n\ng, svc:four, role:x, t/o/n\n";
    Bundle::small()
        .replacing(
            "attributes.toml",
            "ceiling = \"S\"",
            "ceiling = \"S:PRVCY\"",
        )
        .replacing("attributes.toml", "ceiling = \"U\"", "ceiling = \"CUI\"")
        .replacing(
            "attributes.toml",
            "ceiling = \"S\"\n",
            "ceiling = \"S:PRVCY\"\n",
        )
        .with("identities.toml", PRINCIPALS.map(identity).concat())
        .with("tenants/t-o/roles.csv", roles)
        .with("baseline/rules.csv", text(true))
        .rules(&text(false))
        .policy()
}

fn one_or_two(all: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        1 => Just(vec!["*"]),
        3 => prop::sample::subsequence(all, 1..=2),
    ]
}

fn any_row() -> impl Strategy<Value = Row> {
    let who = (
        select(&["role:x", "role:y", "role:everyone"][..]),
        select(&["t/o/m", "t/o/n", "t/o/*"][..]),
    );
    let what = (
        one_or_two(&["model/a", "model/b", "model/*", "tool/saw"]),
        one_or_two(&["chat", "complete", "embed", "tool"]),
        one_or_two(&["p.one", "p.two", "p.*"]),
    );
    let when = (
        (0..4u8, any::<bool>()),
        one_or_two(&["net", "low"]),
        1..=3u8,
        prop_oneof![2 => Just(vec!["*"]), 1 => Just(vec!["duty"])],
    );
    let effect = (
        select(&[Some("mild"), Some("mild"), Some("strict"), None][..]),
        any::<bool>(),
    );
    (who, what, when, effect).prop_map(|(who, what, when, (allows, everywhere))| {
        let deny = allows.is_none();
        let in_baseline = deny && everywhere;
        Row {
            role: who.0,
            tenant: if in_baseline { "*" } else { who.1 },
            objects: what.0,
            actions: what.1,
            purposes: what.2,
            // A deny row's label is a floor: low ones match often.
            label: if deny {
                (when.0.0 % 2, when.0.1 && everywhere)
            } else {
                when.0
            },
            zones: when.1,
            assurance: if deny { 1 } else { when.2 },
            windows: when.3,
            allows,
            in_baseline,
        }
    })
}

/// An allow row.
fn any_allow() -> impl Strategy<Value = Row> {
    (any_row(), select(&["t/o/m", "t/o/n", "t/o/*"][..])).prop_map(|(row, tenant)| Row {
        allows: Some(row.allows.unwrap_or("strict")),
        tenant: if row.in_baseline { tenant } else { row.tenant },
        in_baseline: false,
        ..row
    })
}

/// Up to 12 rows; those of the baseline first, as a bundle orders them.
fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(any_row(), 0..12).prop_map(|mut rows| {
        rows.sort_by_key(|row| !row.in_baseline);
        rows
    })
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let who = select(PRINCIPALS.map(|(name, ..)| name).to_vec());
    let object = select(&["model/a", "model/a", "model/b", "model/unknown", "tool/saw"][..]);
    let action = select(Action::ALL.to_vec());
    let purpose = select(&["p.one", "p.two", "p.one", "p.three"][..]);
    let at = select(vec![NOW, NOW, UnixTime(NOW.0 + 40_000)]);
    let label = (0..4u8, prop::bool::weighted(0.3));
    (
        who,
        object,
        action,
        purpose,
        label,
        select(&["net", "net", "low"][..]),
        1..=3u8,
        at,
    )
        .prop_map(
            |(principal, object, action, purpose, label, zone, assurance, at)| Wish {
                principal,
                object,
                action,
                purpose,
                label,
                zone,
                assurance,
                at,
            },
        )
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    prop::collection::vec(any_wish(), 8)
}

fn permits(said: &Said) -> bool {
    matches!(said, Said::Permit { .. })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_verdict_is_that_of_reading_every_row(rows in any_rows(), wishes in wishes()) {
        let policy = policy(&rows);
        for wish in &wishes {
            prop_assert_eq!(ask(&policy, wish), oracle(&rows, wish), "{:?}", wish);
        }
    }

}

proptest! {
    #![proptest_config(cases_of(4))]

    #[test]
    fn taking_an_allow_away_permits_nothing_new(rows in any_rows(), allow in any_allow(), wishes in wishes()) {
        let mut more = rows.clone();
        more.push(allow);
        let (before, after) = (policy(&more), policy(&rows));
        for wish in &wishes {
            prop_assert!(permits(&ask(&before, wish)) || !permits(&ask(&after, wish)), "{:?}", wish);
        }
    }

    #[test]
    fn adding_a_deny_permits_nothing_new(rows in any_rows(), deny in any_row(), wishes in wishes()) {
        let mut more = rows.clone();
        more.push(Row { allows: None, assurance: 1, ..deny });
        let (before, after) = (policy(&rows), policy(&more));
        for wish in &wishes {
            prop_assert!(permits(&ask(&before, wish)) || !permits(&ask(&after, wish)), "{:?}", wish);
        }
    }

    #[test]
    fn a_higher_label_or_a_weaker_session_permits_nothing_new(rows in any_rows(), wishes in wishes()) {
        let policy = policy(&rows);
        for wish in &wishes {
            let (level, private) = wish.label;
            let before = permits(&ask(&policy, wish));
            for worse in [
                Wish { label: (level + 1, private), ..wish.clone() },
                Wish { label: (level, true), ..wish.clone() },
                Wish { assurance: 1, ..wish.clone() },
            ] {
                prop_assert!(before || !permits(&ask(&policy, &worse)), "{:?}", worse);
            }
        }
    }

}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_bytes_in_a_rules_file_are_read_without_a_panic(text in "[-pg,#*|\"a-z/.:0-9 \t\r\né€]{0,200}") {
        let loaded = Bundle::small().adding("tenants/t-o/rules.csv", &text).load();
        if let Err(problems) = loaded {
            prop_assert!(problems.iter().all(|problem| problem.line > 0 && problem.column > 0));
        }
    }

    #[test]
    fn one_changed_byte_in_a_deny_row_is_refused_or_leaves_a_deny_row(at in 0..59usize, byte in " -~") {
        const DENY: &str = "p, D-1, role:everyone, t/o/*, *, *, *, U, *, aal1, *, -, deny";
        let mut row = DENY.to_owned();
        row.replace_range(at..=at, &byte);
        let Ok(loaded) = Bundle::small().adding("tenants/t-o/rules.csv", &format!("{row}\n")).load() else {
            return Ok(());
        };
        let denies = loaded.policy.rules.iter().filter(|rule| rule.is_deny()).count();
        // Only `#` at the very front may silence a row: then it is a comment, and looks like one.
        prop_assert!(denies == 2 || row.starts_with('#'), "{}", row);
    }
}
