use super::*;

#[test]
fn a_byte_has_a_line_and_a_column_in_characters() {
    let source = Source::new("x".into(), "ab\né, c\n".into());
    let place = |at| (source.line(at), source.column(at));
    assert_eq!(place(0), (1, 1));
    assert_eq!(place(2), (1, 3));
    assert_eq!(place(3), (2, 1));
    assert_eq!(place(7), (2, 4));
    assert_eq!(place(9), (3, 1));
}

#[test]
fn a_problem_prints_on_one_line() {
    let problems = Problems::default();
    let source = Source::new("rules.csv".into(), "p, B-1\n".into());
    problems.error(&source, 3..6, "too short", Some("add columns".into()));
    let line = problems.into_sorted().first().map(ToString::to_string);
    assert_eq!(
        line.as_deref(),
        Some("rules.csv:1:4: error: too short (add columns)")
    );
}
