//! What a review is told: neither more nor less than what is decided.

use proptest::{prelude::*, sample::select};

use super::{cases_of, demo_dir, support::*};
use crate::*;

/// `object actions purposes zones ≤ceiling except: rule`.
fn told(reach: &[Reach]) -> Vec<String> {
    let list = |set: &std::collections::BTreeSet<String>| {
        set.iter().map(String::as_str).collect::<Vec<_>>().join("|")
    };
    let line = |reach: &Reach| {
        let actions: Vec<_> = reach.actions.iter().map(|action| action.as_str()).collect();
        let except: Vec<_> = reach
            .except
            .iter()
            .map(|(label, rule)| format!(" except {label} by {}", rule.id()))
            .collect();
        format!(
            "{} {} {} {} {} {}{} {}",
            reach.rule.id(),
            reach.object,
            actions.join("|"),
            list(&reach.purposes),
            list(&reach.zones),
            reach.ceiling,
            except.concat(),
            reach.profile
        )
    };
    reach.iter().map(line).collect()
}

#[test]
fn the_demo_application_reaches_what_the_demo_shows() {
    let policy = Policy::load(&demo_dir()).expect("it loads").policy;
    let reach = |principal: &str| {
        let subject = policy
            .subject(principal, &Evidence::at(NOW))
            .expect("a principal");
        told(&policy.reach(&subject, NOW))
    };
    assert_eq!(
        reach("svc:benefits-app"),
        [
            "BA-101 model/llama-3.3-70b chat|complete|embed benefits.draft|benefits.summarise demo|opennet CUI:PRVCY civ-standard",
            "BA-120 tool/search-forms tool benefits.draft demo|opennet CUI:PRVCY civ-standard",
            "BA-130 model/moderation moderate benefits.draft demo|opennet CUI:PRVCY civ-standard",
        ]
    );
    assert_eq!(
        reach("svc:logistics-planner"),
        [
            "LO-301 model/llama-4-maverick chat|complete logistics.plan closednet S:NF civ-strict",
            "LO-310 tool/parts-order tool logistics.plan closednet S:NF civ-strict",
        ]
    );
    // The zones' own ceilings come first, so each zone has a line of its own.
    assert_eq!(
        reach("svc:guard-runner"),
        [
            "PL-501 model/llama-guard-internal chat|moderate platform.judge closednet S:NF civ-strict",
            "PL-501 model/llama-guard-internal chat|moderate platform.judge demo|opennet CUI civ-strict",
        ]
    );
    assert_eq!(reach("svc:suspended-app"), [""; 0]);
    assert_eq!(reach("svc:audit-probe"), [""; 0]);
}

#[test]
fn a_deny_row_that_cuts_in_below_the_ceiling_is_named() {
    let rules = "p, R-1, role:app, t/o/m, model/a, chat, p.*, CUI, net, aal1, *, mild, allow\n\
                 p, R-2, role:app, t/o/m, *, *, p.two, CUI, *, aal1, *, -, deny\n";
    let policy = Bundle::small().rules(rules).policy();
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("a principal");
    assert_eq!(
        told(&policy.reach(&subject, NOW)),
        [
            "R-1 model/a chat p.one net CUI mild",
            "R-1 model/a chat p.two net CUI except CUI by R-2 mild",
        ]
    );
}

const LABELS: [&str; 3] = ["U", "CUI", "S"];

/// From the object on.
fn any_row() -> impl Strategy<Value = String> {
    let what = (
        select(&["model/a", "model/b", "tool/saw", "*"][..]),
        select(&["chat", "chat|tool", "*"][..]),
        select(&["p.one", "p.two", "p.*", "*"][..]),
    );
    let how = (
        select(&LABELS[..]),
        select(&["net", "low", "*"][..]),
        select(&["mild, allow", "-, deny"][..]),
    );
    (what, how).prop_map(|((object, action, purpose), (label, zone, effect))| {
        format!("{object}, {action}, {purpose}, {label}, {zone}, aal1, *, {effect}")
    })
}

proptest! {
    #![proptest_config(cases_of(60))]

    /// Whatever is listed is permitted, label by label; whatever is permitted is listed.
    #[test]
    fn a_listing_claims_neither_more_nor_less(
        rows in prop::collection::vec(any_row(), 1..6),
        label in select(&LABELS[..]),
    ) {
        let row = |(nth, row): (usize, &String)| format!("p, R-{nth}, role:app, t/o/m, {row}\n");
        let text: String = rows.iter().enumerate().map(row).collect();
        let Ok(Loaded { policy, .. }) = Bundle::small().rules(&text).load() else {
            return Ok(()); // two rows alike
        };
        let subject = policy.subject("svc:app", &Evidence::at(NOW)).expect("a principal");
        let reach = policy.reach(&subject, NOW);
        let data = Label::parse(label).expect("a label");
        for object in [Object::Model("a"), Object::Model("b"), Object::Tool("saw")] {
            for action in Action::ALL {
                for purpose in ["p.one", "p.two"] {
                    for zone in ["net", "low"] {
                        let ask = Ask { object, action, purpose: Some(purpose), data: &data, zone, at: NOW };
                        let listed = reach.iter().any(|reach| {
                            reach.object == object.to_string()
                                && reach.actions.contains(&action)
                                && reach.purposes.contains(purpose)
                                && reach.zones.contains(zone)
                                && reach.ceiling.dominates(&data)
                                && !reach.except.iter().any(|(floor, _)| data.dominates(floor))
                        });
                        let permitted = policy.authorize(&subject, &ask).is_ok();
                        prop_assert_eq!(listed, permitted, "{:?}\n{}", ask, text);
                    }
                }
            }
        }
    }
}
