use super::*;

const LIMITS: Limits = Limits {
    automaton: 1 << 20,
    max_span: 256,
};

fn shape(pattern: &str) -> Result<Shape, ShapeError> {
    Shape::new("x", pattern, None, Edge::Free, Judge::ANY, LIMITS)
}

#[test]
fn a_shape_is_open_until_nothing_could_make_it_longer() {
    let shape = shape("ab+").unwrap();
    let begin = shape.begin(None).unwrap();
    let run = shape.run(begin, b"abb");
    assert!(run.state.is_some(), "another b could follow");
    assert_eq!(
        run.matched,
        Some(2),
        "the match abb is announced only with the next byte"
    );
    assert!(shape.matches_at_end(run.state.unwrap()));
    let run = shape.run(begin, b"abb ");
    assert!(run.state.is_none());
    assert_eq!((run.read, run.matched), (3, Some(3)));
}

#[test]
fn a_finite_pattern_sets_its_own_span() {
    assert_eq!(shape("a{3,40}").unwrap().max_span, 40);
    assert_eq!(shape("a{3,}").unwrap().max_span, 256);
}

#[test]
fn impossible_patterns_are_refused_with_a_reason() {
    assert!(matches!(shape("a*"), Err(ShapeError::MatchesEmpty)));
    assert!(matches!(shape("a("), Err(ShapeError::Syntax(_))));
    assert!(matches!(shape(r"\B a"), Err(ShapeError::Unsupported(_))));
    let big = shape(r"(?:a|\w{1,40}b){1,20}");
    assert!(
        matches!(big, Err(ShapeError::TooBig { .. })),
        "{:?}",
        big.err()
    );
    assert!(
        matches!(shape(r"a\b"), Err(ShapeError::Unsupported(_))),
        "Unicode word boundary"
    );
}

#[test]
fn the_first_bytes_of_a_pattern_are_known() {
    let shape = shape(r"(?m)^[xy]|z").unwrap();
    let Trigger::Anywhere { first, .. } = &shape.trigger else {
        panic!("derived")
    };
    let able: Vec<u8> = (0..=255).filter(|b| first[usize::from(*b)]).collect();
    assert_eq!(able, b"xyz");
}
