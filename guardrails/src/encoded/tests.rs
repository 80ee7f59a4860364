use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;

use super::*;
use crate::canon::{Canon, Reading};

/// What is read of a text in so many layers, and what each character is made of. Characters that are passed over are not
/// in the text.
fn read_in(layers: usize, text: &str) -> (String, Vec<Unit>) {
    read_as(Encoded::in_layers(layers), text)
}

fn read_as(mut encoded: Encoded, text: &str) -> (String, Vec<Unit>) {
    let mut units = Vec::new();
    for c in text.chars() {
        encoded.push(c, |unit| units.push(unit));
        let held = encoded.layers.iter().map(|layer| layer.held.len());
        assert!(held.max().unwrap_or(0) <= HEX_MIN, "{encoded:?}");
        let waiting = encoded.layers.iter().any(|layer| !layer.held.is_empty());
        let unwraps = encoded.layers.iter().any(|layer| layer.unwraps);
        assert!(
            !c.is_whitespace() || !waiting || unwraps,
            "{encoded:?} waits across whitespace"
        );
    }
    encoded.finish(|unit| units.push(unit));
    let seen = units
        .iter()
        .map(|unit| unit.reads)
        .filter(|c| *c != NOTHING);
    (seen.collect(), units)
}

fn check(written: &str, expected: &str) {
    assert_eq!(read_in(1, written).0, expected, "{written}");
}

#[test]
fn what_is_encoded_is_read_where_it_stands() {
    check("Look: MDc4LTA1LTExMjA= here", "Look: 078-05-1120 here");
    check("(MDc4LTA1LTExMjA)", "(078-05-1120)");
    check("3037382d30352d31313230.", "078-05-1120.");
    check("%30%37%38%2D05%2d1120", "078-05-1120");
    check("x=%D0%9F%D1%80%F0%9F%98%80;", "x=Пр😀;");
    check(
        "data:text/plain;base64,SGVsbG8sIHdvcmxkIQ==\n",
        "data:text/plain;base64,Hello, world!\n",
    );
    // Behind a part of a path, and in the alphabet for URLs.
    check("/files/SGVsbG8sIHdvcmxkIQ", "/files/Hello, world!");
    check("--SGVsbG8_d29ybGQ_Pj4-", "--Hello?world?>>>");
    // UTF-16, as PowerShell has it.
    check("-enc UwBSAE0ALQBJAGYA", "-enc SRM-If");
}

#[test]
fn a_run_goes_on_behind_line_breaks_where_it_is_read_unwrapped() {
    for (written, expected) in [
        (
            "TXkgbnVtYmVyIGlz\r\nIDA3OC0wNS0xMTIw.",
            "My number is 078-05-1120.",
        ),
        (
            "TXkgbnVtYmVyIGl\u{200b}zID A3\tOC0wNS0xMTIw.",
            "My number is 078-05-1120.",
        ),
        (
            "3037382d30352d31\n31\n3\n2\n30, and so on",
            "078-05-1120, and so on",
        ),
        // Its first characters stand together, or it is none.
        ("TXkg bnVtYmVyIGlz", "TXkg number is"),
        ("no run in this, or in that", "no run in this, or in that"),
        // Padding ends it.
        ("MDc4LTA1LTExMjA=\nand so on", "078-05-1120\nand so on"),
    ] {
        let (read, units) = read_as(Encoded::unwrapped(), written);
        assert_eq!(read, expected, "{written:?}");
        let bytes: usize = units.iter().map(|unit| unit.bytes).sum();
        assert_eq!(bytes, written.len(), "{written:?}");
    }
}

#[test]
fn what_only_looks_encoded_stays() {
    for plain in [
        "internationalization of misunderstandings",
        "https://example.com/docs/api/reference?x=100%",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "550e8400-e29b-41d4-a716-446655440000",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "4111111111111111",
        "50%of %zz %4",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "short SGVsbG8=",
    ] {
        check(plain, plain);
        assert!(!is_in(plain, true), "{plain}");
    }
}

#[test]
fn what_was_read_is_read_again() {
    let twice = STANDARD.encode(STANDARD.encode("my number is 078-05-1120"));
    assert_eq!(read_in(2, &twice).0, "my number is 078-05-1120");
    assert_eq!(
        read_in(3, &STANDARD.encode("%30%37%38-05-1120")).0,
        "078-05-1120"
    );
    let thrice = STANDARD.encode(&twice);
    assert_eq!(read_in(3, &thrice).0, "my number is 078-05-1120");
    assert_ne!(read_in(2, &thrice).0, "my number is 078-05-1120");
}

#[test]
fn what_a_layer_leaves_may_be_the_beginning_of_what_the_next_reads() {
    for text in ["%4%41", " %%34%41", "a%SGVsbG8sIHdv"] {
        let mut canon = Canon::default().reading(Reading::Encoded(2));
        canon.push(text);
        canon.finish();
        assert_eq!(canon.retained().0, read_in(2, text).0);
    }
}

