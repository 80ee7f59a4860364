//! Personal data of the United States and international numbers, checked by their own rules where they have any.

use std::ops::Range;

use super::{Case, built_in, keyword, without_underscore};
use crate::shape::{Candidate, Edge, Judge, Shape, Trigger};

/// The end of a number: no further letter or digit. An underscore (emphasis) may stand there and is left out again.
const END: &str = r"(?:_|(?-u:\b))";

pub(super) fn shapes() -> Vec<Shape> {
    let groups =
        |area: &str| format!(r"{area}(?:-[0-9]{{2}}-| [0-9]{{2}} |\.[0-9]{{2}}\.)[0-9]{{4}}{END}");
    let number = |label, pattern: &str, judge| {
        built_in(
            label,
            pattern,
            Some(Trigger::Number),
            Edge::Word,
            Judge::Code(judge),
            0,
        )
    };
    let context = |label, words: &[&str], judge| {
        let rest = format!("[^0-9]{{0,20}}[0-9]{{9}}{END}");
        keyword(
            label,
            words,
            Case::Ignored,
            &rest,
            Edge::Word,
            Judge::Code(judge),
        )
    };
    vec![
        number("us_ssn", &groups("[0-8][0-9]{2}"), us_ssn),
        context(
            "us_ssn",
            &["ssn", "social security", "social-security"],
            us_ssn_in_context,
        ),
        number("us_itin", &groups("9[0-9]{2}"), us_itin),
        number(
            "payment_card",
            &format!("[0-9](?:[ -]?[0-9]){{12,18}}{END}"),
            payment_card,
        ),
        context("aba_routing", &["routing", "aba", "rtn"], aba_routing),
        built_in(
            "iban",
            &format!("[A-Za-z]{{2}}[0-9]{{2}}(?:[ -]?[A-Za-z0-9]){{11,30}}{END}"),
            Some(Trigger::Iban),
            Edge::Word,
            Judge::Code(iban),
            0,
        ),
        built_in(
            "us_phone",
            &us_phone(),
            Some(Trigger::Phone),
            Edge::Word,
            Judge::Code(without_underscore),
            0,
        ),
        built_in(
            "email",
            &email(),
            Some(Trigger::Email),
            Edge::Free,
            Judge::ANY,
            EMAIL_MAX,
        ),
    ]
}

/// North American Numbering Plan: area and exchange begin with 2-9. Ten bare digits are too common to be a hit; after
/// `+1` they are one.
fn us_phone() -> String {
    let area = r"(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-. ])";
    format!(
        r"(?:(?:\+?1[-. ]?)?{area}[2-9][0-9]{{2}}[-. ][0-9]{{4}}|\+1[2-9][0-9]{{2}}[2-9][0-9]{{6}}){END}"
    )
}

fn email() -> String {
    "[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\\.)+[A-Za-z]{2,24}".to_owned()
}

/// RFC 5321 sections 4.5.3.1.1 and 4.5.3.1.2: 64 bytes, `@`, 255 bytes.
const EMAIL_MAX: usize = 320;

/// SSA: no area 000, 666 or 900-999, no group 00, no serial 0000. Numbers made famous by advertisements are hits.
fn us_ssn(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let length = 11;
    is_ssn(&digits(candidate.text)).then_some(0..length)
}

fn us_ssn_in_context(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    last_nine(candidate).filter(|range| {
        candidate
            .text
            .get(range.clone())
            .is_some_and(|nine| is_ssn(&digits(nine)))
    })
}

fn is_ssn(digits: &[u8]) -> bool {
    let (area, group, serial) = (
        number(digits, 0..3),
        number(digits, 3..5),
        number(digits, 5..9),
    );
    digits.len() == 9 && area != 0 && area != 666 && area < 900 && group != 0 && serial != 0
}

/// IRS: 9xx, and only some groups.
fn us_itin(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let group = number(&digits(candidate.text), 3..5);
    matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99).then_some(0..11)
}

