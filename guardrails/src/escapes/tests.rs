use proptest::prelude::*;

use super::*;

/// What is read of a text in these pieces, and what each character is made of.
fn read(pieces: &[&str]) -> (String, Vec<Unit>) {
    let (mut escapes, mut units) = (Escapes::in_layers(LAYERS_MAX), Vec::new());
    for c in pieces.iter().flat_map(|piece| piece.chars()) {
        escapes.push(c, |unit| units.push(unit));
        assert!(escapes.held_bytes() <= HELD_MAX, "{escapes:?}");
        let mut held = escapes.layers.iter().flat_map(|layer| &layer.held);
        assert!(!held.any(|unit| unit.reads.is_whitespace()));
    }
    escapes.finish(|unit| units.push(unit));
    (units.iter().map(|unit| unit.reads).collect(), units)
}

fn check(written: &str, expected: &str) {
    assert_eq!(read(&[written]).0, expected, "{written}");
}

#[test]
fn escapes_are_read_and_everything_else_stays() {
    check(r#"a\n\t\r\b\f\/\"\u0041"#, "a\n\t\r\u{8}\u{c}/\"A");
    check(r"\ud83d\ude00!", "😀!");
    check(r"\q \u12 \u12g4 \é \", r"\q \u12 \u12g4 \é \");
    check(r"\u12\n", "\\u12\n");
}

#[test]
fn half_a_character_is_a_replacement() {
    check(r"\ud83dx", "\u{fffd}x");
    check(r"\ud83d\u0041", "\u{fffd}A");
    check(r"\ud83d\ud83d\ude00", "\u{fffd}😀");
    check(r"\ude00", "\u{fffd}");
    check(r"\ud83d\n", "\u{fffd}\n");
}

#[test]
fn what_was_read_is_read_again() {
    check(r"\\n\\\\u0041\\ud83d\\ude00", "\nA😀");
    check(r"\u005cu0041\u005c\u0075\u0030041", "AA");
    check(r#"{\"a\":\"\\\"b\\\"\"}"#, r#"{"a":""b""}"#);
    check(r"\\server", r"\server");
    let (deepest, deeper) = ("\\".repeat(4), "\\".repeat(8));
    check(&format!("{deepest}n"), "\n");
    check(&format!("{deeper}n"), r"\n");
}

fn text() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "\\", "\\", "u", "d83d", "de00", "00", "41", "n", "\"", "é", " ", "x", "\\u0041",
    ]);
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_byte_is_read_once(text in text()) {
        let (_, units) = read(&[&text]);
        let bytes: usize = units.iter().map(|unit| unit.bytes).sum();
        prop_assert_eq!(bytes, text.len());
    }

    #[test]
    fn json_strings_read_as_what_they_mean(text in "[^\\\\]{0,40}") {
        let json = serde_json::Value::String(text.clone()).to_string();
        let (read, _) = read(&[&json]);
        prop_assert_eq!(read, format!("\"{text}\""));
    }
}
