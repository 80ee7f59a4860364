//! Encoded text, read: what a model or a program decodes without being asked.
//!
//! ```text
//! written   Look: MDc4LTA1LTExMjA= and %30%37%38
//! read      Look: 078-05-1120      and 078
//! ```
//!
//! | encoding | where it is read | source |
//! |---|---|---|
//! | base64, both alphabets, padded or not | runs of [`BASE64_MIN`] or more of its characters | RFC 4648 sections 4, 5 |
//! | hexadecimal | runs of [`HEX_MIN`] or more digits | RFC 4648 section 8 |
//! | per cent | every `%XX` | RFC 3986 section 2.1 |
//!
//! A run counts as encoded if its first bytes are text: then all of it is decoded, to its end. Else it is what it seems
//! (a long word, a path, a key), and is tried again behind each of its `/ + - _`. What has been read may be read again,
//! [`LAYERS_MAX`] times in all: base64 in base64, per cent in base64.
//!
//! A run ends where its characters do. Read *unwrapped*, it does not end at spaces, line breaks (as the tools that encode
//! write them) and characters that nobody sees, but goes on behind them; so do the words that follow it, up to something
//! that no run holds. That is a reading of its own, since it spoils what stands behind a run.
//!
//! Decoded bytes are UTF-8; a NUL is passed over, so ASCII in UTF-16 is read, too; what is no text at all is read as `?`.
//!
//! Invariants: a text may be read in any pieces with the same result; what is read is never longer than what is written;
//! per layer at most [`HEX_MIN`] characters wait for their decision, and none waits across whitespace (unwrapped, three do).
//!
//! What it cannot do: a run whose first bytes are no text, that begins in the middle of a longer one, or whose first
//! [`BASE64_MIN`] characters do not stand together; encryption, compression and ciphers of one's own.

use std::ops::Range;

use crate::canon::folded;
use crate::escapes::Unit;

#[cfg(test)]
mod tests;

/// How often a text is read at most.
pub(crate) const LAYERS_MAX: usize = 3;
/// In characters: nine bytes.
const BASE64_MIN: usize = 12;
/// In characters: eight bytes.
const HEX_MIN: usize = 16;
/// Read where nothing is to be read: canonical text drops it.
const NOTHING: char = '\u{200b}';

/// The state between two characters.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    layers: Vec<Layer>,
}

/// One reading of what the layer below has read.
#[derive(Debug, Clone, Default)]
struct Layer {
    mode: Mode,
    /// Not decided yet; within a run, what makes no whole byte yet.
    held: Vec<Unit>,
    /// Whether the character before `held` is a letter or a digit: no run begins behind it.
    inside: bool,
    /// Whether a run goes on behind what may stand between its lines.
    unwraps: bool,
    /// Bytes of a character that is not whole yet.
    bytes: Vec<(u8, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Text,
    Base64,
    /// Behind a run of base64, its padding.
    Padding,
    Hex,
}

/// Whether anything in a text is encoded. Unless it is the text's end (`last`), what may go on counts.
pub(crate) fn is_in(text: &str, last: bool) -> bool {
    let plain = plain_prefix(text);
    match text.as_bytes().get(plain..).unwrap_or_default() {
        [] => false,
        _ if !last => true,
        rest if is_decided(rest) => true,
        // Only the text's end could have made something of it.
        _ => false,
    }
}

/// How much of a text reads as it is written, whatever follows. Looks no further than the first block that holds an end
/// of it, so that many small codes in a long text cost no more than one.
fn plain_prefix(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        // A block ends before what is neither of a run nor of a `%XX`.
        let near = bytes.get(at + BLOCK_BYTES..).unwrap_or_default();
        let more = near.iter().take_while(|byte| byte_of_run(**byte)).count();
        let end = bytes.len().min(at + BLOCK_BYTES + more);
        let percent = first_percent(bytes, at..end);
        let upto = percent.unwrap_or(end);
        let block = bytes.get(at..upto).unwrap_or_default();
        let run = first_run(block, upto == bytes.len()).map(|run| at + run);
        match run.or(percent) {
            Some(end) => return end,
            None => at = end,
        }
    }
    at
}

