//! Any request and any claims, asked of one bundle: the matcher's functions are total, casbin and the typed rows agree
//! whatever bytes a caller sends, nothing but a known purpose and model is permitted, and an explanation tells what is
//! decided.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use policy::{Action, Ask, Claims, Evidence, Label, Object, Policy, Refused, UnixTime};

// Lines: who, its claims, object, action, purpose, label, zone, moment.
fuzz_target!(|text: &str| {
    let policy = policy();
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (who, claimed) = (next(), next());
    let (object, action, purpose, label, zone, at) =
        (next(), next(), next(), next(), next(), next());
    let at = UnixTime(at.parse().unwrap_or(1_795_446_000));
    let names: Vec<&str> = policy.principals().collect();
    let who = match who.parse::<usize>() {
        Ok(nth) => names[nth % names.len()].replace('*', "anna"),
        Err(_) => who.to_owned(),
    };
    let get = |name: &str| {
        let mut pairs = claimed.split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(key, _)| *key == name)
            .map(|(_, text)| text.to_owned())
    };
    let issuer = who.split(':').nth(1).unwrap_or_default().to_owned();
    let claims = Some(Claims {
        issuer: &issuer,
        get: &get,
    });
    let Some(subject) = policy.subject(&who, &Evidence { at, claims }) else {
        return;
    };
    let data = Label::parse(label).or_else(|_| Label::from_banner(label));
    let data = data.unwrap_or_else(|_| Label::unclassified());
    let ask = Ask {
        object: match object.strip_prefix("tool/") {
            Some(tool) => Object::Tool(tool),
            None => Object::Model(object),
        },
        action: action.parse().unwrap_or(Action::Chat),
        purpose: (!purpose.is_empty()).then_some(purpose),
        data: &data,
        zone,
        at,
    };
    let answer = policy.authorize(&subject, &ask);
    match &answer {
        Ok(permit) => {
            assert!(policy.has_purpose(permit.purpose()), "{permit:?}");
            assert!(
                policy
                    .objects()
                    .any(|known| known.to_string() == ask.object.to_string())
            );
            assert!(subject.clearance().dominates(&data) && subject.nationality().may_hold(&data));
        }
        Err(Refused::Undecided(fault)) => {
            assert_eq!(fault.reason.code(), "unknown_zone", "{fault}")
        }
        Err(_) => {}
    }
    assert_eq!(policy.explain(&subject, &ask).answer, answer);
    // The second time it is remembered.
    assert_eq!(policy.authorize(&subject, &ask), answer);
});

fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| {
        Policy::from_files(policy_fuzz::files())
            .expect("it loads")
            .policy
    })
}
