use super::*;
use crate::testing::{ask, engine, far, rule};
use crate::{Origin, Span, Stage};

fn finding(action: Action, at: usize) -> Finding {
    Finding {
        rule: "r".to_owned(),
        label: "l".to_owned(),
        span: 0,
        path: "p".to_owned(),
        range: at..at + 1,
        score: Score::MAX,
        threshold: Score::MAX,
        action,
        written: action,
    }
}

#[test]
fn findings_are_bounded_and_the_strictest_is_always_kept() {
    let mut judgement = Judgement::default();
    for at in 0..1_000 {
        let action = match at {
            900 => Action::Block,
            500 => Action::Redact,
            _ => Action::Flag,
        };
        judgement.finds(at % 2, action, || finding(action, at));
    }
    assert_eq!(judgement.findings.len(), 2 * FINDINGS_MAX);
    let more: Vec<_> = judgement.more().collect();
    assert_eq!(more, [(0, 436), (1, 436)]);
    assert_eq!(judgement.action(), Action::Block);
    assert_eq!(
        judgement.blocking().map(|found| found.range.start),
        Some(900)
    );
    let redacting = judgement
        .findings
        .iter()
        .filter(|(_, found)| found.action == Action::Redact);
    assert_eq!(
        redacting.count(),
        1,
        "one stricter does not drive out another"
    );
}

#[tokio::test]
async fn a_text_of_nothing_but_hits_is_counted_blocked_or_undecided() {
    let text = "\u{202e}".repeat(100_000);
    let flagged = ask(
        &engine(&rule("u", "unicode@1", "flag")),
        "p",
        Origin::User,
        &text,
    )
    .await;
    let check = &flagged.report.checks[0];
    let counted = (check.findings.len(), check.truncated_findings);
    assert_eq!(counted, (FINDINGS_MAX, 100_000 - 64));
    let blocked = ask(
        &engine(&rule("u", "unicode@1", "block")),
        "p",
        Origin::User,
        &text,
    )
    .await;
    assert_eq!(blocked.action, Action::Block);
    let engine = engine(&rule("u", "unicode@1", "redact"));
    let span = Span {
        origin: Origin::User,
        path: "p".to_owned(),
        text: &text,
    };
    let redacted = engine.screen("p", Stage::Prompt, &[span], far()).await;
    let why = redacted.expect_err("more masks than text").why;
    assert_eq!(why, Undecided::TooManyMasks { max: MASKS_MAX });
}