#[test]
fn broken_codes_are_read_as_far_as_they_go() {
    check("%FF%41%C3%28", "?A?(");
    check("SGVsbG8sIHdvcmxk\u{e9}", "Hello, world\u{e9}");
    check("SGVsbG8sIHdvcmxkX", "Hello, worldX");
    check("%E4%BD", "??");
}

#[test]
fn it_is_known_where_something_may_go_on() {
    for open in ["x", "50%", "50%4", "SGVs", "a SGVsbG8s"] {
        assert!(is_in(open, false), "{open}");
        assert!(!is_in(open, true), "{open}");
    }
    assert!(!is_in("a SGVsbG8s ", false));
    assert!(is_in("%41 ", false) && is_in("a/SGVsbG8sIHdv ", false));
}

#[test]
fn blocks_end_nowhere_in_particular() {
    for before in BLOCK_BYTES - 20..BLOCK_BYTES + 4 {
        let filler = "no. ".repeat(before / 4) + &".".repeat(before % 4);
        for (written, expected) in [
            ("MDc4LTA1LTExMjA=.", "078-05-1120."),
            ("%30%37%38", "078"),
            ("100% %4x internationalization", ""),
        ] {
            let text = format!("{filler}{written} and on");
            let expected = if expected.is_empty() {
                written
            } else {
                expected
            };
            assert_eq!(
                is_in(&text, true),
                expected != written,
                "{before}: {written}"
            );
            assert_eq!(read_in(1, &text).0, format!("{filler}{expected} and on"));
            let mut canon = Canon::default().reading(Reading::Encoded(1));
            canon.push(&text);
            canon.finish();
            assert_eq!(canon.retained().0, format!("{filler}{expected} and on"));
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "%",
        "%4",
        "%41",
        "%C3%A9",
        "é",
        " ",
        "/",
        "-",
        "=",
        "SGVsbG8sIHdvcmxk",
        "SGVsbG8s",
        "3037382d30352d3131",
        "x9",
        "AAAA",
        "\u{200b}",
        "%00",
    ]);
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn every_byte_is_read_once_and_nothing_grows(text in text(), layers in 1usize..=LAYERS_MAX) {
        let (_, units) = read_in(layers, &text);
        let bytes: usize = units.iter().map(|unit| unit.bytes).sum();
        prop_assert_eq!(bytes, text.len());
        for unit in units.iter().filter(|unit| unit.reads != NOTHING) {
            prop_assert!(unit.reads.len_utf8() <= unit.bytes, "{:?}", unit);
        }
    }

    #[test]
    fn every_byte_is_read_once_unwrapped_too(text in text()) {
        let (_, units) = read_as(Encoded::unwrapped(), &text);
        let bytes: usize = units.iter().map(|unit| unit.bytes).sum();
        prop_assert_eq!(bytes, text.len());
        for unit in units.iter().filter(|unit| unit.reads != NOTHING) {
            prop_assert!(unit.reads.len_utf8() <= unit.bytes, "{:?}", unit);
        }
        // What is announced for one reading is for the other.
        prop_assert!(is_in(&text, true) || units.iter().all(|unit| !unit.decoded), "{text:?}");
    }

    #[test]
    fn whatever_is_wrapped_is_read(text in "[ -~é日]{12,200}", width in 12usize..100, hex in any::<bool>()) {
        let encoded = match hex {
            true => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
            false => STANDARD.encode(&text),
        };
        // A run is known by its first characters; hexadecimal needs a few more.
        let width = if hex { width.max(HEX_MIN) } else { width };
        let lines: Vec<&str> = encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        let layer = Layer { unwraps: true, ..Layer::default() };
        let read = read_as(Encoded { layers: vec![layer] }, &lines.join("\r\n")).0;
        // Padding may be wrapped, too; it says nothing.
        let rest = read.strip_prefix(&text);
        prop_assert!(rest.is_some_and(|rest| rest.trim_matches(['\r', '\n', '=']).is_empty()), "{read}");
    }

    #[test]
    fn what_reads_otherwise_is_announced(text in text()) {
        let (read, units) = read_in(1, &text);
        let otherwise = read != text.replace(NOTHING, "") || units.iter().any(|unit| unit.reads.len_utf8() != unit.bytes && unit.reads != NOTHING);
        prop_assert!(!otherwise || is_in(&text, true), "{read:?} of {text:?}");
    }

    #[test]
    fn whatever_text_is_encoded_is_read(text in "[ -~é日]{9,60}") {
        prop_assert_eq!(read_in(1, &STANDARD.encode(&text)).0, text.clone());
        prop_assert_eq!(read_in(1, &STANDARD_NO_PAD.encode(&text)).0, text.clone());
        prop_assert_eq!(read_in(1, &URL_SAFE.encode(&text)).0, text.clone());
        let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        prop_assert_eq!(read_in(1, &hex).0, text.clone());
        let percent: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        prop_assert_eq!(read_in(1, &percent).0, text);
    }
}
