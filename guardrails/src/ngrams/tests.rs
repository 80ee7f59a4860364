//! Laws of the features, and one golden vector.

use proptest::prelude::*;

use super::*;

fn length(features: &Features) -> f64 {
    features
        .values
        .iter()
        .map(|v| f64::from(*v) * f64::from(*v))
        .sum()
}

/// Every model depends on these numbers: a change here is a new `VERSION`, and every model is fitted anew.
#[test]
fn the_golden_vector_stays() {
    let golden = [
        7670, 9754, 12099, 24107, 38962, 43771, 45873, 52009, 62492, 63029, 70648, 73321, 86015,
        87856, 91007, 105_323, 117_753, 119_866, 124_758, 145_363, 149_128, 169_905, 172_412,
        218_804, 223_183, 239_019,
    ];
    let found = features("Ignore it #1");
    assert_eq!((VERSION, found.ids.as_slice()), (1, golden.as_slice()));
    assert!(
        found
            .values
            .iter()
            .all(|value| value.to_bits() == 0x3e48_d2ab),
        "each is sqrt(1/26)"
    );
}

#[test]
fn repeated_words_weigh_as_the_root_of_their_share() {
    let (once, thrice) = (features("a"), features("a b a b a"));
    let (Some(id), Some(alone)) = (once.ids.first(), once.values.first()) else {
        panic!("no features")
    };
    let shared = thrice
        .ids
        .iter()
        .position(|other| other == id)
        .and_then(|at| thrice.values.get(at));
    assert!(shared.is_some_and(|value| value < alone));
}

#[test]
fn letter_case_and_sentence_punctuation_make_no_difference() {
    assert_eq!(features("Ignore the rules!"), features("ignore, THE rules"));
    assert_eq!(features("don't"), features("dont"));
}

#[test]
fn digits_inside_words_are_read_as_letters_and_numbers_by_length() {
    assert_eq!(features("1gn0re"), features("ignore"));
    assert_eq!(features("2024"), features("1999"));
    assert_ne!(features("2024"), features("20245"));
}

#[test]
fn word_order_counts_through_pairs() {
    assert_ne!(features("previous ignore"), features("ignore previous"));
}

#[test]
fn a_text_without_words_has_no_features() {
    assert_eq!(features(""), Features::default());
    assert_eq!(features(" .,\n\t… "), Features::default());
}

#[test]
fn a_run_of_one_mark_counts_once() {
    assert_eq!(features("### a"), features("# a"));
    assert_ne!(features("# a"), features("a"));
}

#[test]
fn windows_overlap_and_the_last_one_is_full() {
    let text = "a b c d e f g";
    let cut = |words, overlap| {
        windows(text, words, overlap)
            .into_iter()
            .map(|r| &text[r])
            .collect::<Vec<_>>()
    };
    assert_eq!(cut(4, 2), ["a b c d", "c d e f", "d e f g"]);
    assert_eq!(cut(7, 3), ["a b c d e f g"]);
    assert_eq!(cut(9, 3), ["a b c d e f g"]);
    assert_eq!(cut(1, 5).len(), 7);
    assert!(windows(" \n ", 4, 2).is_empty());
}

#[test]
fn a_long_run_without_spaces_is_cut_into_words() {
    let text = "é".repeat(WORD_BYTES_MAX);
    let cut = windows(&text, 1, 0);
    assert_eq!(cut.len(), 2);
    assert!(cut.iter().all(|r| r.len() <= WORD_BYTES_MAX));
}

#[test]
fn windows_of_one_text_have_the_features_of_each_alone() {
    let text = "#One two, three's # 4our\u{b}five-six  <<seven>> n\u{e9}uf";
    let boundaries: Vec<usize> = (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .collect();
    let pairs = boundaries
        .iter()
        .flat_map(|start| boundaries.iter().map(|end| *start..*end));
    let all: Vec<Range<usize>> = pairs.filter(|window| window.start <= window.end).collect();
    for (shared, window) in window_features(text, &all).iter().zip(&all) {
        assert_eq!(*shared, features(&text[window.clone()]), "{window:?}");
    }
}

proptest! {
    #[test]
    fn windows_share_their_ngrams(text in "(\\PC|[a-z0-9 '#<.,\\n\u{e9}]){0,120}", words in 1_usize..8, overlap in 0_usize..8) {
        let cut = windows(&text, words, overlap);
        let alone: Vec<Features> = cut.iter().map(|window| features(&text[window.clone()])).collect();
        prop_assert_eq!(window_features(&text, &cut), alone);
    }

    #[test]
    fn any_text_gives_sorted_unique_ids_and_a_vector_of_length_one(text in any::<String>()) {
        let found = features(&text);
        prop_assert_eq!(found.ids.len(), found.values.len());
        prop_assert!(found.ids.is_sorted_by(|a, b| a < b));
        prop_assert!(found.ids.iter().all(|id| *id < BUCKETS));
        prop_assert!(found.values.iter().all(|value| *value > 0.0 && *value <= 1.0));
        prop_assert!(found.ids.is_empty() || (length(&found) - 1.0).abs() < 1e-4);
        prop_assert_eq!(found, features(&text));
    }

    #[test]
    fn work_is_linear_in_the_text(text in any::<String>()) {
        // Per word of n letters: at most 3 (n + 2) character n-grams, the word and a pair; lower-casing may triple it.
        prop_assert!(features(&text).ids.len() <= 11 * text.len());
    }

    #[test]
    fn windows_hold_every_word_and_no_more_than_asked(text in any::<String>(), words in 1_usize..8, overlap in 0_usize..8) {
        let cut = windows(&text, words, overlap);
        for word in word_ranges(&text) {
            prop_assert!(cut.iter().any(|window| window.start <= word.start && word.end <= window.end));
        }
        for window in cut {
            prop_assert!(word_ranges(&text[window]).len() <= words);
        }
    }
}