/// Plain text is looked through in blocks of so many bytes, or a little more.
const BLOCK_BYTES: usize = 4096;

/// The first `%` in a range that begins `%XX`, or may at the end of all.
fn first_percent(bytes: &[u8], range: Range<usize>) -> Option<usize> {
    let mut at = range.start;
    loop {
        let rest = bytes.get(at..range.end)?;
        at += rest.iter().position(|byte| *byte == b'%')?;
        let digits = bytes.get(at + 1..bytes.len().min(at + 3))?;
        if digits.iter().all(u8::is_ascii_hexdigit) {
            return Some(at);
        }
        at += 1;
    }
}

/// Where the first run begins that is encoded; if it is `open`, also one that ends with the text.
///
/// A run of [`BASE64_MIN`] holds one of every [`BASE64_MIN`] places: only those are looked at, and what lies before them
/// as far as they are of a run.
fn first_run(bytes: &[u8], open: bool) -> Option<usize> {
    let of_run = |at: usize| bytes.get(at).is_some_and(|byte| byte_of_run(*byte));
    // No run that has not been looked at begins before this.
    let mut start = 0;
    while start + BASE64_MIN <= bytes.len() {
        let last = start + BASE64_MIN - 1;
        if let Some(other) = (start..=last).rev().find(|at| !of_run(*at)) {
            start = other + 1;
            continue;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte_of_run(**byte)).count();
        let run = rest.get(..length).unwrap_or_default();
        if has_encoded(run) {
            return Some(start);
        }
        start += length;
    }
    let tail = bytes
        .iter()
        .rev()
        .take_while(|byte| byte_of_run(**byte))
        .count();
    (open && tail > 0).then(|| bytes.len() - tail)
}

/// Whether what begins where no plain text does is encoded, if the text ends behind it.
fn is_decided(rest: &[u8]) -> bool {
    match rest {
        [b'%', a, b, ..] => a.is_ascii_hexdigit() && b.is_ascii_hexdigit(),
        [b'%', ..] => false,
        _ => {
            let length = rest.iter().position(|byte| !byte_of_run(*byte));
            let run = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
            run.len() >= BASE64_MIN && has_encoded(run)
        }
    }
}

/// Whether an encoded run begins somewhere in a run.
fn has_encoded(run: &[u8]) -> bool {
    let begins = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| run.get(before));
        let word = before.is_some_and(u8::is_ascii_alphanumeric);
        let rest = run.get(at..).unwrap_or_default();
        !word && rest.first().is_some_and(u8::is_ascii_alphanumeric) && decided(rest) != Mode::Text
    };
    (0..run.len()).any(begins)
}

impl Encoded {
    /// Reads so often.
    pub(crate) fn in_layers(layers: usize) -> Encoded {
        Encoded {
            layers: vec![Layer::default(); layers.min(LAYERS_MAX)],
        }
    }

    /// As often as that, and unwrapped.
    pub(crate) fn unwrapped() -> Encoded {
        let layer = Layer {
            unwraps: true,
            ..Layer::default()
        };
        Encoded {
            layers: vec![layer; LAYERS_MAX],
        }
    }

    /// Takes the next character and gives what is settled by it, in order.
    pub(crate) fn push(&mut self, c: char, mut give: impl FnMut(Unit)) {
        let unit = Unit {
            reads: c,
            bytes: c.len_utf8(),
            decoded: false,
        };
        feed(&mut self.layers, unit, &mut give);
    }

