use super::*;

fn asker(principal: &str, user: Option<&str>) -> Asker {
    Asker {
        principal: principal.to_owned(),
        user: user.map(str::to_owned),
    }
}

fn told() -> Described {
    Described::for_test(404, "model_not_found")
}

#[test]
fn a_decision_is_told_to_its_asker_alone() {
    let decisions = Decisions::default();
    let request = Uuid::from_u128(7);
    decisions.keep(
        request,
        asker("svc:a", Some("oidc:x:u")),
        &Refusal::ModelNotFound,
        &told(),
    );
    let about = |asker| decisions.about(request, &asker);
    let said = about(asker("svc:a", Some("oidc:x:u"))).expect("its own");
    assert_eq!(
        (&said["code"], &said["findings"]),
        (&json!("model_not_found"), &json!([]))
    );
    for other in [
        asker("svc:a", None),
        asker("svc:a", Some("oidc:x:v")),
        asker("svc:b", Some("oidc:x:u")),
    ] {
        assert_eq!(about(other.clone()), None, "{other:?}");
    }
    assert_eq!(
        decisions.about(Uuid::from_u128(8), &asker("svc:a", None)),
        None
    );
}

#[test]
fn the_oldest_are_forgotten() {
    let decisions = Decisions::default();
    let me = asker("svc:a", None);
    for nth in 0..KEPT_MAX as u128 + 2 {
        decisions.keep(
            Uuid::from_u128(nth),
            me.clone(),
            &Refusal::ModelNotFound,
            &told(),
        );
    }
    let known = |nth| decisions.about(Uuid::from_u128(nth), &me).is_some();
    assert_eq!(
        [known(0), known(1), known(2), known(KEPT_MAX as u128 + 1)],
        [false, false, true, true]
    );
    let kept = decisions.kept();
    assert_eq!(
        (kept.oldest_first.len(), kept.by_request.len()),
        (KEPT_MAX, KEPT_MAX)
    );
}
