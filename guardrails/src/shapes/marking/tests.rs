use crate::{Engine, Marking, Origin, Settings, Span};

fn found(text: &str) -> Vec<Marking> {
    let engine =
        Engine::load(Settings::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let span = Span {
        origin: Origin::User,
        path: "p".into(),
        text,
    };
    engine.markings(&[span])
}

fn check(text: &str, expected: &[(&str, &str)]) {
    let found: Vec<_> = found(text)
        .into_iter()
        .map(|m| (m.level, text[m.range].to_owned()))
        .collect();
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|(level, text)| (level.as_str(), text.as_str()))
        .collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn banner_lines_are_markings() {
    check(
        "TOP SECRET//SI//NOFORN\ntext",
        &[("TS", "TOP SECRET//SI//NOFORN")],
    );
    check("SECRET\n", &[("S", "SECRET")]);
    check("**SECRET**\nx", &[("S", "SECRET")]);
    check("Classification: CONFIDENTIAL", &[("C", "CONFIDENTIAL")]);
    check("UNCLASSIFIED", &[("U", "UNCLASSIFIED")]);
    check(
        "CUI//SP-PRVCY//FEDCON\n",
        &[("CUI", "CUI//SP-PRVCY//FEDCON")],
    );
    check(
        "as in SECRET//REL TO USA, GBR they",
        &[("S", "SECRET//REL TO USA, GBR")],
    );
}

#[test]
fn portion_marks_are_markings() {
    check("(TS//SI-G//OC/NF) alpha", &[("TS", "(TS//SI-G//OC/NF)")]);
    check(
        "first\n(S) beta (U//FOUO) gamma",
        &[("S", "(S)"), ("U", "(U//FOUO)")],
    );
    check("(CUI) delta", &[("CUI", "(CUI)")]);
}

#[test]
fn ordinary_words_are_not() {
    for text in [
        "the secret is safe",
        "SECRET SANTA starts at 5",
        "it is TOP SECRET they said",
        "item(S) and (C) in the middle",
        "(C) 2020 Example Agency",
        "(C) Copyright Example Agency",
        "(A) one\n(B) two\n(C) three",
        "> (A) one\nmore of it\n - (B) two\n - (C) three",
        "(P) one\n(Q) two\n(R) three\n(S) four",
        "CONFIDENTIALITY",
        "const SECRET = 1; // comment",
    ] {
        check(text, &[]);
    }
}

#[test]
fn a_list_or_a_number_lifts_no_mark_but_its_own() {
    check("(S) 12 vehicles crossed", &[("S", "(S)")]);
    check("(C) 12 vehicles crossed", &[("C", "(C)")]);
    check("(S) 2024 was quiet", &[("S", "(S)")]);
    check("(A) one\n(S) two", &[("S", "(S)")]);
    check("(A) one\n(B) two\n(S) three", &[("S", "(S)")]);
    check("(A) one\n(B) two\n(C) three\n(S) four", &[("S", "(S)")]);
    check("(A) one\n(C) two\n(B) three", &[("C", "(C)")]);
    check("(C) one\n(A) two\n(B) three", &[("C", "(C)")]);
    check(
        "(A) one\n(B) two\n(C//REL TO USA) three",
        &[("C", "(C//REL TO USA)")],
    );
}

#[test]
fn a_marking_is_given_once_and_many_are_not_held() {
    check(&"(S)\n".repeat(100_000), &[("S", "(S)")]);
    let many: String = (0..2_000).map(|at| format!("CUI//SP-AA{at}\n")).collect();
    let found = found(&many);
    assert_eq!(found.len(), 1_025);
    assert_eq!(found.last().map(|last| last.level.as_str()), Some("TS"));
}

#[test]
fn the_words_of_a_banner_are_whole() {
    let texts = |text: &str| found(text).into_iter().map(|m| m.text).collect::<Vec<_>>();
    assert_eq!(texts("the SECRET//NOFORN The rest"), ["SECRET//NOFORN"]);
    assert_eq!(texts("SEC\u{200b}RET//NOFORN\n"), ["SECRET//NOFORN"]);
    assert_eq!(texts("CUI//SP-PRVCY//FEDCON\n"), ["CUI//SP-PRVCY//FEDCON"]);
}

#[test]
fn hidden_characters_do_not_hide_a_marking() {
    check("SEC\u{200b}RET//NOFORN", &[("S", "SEC\u{200b}RET//NOFORN")]);
}