    /// How much of a text reads as it is written in all layers. Only to be asked where nothing is held.
    pub(crate) fn skip(&mut self, text: &str) -> usize {
        let bytes = text.as_bytes();
        let plain = plain_prefix(text);
        let rest = bytes.get(..plain).unwrap_or_default();
        // What a layer above may still put together with what comes out of the next word is not skipped.
        let open = |byte: &&u8| byte_of_run(**byte) || **byte == b'%';
        let plain = match plain == bytes.len() {
            true => plain,
            false => plain - rest.iter().rev().take_while(open).count(),
        };
        if plain > 0 {
            // It ends with neither a letter nor a digit.
            self.layers
                .iter_mut()
                .for_each(|layer| layer.inside = false);
        }
        plain
    }

    /// Whether nothing waits, so that plain text may be skipped.
    pub(crate) fn is_idle(&self) -> bool {
        let idle = |layer: &Layer| {
            layer.mode == Mode::Text && layer.held.is_empty() && layer.bytes.is_empty()
        };
        self.layers.iter().all(idle)
    }

    /// The text ends: gives what was held.
    pub(crate) fn finish(&mut self, mut give: impl FnMut(Unit)) {
        let mut layers = self.layers.as_mut_slice();
        while let Some((first, above)) = layers.split_first_mut() {
            first.finish(&mut |unit| feed(above, unit, &mut give));
            layers = above;
        }
    }
}

fn feed(layers: &mut [Layer], unit: Unit, give: &mut dyn FnMut(Unit)) {
    match layers.split_first_mut() {
        Some((first, above)) => first.take(unit, &mut |unit| feed(above, unit, give)),
        None => give(unit),
    }
}

impl Layer {
    fn take(&mut self, unit: Unit, give: &mut dyn FnMut(Unit)) {
        match self.mode {
            Mode::Text => {
                self.held.push(unit);
                self.settle(false, give);
            }
            Mode::Base64 if sextet(unit.reads).is_some() => {
                self.held.push(unit);
                self.whole_bytes(give);
            }
            Mode::Hex if unit.reads.is_ascii_hexdigit() => {
                self.held.push(unit);
                self.whole_bytes(give);
            }
            Mode::Base64 | Mode::Hex if self.unwraps && is_between(unit.reads) => {
                self.pass_over(unit, give);
            }
            Mode::Padding if unit.reads == '=' => give(Unit {
                reads: NOTHING,
                ..unit
            }),
            Mode::Base64 if unit.reads == '=' => {
                self.end_run(give);
                self.mode = Mode::Padding;
                self.take(unit, give);
            }
            Mode::Base64 | Mode::Hex | Mode::Padding => {
                self.end_run(give);
                self.take(unit, give);
            }
        }
    }

    fn finish(&mut self, give: &mut dyn FnMut(Unit)) {
        match self.mode {
            Mode::Text => self.settle(true, give),
            _ => self.end_run(give),
        }
        self.end_character(give);
    }

    /// What stands between two characters of a run belongs to the one before.
    fn pass_over(&mut self, unit: Unit, give: &mut dyn FnMut(Unit)) {
        let before = match (self.held.last_mut(), self.bytes.last_mut()) {
            (Some(held), _) => &mut held.bytes,
            (None, Some((_, bytes))) => bytes,
            (None, None) => {
                return give(Unit {
                    reads: NOTHING,
                    ..unit
                });
            }
        };
        *before += unit.bytes;
    }

    /// Decides about what is held, as far as it can be decided.
    fn settle(&mut self, last: bool, give: &mut dyn FnMut(Unit)) {
        if !last
            && self.held.len() < BASE64_MIN
            && self.held.iter().all(|unit| is_of_run(unit.reads))
            && self.may_begin()
        {
            return;
        }
        while let Some(first) = self.held.first().copied() {
            if first.reads == '%' {
                match percent(&self.held) {
                    Percent::Byte(byte) => {
                        let spelled = self.held.drain(..3).map(|unit| unit.bytes).sum();
                        self.inside = false;
                        self.byte(byte, spelled, give);
                        continue;
                    }
                    Percent::Open if !last => return,
                    Percent::Open | Percent::None => {}
                }
            } else if self.may_begin() {
                let run = self.held.iter().map(|unit| unit.reads);
                let run = run
                    .take_while(|c| is_of_run(*c))
                    .filter_map(|c| u8::try_from(c).ok());
                let run: Vec<u8> = run.collect();
                let open = run.len() == self.held.len() && !last;
                if open && run.len() < wanted(&run) {
                    return;
                }
                let mode = decided(&run);
                if mode != Mode::Text {
                    self.end_character(give);
                    self.mode = mode;
                    let held = std::mem::take(&mut self.held);
                    for unit in held {
                        self.take(unit, give);
                    }
                    return;
                }
            }
            self.end_character(give);
            self.inside = first.reads.is_ascii_alphanumeric();
            self.held.remove(0);
            give(first);
        }
    }

