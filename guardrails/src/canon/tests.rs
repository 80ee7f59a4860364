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
}
