use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::shape::{Edge, Judge, Limits};
use crate::shapes::{FAMILIES, View};
use crate::testing::samples;

/// All built-in shapes over canonical text, and some that begin anywhere.
fn scanner() -> &'static Scanner {
    static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
        let families = FAMILIES
            .iter()
            .filter(|family| family.view == View::Canonical);
        let mut shapes: Vec<Arc<Shape>> = families
            .flat_map(|family| family.shapes.iter().cloned())
            .collect();
        let limits = Limits {
            automaton: 1 << 20,
            max_span: 12,
        };
        for pattern in ["ab+a", "<.*>", "(?m)^go.*stop$", "[a-z]{3}!", "q[^z]*z"] {
            shapes.push(Arc::new(
                Shape::new("test", pattern, None, Edge::Free, Judge::ANY, limits)
                    .expect("compiles"),
            ));
        }
        Scanner::new(shapes).expect("builds")
    });
    &SCANNER
}

/// Hits as `(shape, range)`, outgrown ones joined, in order.
fn joined(mut hits: Vec<Hit>) -> Vec<(usize, Range<usize>)> {
    hits.sort_by_key(|hit| (hit.shape, hit.range.start, hit.part));
    let mut out: Vec<(usize, Range<usize>)> = Vec::new();
    for hit in hits {
        match (hit.part, out.last_mut()) {
            (Part::More, Some((shape, range)))
                if *shape == hit.shape && range.end == hit.range.start =>
            {
                range.end = hit.range.end;
            }
            (Part::More, _) => panic!("more of nothing: {hit:?}"),
            (Part::New, _) => out.push((hit.shape, hit.range)),
        }
    }
    out
}

fn in_steps(scanner: &Scanner, text: &str, steps: &[usize]) -> Vec<(usize, Range<usize>)> {
    let active = Active(vec![true; scanner.shapes().len()]);
    let (mut cursor, mut hits, mut base) = (scanner.cursor(), Vec::new(), 0);
    let mut settled = 0;
    for upto in steps.iter().copied().chain([text.len()]) {
        let retained = Retained {
            text: &text[base..],
            base,
        };
        let before = hits.len();
        cursor.advance(scanner, &active, retained, upto, false, &mut hits);
        for hit in &hits[before..] {
            assert!(
                hit.range.start >= settled || hit.part == Part::More,
                "{hit:?} begins before {settled}"
            );
        }
        settled = cursor.open_from(scanner, &active, retained).unwrap_or(upto);
        base = cursor.needed_from().max(base);
        base = (base..=text.len())
            .find(|at| text.is_char_boundary(*at))
            .unwrap();
    }
    cursor.advance(
        scanner,
        &active,
        Retained {
            text: &text[base..],
            base,
        },
        text.len(),
        true,
        &mut hits,
    );
    joined(hits)
}

/// The same by trying every shape at every byte, one after another, with no index, no queue and no steps.
fn one_by_one(scanner: &Scanner, text: &str) -> Vec<(usize, Range<usize>)> {
    let mut out = Vec::new();
    for (number, shape) in scanner.shapes().iter().enumerate() {
        let is_email = matches!(shape.trigger, Trigger::Email);
        let mut next = 0;
        for at in 0..text.len() {
            if at < next || (is_email && text.as_bytes()[at] != b'@') {
                continue;
            }
            let start = match is_email {
                true => local_part_start(Retained { text, base: 0 }, at, next),
                false => at,
            };
            next = start + 1;
            if let Some(range) = try_at(shape, text, start) {
                next = range.end;
                out.extend((!range.is_empty()).then_some((number, range)));
            }
        }
    }
    out
}

fn try_at(shape: &Shape, text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut state = shape.begin(byte_before(Retained { text, base: 0 }, start))?;
    let mut matched = None;
    for at in start..bytes.len() {
        let run = shape.run(state, &bytes[at..=at]);
        matched = run.matched.map(|end| at + end).or(matched);
        match run.state {
            Some(next) => state = next,
            None if at - start > shape.max_span => return Some(start..boundary(text, at)),
            None => return judged(shape, text, start..matched?),
        }
    }
    if bytes.len() - start > shape.max_span {
        return Some(start..bytes.len());
    }
    if shape.matches_at_end(state) {
        matched = Some(bytes.len());
    }
    judged(shape, text, start..matched?)
}

fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap()
}

fn judged(shape: &Shape, text: &str, range: Range<usize>) -> Option<Range<usize>> {
    let from = (range.start.saturating_sub(BEFORE_MAX)..=range.start)
        .find(|i| text.is_char_boundary(*i))
        .unwrap();
    let candidate = Candidate {
        before: &text[from..range.start],
        text: &text[range.clone()],
    };
    let part = shape.judge(&candidate)?;
    Some(range.start + part.start..range.start + part.end)
}

fn check(text: &str, steps: &[usize]) {
    let scanner = scanner();
    let mut expected = one_by_one(scanner, text);
    expected.sort_by_key(|(shape, range)| (*shape, range.start));
    assert_eq!(
        in_steps(scanner, text, steps),
        expected,
        "{text:?} in steps {steps:?}"
    );
}