    /// Whether a run may begin with what is held.
    fn may_begin(&self) -> bool {
        let first = self.held.first();
        !self.inside && first.is_some_and(|first| first.reads.is_ascii_alphanumeric())
    }

    /// Decodes what makes whole bytes.
    fn whole_bytes(&mut self, give: &mut dyn FnMut(Unit)) {
        match (self.mode, self.held.as_slice()) {
            (Mode::Base64, &[a, b, c, d]) => {
                let value = [a, b, c, d].iter().fold(0, |value, unit| {
                    value << 6 | sextet(unit.reads).unwrap_or(0)
                });
                let [_, first, second, third] = value.to_be_bytes();
                self.held.clear();
                self.byte(first, a.bytes + b.bytes, give);
                self.byte(second, c.bytes, give);
                self.byte(third, d.bytes, give);
            }
            (Mode::Hex, &[a, b]) => {
                let digit = |unit: Unit| unit.reads.to_digit(16).unwrap_or(0);
                let byte = u8::try_from(digit(a) << 4 | digit(b)).unwrap_or(b'?');
                self.held.clear();
                self.byte(byte, a.bytes + b.bytes, give);
            }
            _ => {}
        }
    }

    /// The run ends: decodes what is left of it.
    fn end_run(&mut self, give: &mut dyn FnMut(Unit)) {
        let mode = std::mem::take(&mut self.mode);
        let held = std::mem::take(&mut self.held);
        let value = held.iter().fold(0, |value, unit| {
            value << 6 | sextet(unit.reads).unwrap_or(0)
        });
        match (mode, held.as_slice()) {
            (Mode::Base64, &[a, b]) => {
                let [_, _, _, byte] = (value >> 4).to_be_bytes();
                self.byte(byte, a.bytes + b.bytes, give);
            }
            (Mode::Base64, &[a, b, c]) => {
                let [_, _, first, second] = (value >> 2).to_be_bytes();
                self.byte(first, a.bytes + b.bytes, give);
                self.byte(second, c.bytes, give);
            }
            // No whole byte: it is what it is.
            (_, rest) => {
                self.end_character(give);
                rest.iter().copied().for_each(&mut *give);
            }
        }
        self.end_character(give);
        self.inside = mode != Mode::Padding;
    }

    /// One more byte of decoded text.
    fn byte(&mut self, byte: u8, spelled: usize, give: &mut dyn FnMut(Unit)) {
        let continues = (0x80..0xC0).contains(&byte);
        if !continues {
            self.end_character(give);
        }
        self.bytes.push((byte, spelled));
        let wanted = match self.bytes.first() {
            Some((0xC2..=0xDF, _)) => 2,
            Some((0xE0..=0xEF, _)) => 3,
            Some((0xF0..=0xF4, _)) => 4,
            _ => 1,
        };
        if self.bytes.len() >= wanted {
            self.end_character(give);
        }
    }

