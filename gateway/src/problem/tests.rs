use super::*;

#[test]
fn a_problem_names_line_and_column_from_one() {
    let problem = Problem::at("a.toml", "x = 1\nyé = 2\n", 12..13, "wrong");
    assert_eq!((problem.line, problem.column), (2, 6));
}

#[test]
fn a_problem_shows_the_line_with_a_caret_and_the_hint() {
    let file = tempfile::NamedTempFile::new().expect("temp file");
    let text = "zone = \"demo\"\nbindd = \"x\"\n";
    std::fs::write(file.path(), text).expect("write");
    let shown = Problem::at(file.path(), text, 14..19, "unknown key `bindd`")
        .hint("did you mean `bind`?")
        .render(false);
    assert!(shown.contains(":2:1"), "{shown}");
    assert!(shown.contains("^^^^^"), "{shown}");
    assert!(shown.contains("did you mean `bind`?"), "{shown}");
}

#[test]
fn only_near_words_are_suggested() {
    assert_eq!(nearest("bindd", ["bind", "zone"]), Some("bind"));
    assert_eq!(
        nearest("certifcate", ["certificate", "key"]),
        Some("certificate")
    );
    assert_eq!(nearest("elephant", ["bind", "zone"]), None);
}
