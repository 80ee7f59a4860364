use proptest::prelude::*;

use super::*;

/// Any label within the bounds, built from the short form's own vocabulary.
pub(crate) fn any_label() -> impl Strategy<Value = Label> {
    let level = prop_oneof![
        Just(Level::U),
        Just(Level::Cui),
        Just(Level::C),
        Just(Level::S),
        Just(Level::Ts)
    ];
    let needs = prop::collection::btree_set(
        prop::sample::select(vec!["PRVCY", "EXPT", "SI", "TK", "SI-G", "CTI", "RD"])
            .prop_map(str::to_owned),
        0..4,
    );
    let codes = prop::sample::select(vec!["USA", "GBR", "CAN", "AUS", "NZL", "FRA"])
        .prop_map(str::to_owned);
    let release = prop_oneof![
        2 => Just(Release::Anyone),
        3 => prop::collection::btree_set(codes, 0..6).prop_map(Release::Only),
    ];
    (level, needs, release).prop_map(|(level, needs, release)| Label {
        level,
        needs,
        release,
    })
}

fn short(text: &str) -> Label {
    Label::parse(text).expect("a label of the short form")
}

fn banner(text: &str) -> String {
    Label::from_banner(text).expect("a banner").to_string()
}

#[test]
fn the_short_form_is_read_and_written() {
    for text in [
        "U",
        "CUI",
        "CUI:PRVCY",
        "S:SI+TK",
        "TS:SI+TK+NF",
        "S:FVEY",
        "S:REL-GBR-USA",
        "C:NOREL",
    ] {
        assert_eq!(short(text).to_string(), text);
    }
}

#[test]
fn what_is_no_label_says_why() {
    let check =
        |text: &str, expected: LabelError| assert_eq!(Label::parse(text), Err(expected), "{text}");
    check("", LabelError::Empty);
    check("SECRET", LabelError::Level("SECRET".into()));
    check("cui", LabelError::Level("cui".into()));
    check("U ", LabelError::Level("U ".into()));
    check("CUI:", LabelError::Tag(String::new()));
    check("CUI:prvcy", LabelError::Tag("prvcy".into()));
    check("CUI:PRVCY+", LabelError::Tag(String::new()));
    check("S:REL", LabelError::Tag("REL".into()));
    check("S:REL-UK", LabelError::Country("UK".into()));
    check("S:ſI", LabelError::Tag("ſI".into()));
    check(
        &format!("U:{}", "A".repeat(33)),
        LabelError::Tag("A".repeat(33)),
    );
    check(&"U".repeat(LABEL_BYTES_MAX + 1), LabelError::TooLong);
    let many = (0..=TAGS_MAX)
        .map(|nth| format!("T{nth}"))
        .collect::<Vec<_>>()
        .join("+");
    check(&format!("U:{many}"), LabelError::TooManyTags);
}

#[test]
fn banners_and_portion_marks_are_understood() {
    let check = |text: &str, expected: &str| assert_eq!(banner(text), expected, "{text}");
    check("UNCLASSIFIED", "U");
    check("(U)", "U");
    check("(CUI)", "CUI");
    check("CONTROLLED", "CUI");
    check("CUI//SP-PRVCY", "CUI:PRVCY");
    check("CUI//SP-PRVCY/EXPT//FEDCON", "CUI:EXPT+FEDCON+PRVCY");
    check("TOP SECRET//SI//NOFORN", "TS:SI+NF");
    check("TOP SECRET//SI/TK//RELIDO", "TS:RELIDO+SI+TK");
    check("(TS//SI-G//OC/NF)", "TS:OC+SI+SI-G+NF");
    check("(S//REL TO USA, GBR)", "S:REL-GBR-USA");
    check("SECRET//RD-SIGMA 1 2", "S:RD+RD-SIGMA-1-2");
    check("SECRET//FVEY", "S:FVEY");
    check("  (S//NF)  ", "S:NF");
}

#[test]
fn a_banner_that_is_not_understood_is_never_a_low_label() {
    for text in [
        "//COSMIC TOP SECRET",
        "//JOINT SECRET CAN GBR USA",
        "SECRET//",
        "SECRET//si",
        "SEKRET",
        "(S",
    ] {
        assert!(Label::from_banner(text).is_err(), "{text}");
    }
}

#[test]
fn dominance_asks_for_level_tags_and_release() {
    let check = |holder: &str, data: &str, expected: bool| {
        assert_eq!(
            short(holder).dominates(&short(data)),
            expected,
            "{holder} over {data}"
        );
    };
    check("CUI", "U", true);
    check("U", "CUI", false);
    check("CUI", "CUI:PRVCY", false);
    check("CUI:PRVCY", "CUI", true);
    check("TS", "CUI:PRVCY", false);
    check("S:NF", "S:NF", true);
    check("S", "S:NF", false);
    check("S:NF", "S:FVEY", true);
    check("S:FVEY", "S:NF", false);
    check("S:REL-GBR", "S:FVEY", true);
    check("S:REL-GBR", "S:NF", false);
    check("S:NOREL", "S:NF", true);
}

proptest! {
    #![proptest_config(crate::tests::cases())]

    #[test]
    fn labels_round_trip(label in any_label()) {
        prop_assert_eq!(Label::parse(&label.to_string()), Ok(label));
    }

    #[test]
    fn dominance_is_a_partial_order(a in any_label(), b in any_label(), c in any_label()) {
        prop_assert!(a.dominates(&a));
        if a.dominates(&b) && b.dominates(&a) {
            prop_assert_eq!(&a, &b);
        }
        if a.dominates(&b) && b.dominates(&c) {
            prop_assert!(a.dominates(&c));
        }
    }

    #[test]
    fn join_is_the_least_upper_bound(a in any_label(), b in any_label(), c in any_label()) {
        let join = a.join(&b);
        prop_assert!(join.dominates(&a) && join.dominates(&b));
        prop_assert_eq!(c.dominates(&join), c.dominates(&a) && c.dominates(&b));
        prop_assert_eq!(a.dominates(&b), a.join(&b) == a);
    }

    #[test]
    fn meet_is_the_greatest_lower_bound(a in any_label(), b in any_label(), c in any_label()) {
        let meet = a.meet(&b);
        prop_assert!(a.dominates(&meet) && b.dominates(&meet));
        prop_assert_eq!(meet.dominates(&c), a.dominates(&c) && b.dominates(&c));
        prop_assert_eq!(a.join(&meet), a);
    }

    #[test]
    fn join_commutes_associates_and_repeats(a in any_label(), b in any_label(), c in any_label()) {
        prop_assert_eq!(a.join(&b), b.join(&a));
        prop_assert_eq!(a.join(&b).join(&c), a.join(&b.join(&c)));
        prop_assert_eq!(a.join(&a), a.clone());
        prop_assert_eq!(a.join(&Label::unclassified()), a);
    }

    #[test]
    fn no_text_panics_and_what_parses_round_trips(text in "\\PC{0,60}") {
        if let Ok(label) = Label::parse(&text) {
            prop_assert_eq!(Label::parse(&label.to_string()), Ok(label));
        }
        if let Ok(label) = Label::from_banner(&text) {
            prop_assert_eq!(Label::parse(&label.to_string()), Ok(label));
        }
    }
}