    /// Gives the character that its bytes make; what makes none is read as `?`, byte by byte.
    fn end_character(&mut self, give: &mut dyn FnMut(Unit)) {
        let spelled = std::mem::take(&mut self.bytes);
        let bytes: Vec<u8> = spelled.iter().map(|(byte, _)| *byte).collect();
        let mut characters = std::str::from_utf8(&bytes).unwrap_or_default().chars();
        match characters.next() {
            Some(c) => give(Unit {
                reads: if c == '\0' { NOTHING } else { c },
                bytes: spelled.iter().map(|(_, bytes)| bytes).sum(),
                decoded: true,
            }),
            None => spelled.into_iter().for_each(|(_, bytes)| {
                give(Unit {
                    reads: '?',
                    bytes,
                    decoded: true,
                })
            }),
        }
    }
}

/// Whether a character may stand within what is encoded without being of it.
fn is_between(c: char) -> bool {
    c.is_whitespace() || folded(c).is_none()
}

/// What there is of `%XX`.
enum Percent {
    Byte(u8),
    /// A beginning of it, and then the text ends.
    Open,
    None,
}

fn percent(text: &[Unit]) -> Percent {
    let digit = |at: usize| text.get(at).map(|unit| unit.reads.to_digit(16));
    match (digit(1), digit(2)) {
        (Some(Some(high)), Some(Some(low))) => {
            u8::try_from(high << 4 | low).map_or(Percent::None, Percent::Byte)
        }
        (None, _) | (Some(Some(_)), None) => Percent::Open,
        _ => Percent::None,
    }
}

/// How many characters decide about a run that begins like this.
fn wanted(run: &[u8]) -> usize {
    match run.iter().all(u8::is_ascii_hexdigit) {
        true => HEX_MIN,
        false => BASE64_MIN,
    }
}

/// How a run is to be read: by its first characters alone.
fn decided(run: &[u8]) -> Mode {
    let first = run.get(..HEX_MIN).unwrap_or_default();
    if !first.is_empty() && first.iter().all(u8::is_ascii_hexdigit) {
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
        let pairs = first.as_chunks::<2>().0.iter();
        let bytes: Vec<u8> = pairs
            .filter_map(|&[a, b]| u8::try_from(digit(a) << 4 | digit(b)).ok())
            .collect();
        if is_text(&bytes) {
            return Mode::Hex;
        }
    }
    let Some(first) = run.get(..BASE64_MIN) else {
        return Mode::Text;
    };
    let quanta = first.as_chunks::<4>().0.iter();
    let decode = |quantum: &[u8; 4]| {
        let value = quantum.iter().fold(0, |value, byte| {
            value << 6 | sextet(char::from(*byte)).unwrap_or(0)
        });
        let [_, first, second, third] = value.to_be_bytes();
        [first, second, third]
    };
    let bytes: Vec<u8> = quanta.flat_map(decode).collect();
    match is_text(&bytes) {
        true => Mode::Base64,
        false => Mode::Text,
    }
}

/// Whether bytes are the beginning of a text: UTF-8 without control characters, or ASCII in UTF-16.
fn is_text(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            let (valid, _) = bytes.split_at(error.valid_up_to());
            std::str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\0');
    let nuls = valid.chars().filter(|c| *c == '\0').count();
    !valid.chars().any(odd) && nuls <= bytes.len() / 2
}

/// The characters of both base64 alphabets.
const OF_RUN: [bool; 256] = {
    let mut of_run = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        // In a constant, an index that is out of bounds does not compile.
        #[expect(clippy::indexing_slicing, reason = "checked by the compiler")]
        {
            of_run[byte as usize] =
                byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        }
        byte += 1;
    }
    of_run
};

fn byte_of_run(byte: u8) -> bool {
    OF_RUN.get(usize::from(byte)).copied().unwrap_or(false)
}

fn is_of_run(c: char) -> bool {
    u8::try_from(c).is_ok_and(byte_of_run)
}

fn sextet(c: char) -> Option<u32> {
    let code = u32::from(c);
    match c {
        'A'..='Z' => Some(code - u32::from('A')),
        'a'..='z' => Some(code - u32::from('a') + 26),
        '0'..='9' => Some(code - u32::from('0') + 52),
        '+' | '-' => Some(62),
        '/' | '_' => Some(63),
        _ => None,
    }
}
