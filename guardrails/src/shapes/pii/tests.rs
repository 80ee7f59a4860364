use proptest::prelude::*;

use super::*;

fn judged(judge: fn(&Candidate<'_>) -> Option<Range<usize>>, text: &str) -> Option<&str> {
    judge(&Candidate { before: "", text }).map(|range| &text[range])
}

/// The digit that makes Luhn's sum a multiple of ten.
fn luhn_digit(digits: &[u8]) -> u8 {
    (0..10)
        .find(|last| luhn(&[digits, &[*last]].concat()))
        .expect("one of ten fits")
}

fn spelled(digits: &[u8]) -> String {
    digits
        .iter()
        .map(|digit| char::from(b'0' + digit))
        .collect()
}

/// A card number of an issuer's prefix and length.
fn card() -> impl Strategy<Value = Vec<u8>> {
    let issuers = proptest::sample::select(vec![
        ("4", 13),
        ("4", 16),
        ("4", 19),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("2720", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("65", 16),
        ("644", 16),
        ("3528", 16),
        ("36", 14),
        ("305", 14),
        ("62", 16),
        ("5018", 13),
        ("6763", 19),
    ]);
    (issuers, proptest::collection::vec(0u8..10, 19)).prop_map(|((prefix, length), random)| {
        let mut digits: Vec<u8> = prefix
            .bytes()
            .map(|b| b - b'0')
            .chain(random)
            .take(length - 1)
            .collect();
        digits.push(luhn_digit(&digits));
        digits
    })
}

proptest! {
    #[test]
    fn a_social_security_number_is_one_unless_its_parts_are_never_issued(area in 0u32..1000, group in 0u32..100, serial in 0u32..10_000) {
        let text = format!("{area:03}-{group:02}-{serial:04}");
        let issued = area != 0 && area != 666 && area < 900 && group != 0 && serial != 0;
        prop_assert_eq!(judged(us_ssn, &text).is_some(), issued);
    }

    #[test]
    fn a_card_is_one_and_with_any_other_digit_it_is_none(digits in card(), at in 0usize..19, by in 1u8..10) {
        let text = spelled(&digits);
        prop_assert_eq!(judged(payment_card, &text), Some(text.as_str()));
        let mut wrong = digits.clone();
        let at = at % wrong.len();
        wrong[at] = (wrong[at] + by) % 10;
        prop_assert!(!luhn(&wrong));
    }

    #[test]
    fn a_card_is_found_before_other_digits(digits in card(), after in 1u32..100) {
        let text = format!("{} {after}", spelled(&digits));
        if let Some(found) = judged(payment_card, &text) {
            prop_assert!(found.len() >= digits.len(), "{found}");
        } else {
            prop_assert!(false, "not found: {text}");
        }
    }

    #[test]
    fn a_routing_number_is_one_and_with_any_other_digit_it_is_none(district in 1u32..13, rest in proptest::collection::vec(0u8..10, 6), at in 0usize..9, by in 1u8..10) {
        let mut digits: Vec<u8> = format!("{district:02}").bytes().map(|b| b - b'0').chain(rest).collect();
        let check = |digits: &[u8]| judged(aba_routing, &format!("aba {}", spelled(digits))).is_some();
        digits.push((0..10).find(|last| check(&[&digits[..], &[*last]].concat())).expect("one of ten fits"));
        prop_assert!(check(&digits));
        digits[at] = (digits[at] + by) % 10;
        prop_assert!(!check(&digits));
    }

    #[test]
    fn an_iban_is_one_and_with_other_check_digits_it_is_none(country in 0usize..IBAN_LENGTHS.len(), random in proptest::collection::vec(0u8..10, 40), by in 1u32..97) {
        let (code, length) = IBAN_LENGTHS[country];
        let account: String = random.iter().take(length - 4).map(|d| char::from(b'0' + d)).collect();
        let with = |check: u32| format!("{code}{check:02}{account}");
        let check = (2..99).find(|check| judged(iban, &with(*check)).is_some()).expect("one of 97 fits");
        let right = with(check);
        prop_assert_eq!(judged(iban, &right), Some(right.as_str()));
        let other = 2 + (check - 2 + by) % 97;
        prop_assert!(judged(iban, &with(other)).is_none());
    }
}

#[test]
fn known_numbers_are_hits() {
    assert_eq!(judged(us_ssn, "078-05-1120"), Some("078-05-1120"));
    assert_eq!(judged(us_itin, "912-78-1234"), Some("912-78-1234"));
    assert_eq!(judged(us_itin, "912-66-1234"), None);
    assert_eq!(
        judged(payment_card, "4111-1111-1111-1111"),
        Some("4111-1111-1111-1111")
    );
    assert_eq!(judged(payment_card, "4111111111111112"), None);
    assert_eq!(
        judged(aba_routing, "routing no. 021000021"),
        Some("021000021")
    );
    assert_eq!(
        judged(iban, "GB82 WEST 1234 5698 7654 32"),
        Some("GB82 WEST 1234 5698 7654 32")
    );
    assert_eq!(judged(iban, "GB82 WEST 1234 5698 7654 33"), None);
}