/// ISO/IEC 7812: the longest beginning, at a group's end, that is some issuer's length and passes Luhn's check.
fn payment_card(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let text = candidate.text.as_bytes();
    let digits = digits(candidate.text);
    let ends = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| byte.is_ascii_digit());
    let ends: Vec<usize> = ends.map(|(i, _)| i + 1).collect();
    (13..=digits.len().min(19)).rev().find_map(|count| {
        let end = *ends.get(count - 1)?;
        let whole_group = text.get(end).is_none_or(|next| !next.is_ascii_digit());
        let card = digits.get(..count)?;
        (whole_group && is_issued(card) && luhn(card)).then_some(0..end)
    })
}

/// Issuer prefixes and their lengths: Visa, Mastercard, American Express, Discover, JCB, Diners Club, UnionPay, Maestro.
fn is_issued(card: &[u8]) -> bool {
    let (two, four) = (number(card, 0..2), number(card, 0..4));
    match card.len() {
        15 if two == 34 || two == 37 => true,
        14 => two == 36 || two == 38 || two == 39 || (300..=305).contains(&(four / 10)),
        16 if (51..=55).contains(&two) || (2221..=2720).contains(&four) => true,
        13 | 16 | 19 if two / 10 == 4 => true,
        16..=19 if four == 6011 || two == 65 || (644..=649).contains(&(four / 10)) => true,
        16..=19 if (3528..=3589).contains(&four) || two == 62 || two == 81 => true,
        13..=19 => matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763),
        _ => false,
    }
}

/// ISO/IEC 7812-1 annex B.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |digit: u8| u32::from(digit) * 2 / 10 + u32::from(digit) * 2 % 10;
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| {
            if i % 2 == 1 {
                doubled(*digit)
            } else {
                u32::from(*digit)
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ABA: Federal Reserve district in the first two digits, weights 3, 7, 1.
fn aba_routing(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let range = last_nine(candidate)?;
    let digits = digits(candidate.text.get(range.clone())?);
    let sum: u32 = digits
        .iter()
        .zip([3, 7, 1].iter().cycle())
        .map(|(digit, weight)| u32::from(*digit) * weight)
        .sum();
    let district = number(&digits, 0..2);
    let known = matches!(district, 1..=12 | 21..=32 | 61..=72 | 80);
    (known && sum.is_multiple_of(10)).then_some(range)
}

/// ISO 13616: the country's length, and mod 97 over the rearranged number equal to 1.
fn iban(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let text = candidate.text.as_bytes();
    let country = candidate.text.get(..2)?.to_ascii_uppercase();
    let length = IBAN_LENGTHS.iter().find(|(code, _)| *code == country)?.1;
    let kept = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| byte.is_ascii_alphanumeric());
    let (ends, iban): (Vec<usize>, Vec<u8>) =
        kept.take(length).map(|(i, byte)| (i + 1, *byte)).unzip();
    let end = *ends.last()?;
    let whole = text
        .get(end)
        .is_none_or(|next| !next.is_ascii_alphanumeric());
    let moved = iban.get(4..)?.iter().chain(iban.get(..4)?);
    let remainder = moved.fold(0u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        letter => (rest * 100 + u32::from(letter.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    (iban.len() == length && whole && remainder == 1).then_some(0..end)
}

/// The last nine digits of a match that ends with them (and perhaps an underscore).
fn last_nine(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let end = candidate.text.trim_end_matches('_').len();
    Some(end.checked_sub(9)?..end)
}

fn digits(text: &str) -> Vec<u8> {
    text.bytes()
        .filter(u8::is_ascii_digit)
        .map(|byte| byte - b'0')
        .collect()
}

/// Some of the digits as a number; 0 if there are not so many.
fn number(digits: &[u8], range: Range<usize>) -> u32 {
    let digits = digits.get(range).unwrap_or_default();
    digits
        .iter()
        .fold(0, |number, digit| number * 10 + u32::from(*digit))
}

/// The SWIFT registry's lengths.
const IBAN_LENGTHS: [(&str, usize); 80] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
];

#[cfg(test)]
mod tests;
