use crate::{Engine, Origin, Settings, Span};

fn check(text: &str, expected: &[(&str, &str)]) {
    let engine =
        Engine::load(Settings::default()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let span = Span {
        origin: Origin::User,
        path: "p".into(),
        text,
    };
    let found: Vec<_> = engine
        .markings(&[span])
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
        "(A) one\n(B) two\n(C) three",
        "CONFIDENTIALITY",
        "const SECRET = 1; // comment",
    ] {
        check(text, &[]);
    }
}

#[test]
fn hidden_characters_do_not_hide_a_marking() {
    check("SEC\u{200b}RET//NOFORN", &[("S", "SEC\u{200b}RET//NOFORN")]);
}
