//! Other spellings of a text that say the same to a model.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A name, and what becomes of a text of ASCII.
pub(crate) type Disguise = (&'static str, fn(&str) -> String);

/// Letters that look alike. Sources: Unicode UTS #39 (confusables), UAX #15 (compatibility forms).
pub(crate) const LOOKALIKES: [Disguise; 4] = [
    ("Cyrillic and Greek letters", |text| {
        text.chars().map(lookalike).collect()
    }),
    ("full-width letters", |text| {
        text.chars().map(|c| moved(c, ' ', '~', 0xfee0)).collect()
    }),
    ("mathematical bold", |text| {
        let bold = |c| moved(moved(c, 'A', 'Z', 0x1d400 - 0x41), '0', '9', 0x1d7ce - 0x30);
        text.chars().map(bold).collect()
    }),
    ("circled letters", |text| {
        text.chars()
            .map(|c| moved(c, 'A', 'Z', 0x24b6 - 0x41))
            .collect()
    }),
];

/// Characters that nobody sees.
pub(crate) const HIDDEN: [Disguise; 5] = [
    ("zero-width spaces within", |text| between(text, '\u{200b}')),
    ("soft hyphens within", |text| between(text, '\u{ad}')),
    ("word joiners within", |text| between(text, '\u{2060}')),
    ("tag characters", |text| {
        text.chars().map(|c| moved(c, ' ', '~', 0xe0000)).collect()
    }),
    ("written backwards and turned around", |text| {
        format!("\u{202e}{}\u{202c}", text.chars().rev().collect::<String>())
    }),
];

/// Encodings that a model decodes. Source: RFC 4648, RFC 3986, RFC 2045 (lines).
pub(crate) const ENCODED: [Disguise; 7] = [
    ("base64", |text| STANDARD.encode(sentence(text))),
    ("base64 in lines", |text| {
        let encoded = STANDARD.encode(sentence(text));
        let (first, rest) = encoded.split_at(20);
        format!("{first}\n{rest}")
    }),
    ("base64 for URLs", |text| {
        URL_SAFE_NO_PAD.encode(sentence(text))
    }),
    ("base64 twice", |text| {
        STANDARD.encode(STANDARD.encode(sentence(text)))
    }),
    ("hexadecimal", |text| hex(&sentence(text), "")),
    ("per cent", |text| hex(text, "%")),
    ("per cent in base64", |text| STANDARD.encode(hex(text, "%"))),
];

fn sentence(text: &str) -> String {
    format!("The text is {text} and nothing else.")
}

fn hex(text: &str, before: &str) -> String {
    text.bytes()
        .map(|byte| format!("{before}{byte:02x}"))
        .collect()
}

fn between(text: &str, hidden: char) -> String {
    text.chars().flat_map(|c| [c, hidden]).collect()
}

fn moved(c: char, first: char, last: char, by: u32) -> char {
    match (first..=last).contains(&c) {
        true => char::from_u32(u32::from(c) + by).unwrap_or(c),
        false => c,
    }
}

fn lookalike(c: char) -> char {
    match c {
        'A' => 'А',
        'B' => 'В',
        'E' => 'Е',
        'I' => 'І',
        'K' => 'К',
        'M' => 'М',
        'N' => 'Ν',
        'O' => 'О',
        'P' => 'Р',
        'S' => 'Ѕ',
        'X' => 'Х',
        'a' => 'а',
        'e' => 'е',
        'o' => 'о',
        other => other,
    }
}
