//! Characters that are mistaken for others, and what was meant: letters of other alphabets that look
//! like ours, full-width forms, typographic quotes and dashes, spaces of other widths, and marks that
//! nobody sees.
//!
//! It only proposes what to write. Whether a file is accepted does not depend on it: what is not
//! plain ASCII is refused anyhow where a look-alike could deceive.

/// The text with every look-alike replaced.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| match plain_char(c) {
            Some(meant) => meant,
            None => Some(c),
        })
        .collect()
}

/// What was meant by a look-alike: a character, or nothing for an invisible one. `None` if the
/// character is no look-alike.
fn plain_char(c: char) -> Option<Option<char>> {
    let full_width = || char::from_u32(u32::from(c).checked_sub(0xFEE0)?);
    match c {
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => Some(None),
        '\u{2060}'..='\u{2069}' | '\u{feff}' => Some(None),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            Some(Some(' '))
        }
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some(Some('-')),
        '\u{2024}' => Some(Some('.')),
        '\u{1c0}' | '\u{2223}' => Some(Some('|')),
        '\u{2217}' | '\u{22c6}' => Some(Some('*')),
        '\u{201c}'..='\u{201f}' => Some(Some('"')),
        '\u{ff01}'..='\u{ff5e}' => Some(full_width()),
        _ => {
            let (_, meant) = LETTERS.iter().find(|(alien, _)| *alien == c)?;
            Some(Some(*meant))
        }
    }
}

/// Greek and Cyrillic letters that most type faces draw like a Latin one.
const LETTERS: [(char, char); 49] = [
    ('Α', 'A'),
    ('Β', 'B'),
    ('Ε', 'E'),
    ('Ζ', 'Z'),
    ('Η', 'H'),
    ('Ι', 'I'),
    ('Κ', 'K'),
    ('Μ', 'M'),
    ('Ν', 'N'),
    ('Ο', 'O'),
    ('Ρ', 'P'),
    ('Τ', 'T'),
    ('Υ', 'Y'),
    ('Χ', 'X'),
    ('α', 'a'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('ν', 'v'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('χ', 'x'),
    ('γ', 'y'),
    ('А', 'A'),
    ('В', 'B'),
    ('Е', 'E'),
    ('К', 'K'),
    ('М', 'M'),
    ('Н', 'H'),
    ('О', 'O'),
    ('Р', 'P'),
    ('С', 'C'),
    ('Т', 'T'),
    ('У', 'Y'),
    ('Х', 'X'),
    ('Ѕ', 'S'),
    ('І', 'I'),
    ('Ј', 'J'),
    ('а', 'a'),
    ('е', 'e'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('у', 'y'),
    ('х', 'x'),
    ('ѕ', 's'),
    ('і', 'i'),
    ('ј', 'j'),
    ('һ', 'h'),
    ('ԁ', 'd'),
];
