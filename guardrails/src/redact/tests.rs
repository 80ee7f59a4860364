use proptest::prelude::*;

use super::*;

fn mask(range: Range<usize>, label: &str) -> Mask {
    Mask {
        range,
        text: mask_text(label, None),
        part: Part::New,
        rank: 0,
    }
}

fn check(masks: &[Mask], expected: &str) {
    let text = "0123456789";
    let mut redactor = Redactor::default();
    masks.iter().cloned().for_each(|mask| redactor.add(mask));
    assert_eq!(redactor.take(10, |range| &text[range]), expected);
}

#[test]
fn overlapping_masks_are_one() {
    check(&[mask(2..5, "a")], "01[REDACTED:a]56789");
    check(&[mask(4..8, "b"), mask(2..5, "a")], "01[REDACTED:a]89");
    check(
        &[mask(2..4, "short"), mask(2..5, "long")],
        "01[REDACTED:long]56789",
    );
    check(
        &[mask(2..5, "a"), mask(5..6, "b")],
        "01[REDACTED:a][REDACTED:b]6789",
    );
    check(&[mask(0..10, "a")], "[REDACTED:a]");
}

#[test]
fn more_of_an_outgrown_hit_joins_its_mask() {
    let more = Mask {
        part: Part::More,
        ..mask(5..8, "a")
    };
    check(
        &[mask(5..6, "b"), more, mask(2..5, "a")],
        "01[REDACTED:a]89",
    );
}

proptest! {
    #[test]
    fn pieces_give_what_the_whole_gives(ranges in proptest::collection::vec((0usize..40, 1usize..12), 0..6), cuts in proptest::collection::vec(0usize..50, 0..6)) {
        let text: String = (b'a'..=b'z').chain(b'A'..=b'X').map(char::from).collect();
        let masks: Vec<Mask> = ranges.iter().enumerate()
            .map(|(i, (start, len))| mask(*start..(*start + *len).min(50), &i.to_string()))
            .collect();
        let mut whole = Redactor::default();
        masks.iter().cloned().for_each(|mask| whole.add(mask));
        let whole = whole.take(50, |range| &text[range]);

        let mut cuts = cuts;
        cuts.push(50);
        cuts.sort_unstable();
        let mut pieces = Redactor::default();
        let (mut out, mut from) = (String::new(), 0);
        for cut in cuts {
            masks.iter().filter(|m| (from..cut).contains(&m.range.start)).cloned().for_each(|m| pieces.add(m));
            out += &pieces.take(cut, |range| &text[range]);
            from = cut;
        }
        prop_assert_eq!(out, whole);
    }
}

#[test]
fn a_value_has_one_name_however_it_is_spelled() {
    let key = RedactionKey::new(&[7; 32]);
    let name = |value: &str| key.name("us_ssn", value);
    let ssn = name("078-05-1120");
    assert!(ssn.len() == 12 && ssn.bytes().all(|b| b.is_ascii_lowercase()));
    for same in [
        "078 05 1120",
        "078051120",
        "０７８－05-1120",
        "078\u{200b}-05-1120",
    ] {
        assert_eq!(name(same), ssn, "{same}");
    }
    for other in ["078-05-1121", "", "78-05-1120"] {
        assert_ne!(name(other), ssn, "{other}");
    }
    assert_eq!(name("Jane.Roe@example.com"), name("jane.roe@EXAMPLE.com"));
    assert_ne!(name("jane.roe@example.com"), name("janeroe@example.com"));
    assert_ne!(key.name("us_itin", "078-05-1120"), ssn);
    let another = RedactionKey::new(&[8; 32]);
    assert_ne!(another.name("us_ssn", "078-05-1120"), ssn);
    // Computed by Python's `hmac`: 1569e49c7564.
    assert_eq!(ssn, "chjmsgmqkhjg");
    assert!(is_mask(&mask_text("us_ssn", Some(&ssn))));
}