/// Text rich in hits, near-hits, cut-off hits, and things run together.
pub(crate) fn hostile() -> impl Strategy<Value = String> {
    let sample = (0..samples().len(), 0usize..200, any::<bool>()).prop_map(|(i, cut, whole)| {
        let (_, text, _) = &samples()[i];
        let cut = if whole {
            text.len()
        } else {
            cut.min(text.len())
        };
        text[..cut].to_owned()
    });
    let glue = proptest::sample::select(vec![
        " ",
        "\n",
        "",
        "-",
        "_",
        ".",
        ", ",
        "@",
        "é",
        "日本",
        "\u{200b}",
        "(",
        "+1 ",
        "0",
        "x",
        "<",
        ">",
        "go",
        "stop",
        "\n",
        "ab",
        "a",
        "b",
        "q",
        "z",
        "!",
        "token=",
        "-----BEGIN",
        "\\u000a",
        "SECRET",
        "//",
        "CUI",
        "eyJ",
        "\\n",
        "=",
        "\"",
    ]);
    let piece = prop_oneof![2 => sample, 3 => glue.prop_map(str::to_owned), 1 => "[a-z ]{0,12}", 1 => "[0-9 -]{0,14}"];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

#[test]
fn every_sample_is_found_whole_and_byte_by_byte() {
    let scanner = scanner();
    for (label, text, secret) in samples() {
        let text = format!("so: {text} and on");
        let steps: Vec<usize> = (0..text.len()).collect();
        for hits in [
            in_steps(scanner, &text, &[]),
            in_steps(scanner, &text, &steps),
        ] {
            let start = text.find(&secret).unwrap();
            let found = |(shape, range): &(usize, Range<usize>)| {
                scanner.shapes()[*shape].label == label
                    && range.start <= start
                    && start + secret.len() <= range.end
            };
            assert!(hits.iter().any(found), "{label} in {text:?}: {hits:?}");
        }
    }
}

#[test]
fn a_candidate_that_outgrows_its_span_is_found_and_swallows_on() {
    let text = format!("see <{} and more", "x".repeat(40));
    check(&text, &[]);
    check(&text, &[10, 20, 30]);
    let scanner = scanner();
    let hits = in_steps(scanner, &text, &[7, 8, 9, 25]);
    assert!(
        hits.iter().any(|(_, range)| *range == (4..text.len())),
        "{hits:?}"
    );
}

#[test]
fn nothing_is_held_after_plain_words() {
    let scanner = scanner();
    let active = Active(vec![true; scanner.shapes().len()]);
    for text in [
        "the quick brown fox ",
        "call 12 of them. ",
        "A sentence, ended.\n",
        "(so be it) ",
    ] {
        let (mut cursor, mut hits) = (scanner.cursor(), Vec::new());
        let retained = Retained { text, base: 0 };
        cursor.advance(scanner, &active, retained, text.len(), false, &mut hits);
        assert_eq!(
            cursor.open_from(scanner, &active, retained),
            None,
            "{text:?}"
        );
    }
}

#[test]
fn keywords_of_one_shape_do_not_hide_inside_each_other() {
    for shape in scanner().shapes() {
        let Trigger::Keywords(words) = &shape.trigger else {
            continue;
        };
        for (a, b) in words
            .iter()
            .flat_map(|a| words.iter().map(move |b| (a, b)))
            .filter(|(a, b)| a != b)
        {
            let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
            assert!(
                !a[1..a.len() - 1].contains(&b),
                "{b} inside {a}: beginnings would not come in order"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("PORTCULLIS_SOAK").is_some() { 200_000 } else { 2_000 }))]

    #[test]
    fn any_steps_find_what_trying_every_byte_finds(text in hostile(), cuts in proptest::collection::vec(0usize..400, 0..12)) {
        let mut steps: Vec<usize> = cuts.into_iter().map(|cut| boundary(&text, cut.min(text.len()))).collect();
        steps.sort_unstable();
        check(&text, &steps);
    }

    #[test]
    fn one_byte_steps_find_what_one_step_finds(text in hostile()) {
        let scanner = scanner();
        let steps: Vec<usize> = (0..text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        prop_assert_eq!(in_steps(scanner, &text, &steps), in_steps(scanner, &text, &[]));
    }
}

#[test]
fn an_escaped_line_end_is_no_letter() {
    for escape in ["\\n", "\\r", "\\t", "\\u000a", "\\u0009"] {
        for (label, text, _) in samples() {
            let text = format!("{{\"a\":\"x{escape}{text}\"}}");
            let hits = in_steps(scanner(), &text, &[]);
            let found =
                |(shape, _): &(usize, Range<usize>)| scanner().shapes()[*shape].label == label;
            assert!(hits.iter().any(found), "{label} in {text}");
        }
    }
    let text = "\\njane@example.com";
    let email = (2..text.len()).collect::<Vec<_>>();
    assert!(
        in_steps(scanner(), text, &[])
            .iter()
            .any(|(_, range)| range.clone().eq(email.iter().copied()))
    );
}
