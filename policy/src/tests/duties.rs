//! Duties that must be separate are, over all records of a person.

use super::support::*;
use crate::*;

fn told(app: &str, other: &str) -> String {
    let bundle = Bundle::small()
        .replacing(
            "identities.toml",
            "tenant = \"t/o/m\"",
            &format!("tenant = \"t/o/m\"\n{app}"),
        )
        .adding("identities.toml", &format!("{other}\n"));
    match bundle.load() {
        Ok(_) => "it loads".into(),
        Err(problems) => lines(&problems),
    }
}

#[test]
fn what_must_be_separate_is_refused_at_its_place() {
    assert_eq!(
        told("duties = [\"officer\", \"auditor\"]", ""),
        "identities.toml:4:22: error: `svc:app` must not be auditor and officer at once (give one of the two duties to somebody else)"
    );
    for pair in [
        "admin\", \"officer",
        "operator\", \"auditor",
        "auditor\", \"admin",
    ] {
        assert!(
            told(&format!("duties = [\"{pair}\"]"), "").contains("must not be"),
            "{pair}"
        );
    }
    assert_eq!(told("duties = [\"admin\", \"operator\"]", ""), "it loads");
    assert_eq!(
        told("duties = [\"admin\"]", "duties = [\"officer\"]"),
        "it loads"
    );
    // Two records, one person.
    assert_eq!(
        told(
            "duties = [\"admin\"]\nperson = \"jdoe\"",
            "duties = [\"officer\"]\nperson = \"jdoe\""
        ),
        "identities.toml:14:11: error: `jdoe` is admin already, as `svc:app`, and must not be officer too (give one of the two duties to somebody else)"
    );
    assert_eq!(
        told("duties = [\"admn\"]", ""),
        "identities.toml:4:11: error: unknown duty `admn` (did you mean `admin`?)"
    );
}

#[test]
fn a_subject_has_the_duties_of_its_record() {
    let policy = Bundle::small()
        .adding("identities.toml", "duties = [\"operator\", \"admin\"]\n")
        .policy();
    let duties = |principal: &str| {
        policy
            .subject(principal, &Evidence::at(NOW))
            .expect("a principal")
            .duties()
            .to_vec()
    };
    assert_eq!(duties("svc:other"), [Duty::Operator, Duty::Admin]);
    assert_eq!(duties("svc:app"), []);
}
