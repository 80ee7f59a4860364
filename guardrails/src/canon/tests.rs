use proptest::prelude::*;

use super::*;

fn check(original: &str, expected: &str) {
    assert_eq!(canonical(original), expected, "{original:?}");
}

/// Text rich in characters that fold.
pub(crate) fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -~]{0,6}",
        2 => proptest::sample::select(vec![
            "\u{200b}", "\u{ad}", "\u{feff}", "\u{202e}", "\u{e0041}", "\u{a0}", "\u{3000}", "\u{2013}", "０", "７", "Ａ",
            "٣", "𝟗", "’", "é", "日本", "😀", "\u{fe0f}", "\u{2028}", "ß",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn ascii_is_its_own_canonical_text_and_is_not_copied() {
    assert!(matches!(
        canonical("plain text\n"),
        Cow::Borrowed("plain text\n")
    ));
}

#[test]
fn characters_fold_as_the_table_says() {
    check("０78\u{2011}05\u{2013}1120", "078-05-1120");
    check("AK\u{200b}IA\u{ad}X", "AKIAX");
    check("a\u{a0}b\u{3000}c", "a b c");
    check("“it’s”", "\"it's\"");
    check("٣𝟗", "39");
    check("\u{202e}abc\u{202c}", "abc");
    check("naïve 日本", "naïve 日本");
}

#[test]
fn a_redaction_covers_the_hidden_characters_inside() {
    let mut canon = Canon::default();
    canon.push("x ０7\u{200b}8 y");
    assert_eq!(canon.original(2..5), 2..10);
    assert_eq!(canon.original_start(canon.end()), 12);
}

#[test]
fn offsets_stay_valid_when_the_front_is_dropped() {
    let mut canon = Canon::default();
    canon.push("abc\u{200b}def ０");
    canon.drop_before(4);
    assert_eq!(canon.retained(), ("ef 0", 4));
    assert_eq!(canon.original(4..6), 7..9);
    assert_eq!(canon.original(7..8), 10..13);
    // `def ` is one piece, cut within; `abc` is gone.
    assert_eq!(canon.original_start(0), 6);
    assert_eq!(canon.original_start(canon.end()), 13);
}

proptest! {
    #[test]
    fn folding_is_idempotent_and_never_grows(text in tricky()) {
        let once = canonical(&text).into_owned();
        prop_assert!(once.len() <= text.len());
        prop_assert_eq!(canonical(&once).into_owned(), once);
    }

    #[test]
    fn the_map_round_trips(text in tricky(), a in 0usize..80, b in 0usize..80) {
        let mut canon = Canon::default();
        canon.push(&text);
        let (folded, _) = canon.retained();
        let (a, b) = (a.min(b).min(folded.len()), a.max(b).min(folded.len()));
        prop_assume!(a < b && folded.is_char_boundary(a) && folded.is_char_boundary(b));
        let range = canon.original(a..b);
        let back = text.get(range.clone());
        prop_assert!(back.is_some(), "{range:?} of {text:?} is not on character boundaries");
        prop_assert_eq!(canonical(back.unwrap()).into_owned(), &folded[a..b]);
    }

    #[test]
    fn folding_in_pieces_is_folding_at_once(text in tricky(), cut in 0usize..80, drop in 0usize..80) {
        let cut = (0..=cut.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let mut whole = Canon::default();
        whole.push(&text);
        let mut pieces = Canon::default();
        pieces.push(&text[..cut]);
        pieces.drop_before(drop.min(pieces.end()));
        pieces.push(&text[cut..]);
        let (rest, base) = pieces.retained();
        prop_assert_eq!(rest, &whole.retained().0[base..]);
        if base < whole.end() {
            prop_assert_eq!(pieces.original(base..whole.end()), whole.original(base..whole.end()));
        }
    }

    #[test]
    fn every_reading_is_the_same_in_pieces(text in encodings(), cuts in proptest::collection::vec(0usize..400, 0..6)) {
        for reading in [Reading::Escapes(3), Reading::Lookalikes, Reading::Encoded(1), Reading::Encoded(3), Reading::Unwrapped] {
            let mut whole = Canon::default().reading(reading);
            whole.push(&text);
            whole.finish();
            let mut cuts: Vec<usize> = cuts.iter().map(|at| text.floor_char_boundary(*at)).collect();
            cuts.sort_unstable();
            let (mut pieces, mut done) = (Canon::default().reading(reading), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text[done..cut]);
                done = cut;
            }
            pieces.finish();
            prop_assert_eq!(pieces.retained(), whole.retained());
            prop_assert_eq!(pieces.read(), text.len());
            for at in 0..whole.end() {
                prop_assert_eq!(pieces.original(at..at + 1), whole.original(at..at + 1));
            }
        }
    }

    #[test]
    fn a_text_that_is_cut_is_what_it_was(text in tricky(), more in tricky()) {
        let mut canon = Canon::default();
        canon.push(&text);
        let (before, place) = (canon.clone(), (canon.end(), text.len()));
        canon.push(&more);
        let cut = canon.cut_at(place.0, place.1);
        prop_assert_eq!(cut.retained(), before.retained());
        prop_assert_eq!(cut.read(), before.read());
        for at in 0..place.0 {
            prop_assert_eq!(cut.original(at..at + 1), before.original(at..at + 1));
        }
    }
}

/// Text rich in what reads otherwise.
fn encodings() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        2 => tricky(),
        2 => proptest::sample::select(vec![
            "%", "%4", "%41", "%C3%A9", " ", "/", "=", "SGVsbG8sIHdvcmxk", "SGVs", "3037382d30352d3131", "internationalization",
            "\\u0041", "\\", "АКІА", "é",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{12,40}".prop_map(|text| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)),
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}
