//! What is remembered is what would be decided again, and no more of it than the bound.

use casbin::CoreApi as _;

use super::*;
use crate::tests::support::{Bundle, NOW, chat};
use crate::*;

#[test]
fn a_remembered_verdict_is_the_one_that_was_reached() {
    let policy = Bundle::small().policy();
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("it is registered");
    let (low, high) = (Label::unclassified(), Label::of(Level::S));
    for ask in [
        chat("a", &low),
        chat("a", &high),
        Ask {
            action: Action::Embed,
            ..chat("a", &low)
        },
        Ask {
            purpose: Some("p.two"),
            ..chat("a", &low)
        },
        Ask {
            at: UnixTime(NOW.0 + 20 * 3600),
            ..chat("a", &low)
        },
    ] {
        let first = policy.authorize(&subject, &ask);
        assert_eq!(policy.authorize(&subject, &ask), first, "{ask:?}");
    }
}

#[test]
fn the_engine_is_asked_once() {
    let mut policy = Bundle::small().policy();
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("it is registered");
    let data = Label::unclassified();
    assert!(policy.authorize(&subject, &chat("a", &data)).is_ok());
    // From here on casbin matches everything, which the typed rows contradict.
    policy.matcher.enforcer_mut().enable_enforce(false);
    assert!(policy.authorize(&subject, &chat("a", &data)).is_ok());
    let lower = subject.clone().with_assurance(Assurance::Aal1);
    for (subject, ask) in [
        (&lower, chat("a", &data)),
        (
            &subject,
            Ask {
                purpose: Some("p.two"),
                ..chat("a", &data)
            },
        ),
    ] {
        let answer = policy.authorize(subject, &ask);
        assert!(matches!(answer, Err(Refused::Undecided(_))), "{answer:?}");
    }
}

#[test]
fn a_fault_is_not_remembered() {
    let mut policy = Bundle::small().policy();
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("it is registered");
    let data = Label::unclassified();
    policy.matcher.enforcer_mut().enable_enforce(false);
    let fault = policy.authorize(&subject, &chat("a", &data));
    assert!(matches!(fault, Err(Refused::Undecided(_))), "{fault:?}");
    policy.matcher.enforcer_mut().enable_enforce(true);
    assert!(policy.authorize(&subject, &chat("a", &data)).is_ok());
}

#[test]
fn what_is_used_stays_and_the_rest_is_forgotten() {
    let mut generations = Generations::default();
    let verdict = Err(Denied::because(DenyReason::NoRule, None));
    let number = |n: usize| n.to_le_bytes().to_vec();
    for n in 0..10 * GENERATION {
        generations.keep(number(n), verdict.clone());
        assert!(generations.find(&number(0)).is_some(), "after {n}");
    }
    let kept = generations.young.len() + generations.old.len();
    assert!(kept <= 2 * GENERATION, "{kept}");
    assert!(generations.find(&number(1)).is_none());
}
