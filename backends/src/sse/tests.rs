//! The standard's examples, its corners, and the law that cuts do not matter.

use proptest::prelude::*;

use super::*;

#[test]
fn the_examples_of_the_standard() {
    check(
        "data: YHOO\ndata: +2\ndata: 10\n\n",
        &[("", "YHOO\n+2\n10")],
    );
    check(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        &[
            ("", "first event"),
            ("", "second event"),
            ("", " third event"),
        ],
    );
    check(
        "data\n\ndata\ndata\n\ndata:\n",
        &[("", ""), ("", "\n"), ("", "")],
    );
    check("data:test\n\ndata: test\n\n", &[("", "test"), ("", "test")]);
}

#[test]
fn every_line_end_ends_a_line() {
    check("data: a\n\ndata: b\n\n", &[("", "a"), ("", "b")]);
    check("data: a\r\n\r\ndata: b\r\n\r\n", &[("", "a"), ("", "b")]);
    check("data: a\r\rdata: b\r\r", &[("", "a"), ("", "b")]);
    check("data: a\r\n\ndata: b\n\r\n", &[("", "a"), ("", "b")]);
}

#[test]
fn comments_names_and_unknown_fields() {
    check(": ping\n\n: ping\n\n", &[]);
    check("event: error\ndata: x\n\n", &[("error", "x")]);
    check(
        "event: a\nevent: b\ndata: x\n\ndata: y\n\n",
        &[("b", "x"), ("", "y")],
    );
    check("event: lost without data\n\ndata: x\n\n", &[("", "x")]);
    check("retry: 3\nfoo: bar\nfoo\ndata: x\n\n", &[("", "x")]);
    check("DATA: x\n data: y\n\n", &[]);
}

#[test]
fn a_byte_order_mark_counts_at_the_start_only() {
    check("\u{feff}data: x\n\n", &[("", "x")]);
    check("\n\u{feff}data: x\n\n", &[]);
}

#[test]
fn a_complete_last_line_counts_at_the_end_and_a_torn_one_does_not() {
    check("data: [DONE]\n", &[("", "[DONE]")]);
    check("data: [DO", &[]);
    check("data: a\n\ndata: [DONE]", &[("", "a")]);
}

#[test]
fn broken_utf8_is_a_fault_and_the_events_before_it_stay() {
    let (frames, fault) = parse(&[b"data: a\n\ndata: \xff\n\ndata: b\n\n"], 100);
    assert_eq!(frames, [frame("", "a")]);
    assert_eq!(fault, Some(Fault::NotUtf8));
}

#[test]
fn broken_utf8_in_a_comment_harms_nobody() {
    let (frames, fault) = parse(&[b": \xff\ndata: a\n\n"], 100);
    assert_eq!((frames, fault), (vec![frame("", "a")], None));
}

#[test]
fn an_event_may_be_as_long_as_the_limit_and_no_longer() {
    let exactly = format!("data: {}\n\n", "x".repeat(50));
    let over = format!("data: {}\n\n", "x".repeat(51));
    let over_in_lines = format!("data: {}\ndata: {}\n\n", "x".repeat(25), "x".repeat(25));
    assert_eq!(parse(&[exactly.as_bytes()], 50).1, None);
    assert_eq!(parse(&[over.as_bytes()], 50).1, Some(Fault::Oversized));
    assert_eq!(
        parse(&[over_in_lines.as_bytes()], 50).1,
        Some(Fault::Oversized)
    );
}

#[test]
fn a_line_without_end_is_cut_off_at_the_limit() {
    let mut parser = Parser::new(1000);
    let mut frames = VecDeque::new();
    let pushed = (0..).find(|_| parser.push(&[b'x'; 100], &mut frames).is_err());
    assert_eq!(pushed, Some(10));
    assert_eq!(
        parser.push(b"\n", &mut frames),
        Err(Fault::Oversized),
        "final"
    );
}

proptest! {
    #[test]
    fn cuts_do_not_matter(bytes in stream(), cuts in prop::collection::vec(0_usize..400, 0..12)) {
        let whole = parse(&[&bytes], 40);
        prop_assert_eq!(&parse(&cut_at(&bytes, cuts), 40), &whole);
        let singles: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&parse(&singles, 40), &whole);
    }

    #[test]
    fn what_is_written_is_read(texts in prop::collection::vec("[^\r\n]{0,12}(\n[^\r\n]{0,12}){0,2}", 0..6)) {
        let written: String = texts.iter().map(|text| {
            text.split('\n').map(|line| format!("data: {line}\n")).collect::<String>() + "\n"
        }).collect();
        let (frames, fault) = parse(&[written.as_bytes()], 1000);
        let read: Vec<String> = frames.into_iter().map(|frame| frame.data).collect();
        prop_assert_eq!((read, fault), (texts, None));
    }
}

/// Bytes in which the things that matter are frequent.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => Just(b"data: ".to_vec()),
        2 => Just(b"data:".to_vec()),
        1 => Just(b"event: e".to_vec()),
        1 => Just(b": comment".to_vec()),
        4 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        2 => Just(b"\r".to_vec()),
        1 => Just(BYTE_ORDER_MARK.to_vec()),
        3 => "[a-z{}\u{e9}\u{1f600}]{1,9}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 1..3),
        1 => Just(vec![b'y'; 30]),
    ];
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

fn cut_at(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    cuts.retain(|cut| *cut <= bytes.len());
    cuts.sort_unstable();
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for cut in cuts {
        let (piece, after) = rest.split_at(cut - (bytes.len() - rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

fn parse(pieces: &[&[u8]], event_bytes_max: usize) -> (Vec<Frame>, Option<Fault>) {
    let mut parser = Parser::new(event_bytes_max);
    let mut frames = VecDeque::new();
    let mut result = Ok(());
    for piece in pieces {
        result = result.and_then(|()| parser.push(piece, &mut frames));
    }
    let result = result.and_then(|()| parser.finish(&mut frames));
    (frames.into(), result.err())
}

fn check(stream: &str, expected: &[(&str, &str)]) {
    let (frames, fault) = parse(&[stream.as_bytes()], 1000);
    let expected: Vec<Frame> = expected
        .iter()
        .map(|(event, data)| frame(event, data))
        .collect();
    assert_eq!((frames, fault), (expected, None), "{stream:?}");
}

fn frame(event: &str, data: &str) -> Frame {
    Frame {
        event: event.to_owned(),
        data: data.to_owned(),
    }
}
