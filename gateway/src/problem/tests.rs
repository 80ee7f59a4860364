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

#[test]
fn a_proposed_change_is_shown_as_the_line_should_be() {
    let file = tempfile::NamedTempFile::new().expect("temp file");
    let text = "zone = \"demo\"\nbindd = \"x\"\n";
    std::fs::write(file.path(), text).expect("write");
    let mut problem =
        Problem::at(file.path(), text, 14..19, "unknown key `bindd`").hint("did you mean `bind`?");
    let fix = |span| {
        Box::new(Fix {
            span,
            text: "bind".into(),
        })
    };
    problem.fix = Some(fix(14..19));
    let shown = problem.render(false);
    assert!(shown.contains("help: did you mean `bind`?"), "{shown}");
    assert!(shown.contains("bind = \"x\""), "{shown}");
    // A file that changed in the meantime has no such place.
    problem.fix = Some(fix(14..99));
    let shown = problem.render(false);
    assert!(shown.contains("help: did you mean `bind`?"), "{shown}");
    assert!(!shown.contains("bind = \"x\""), "{shown}");
}

#[test]
fn the_policy_loaders_fixes_are_carried_through() {
    let files = vec![("bundle.toml".into(), b"id = small".to_vec())];
    let problems = policy::Policy::from_files(files).expect_err("no bundle");
    let problems: Vec<Problem> = problems.into_iter().map(Problem::from).collect();
    let fix = problems.iter().find_map(|problem| problem.fix.clone());
    let expected = Fix {
        span: 5..10,
        text: "\"small\"".into(),
    };
    assert_eq!(fix, Some(Box::new(expected)));
}
