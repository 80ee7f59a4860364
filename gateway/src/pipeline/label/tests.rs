use guardrails::{Engine, Origin, Settings, Span};

use super::*;

fn check(text: &str, expected: &str) {
    let engine = Engine::load(Settings::default()).expect("no profiles, no problems");
    let span = Span {
        origin: Origin::User,
        path: "messages[0].content".to_owned(),
        text,
    };
    let markings = engine.markings(&[span]);
    let label = markings.iter().map(marked);
    let label = label.fold(Label::unclassified(), |label, marked| label.join(&marked));
    assert_eq!(label.to_string(), expected, "{text}");
}

#[test]
fn what_follows_the_level_of_a_marking_counts() {
    check("SECRET//NOFORN\n", "S:NF");
    check("CUI//SP-PROCURE\n(CUI) text", "CUI:PROCURE");
    check("see the SECRET//NOFORN Report", "S:NF");
    check("TOP SECRET//SI-G/TK//NOFORN", "TS:SI+SI-G+TK+NF");
    check("(S//REL TO USA, GBR) text", "S:REL-GBR-USA");
    check("SEC\u{200b}RET//NOFORN\n", "S:NF");
    check("(S) text\n(CUI//SP-PRVCY) more", "S:PRVCY");
    check("CONFIDENTIAL\n", "C");
}

#[test]
fn a_marking_that_cannot_be_read_is_the_highest() {
    check("SECRET//REL TO USA, NATO\n", "TS:NOREL");
    check(&format!("CUI//SP-{}\n", "A".repeat(40)), "TS:NOREL");
    assert_eq!(highest().to_string(), HIGHEST);
}

#[test]
fn unclassified_text_asks_for_nothing() {
    check("UNCLASSIFIED//FOR OFFICIAL USE ONLY\n(U//FOUO) text", "U");
    check("no marking", "U");
}
