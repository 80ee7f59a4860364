//! Escapes, read: the other way to spell a character, in JSON and in most programming languages.
//!
//! ```text
//! written   C a l l : \ n \u0030 7 8 - 0 5 - 1 1 2 0
//! read      C a l l : ⏎  0      7 8 - 0 5 - 1 1 2 0
//! ```
//!
//! JSON inside a string of JSON is escaped again, so what has been read may be read again, [`LAYERS_MAX`] times in all.
//! What is no escape stays as it is.
//!
//! Invariants: a text may be read in any pieces with the same result; what is held back for its next character is never
//! longer than [`HELD_MAX`], and never holds whitespace.
//!
//! What it cannot do: tell an escape from text that only looks like one (`C:\new`, `\nu` in a formula). So this reading
//! stands beside the text as written and never replaces it, unless the text is known to be JSON.

#[cfg(test)]
mod tests;

/// How often a text is read at most.
pub(crate) const LAYERS_MAX: usize = 3;

/// The state between two characters.
#[derive(Debug, Clone)]
pub(crate) struct Escapes {
    layers: Vec<Layer>,
}

/// One character as it is read, and how many bytes spell it: if it is no escape, its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) reads: char,
    pub(crate) bytes: usize,
    /// Whether it was decoded from something that is no text.
    pub(crate) decoded: bool,
}

/// In bytes: per layer two halves of a character beyond `\uffff`, less the last digit, each spelled by a whole escape of
/// the layer below.
#[cfg(test)]
const HELD_MAX: usize = 11 * (1 + 6 + 36);

/// One reading of what the layer below has read.
#[derive(Debug, Clone, Default)]
struct Layer {
    /// What may still become an escape. Begins with a backslash if it is not empty.
    held: Vec<Unit>,
}

impl Escapes {
    /// Reads so often.
    pub(crate) fn in_layers(layers: usize) -> Escapes {
        Escapes {
            layers: vec![Layer::default(); layers.min(LAYERS_MAX)],
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

    /// The text ends: gives what was held.
    pub(crate) fn finish(&mut self, mut give: impl FnMut(Unit)) {
        let mut layers = self.layers.as_mut_slice();
        while let Some((first, above)) = layers.split_first_mut() {
            first.settle(true, &mut |unit| feed(above, unit, &mut give));
            layers = above;
        }
    }

    /// Whether nothing is held, so that text without backslashes reads as it is written.
    pub(crate) fn is_idle(&self) -> bool {
        self.layers.iter().all(|layer| layer.held.is_empty())
    }

    /// Bytes that are held.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        let held = self.layers.iter().flat_map(|layer| &layer.held);
        held.map(|unit| unit.bytes).sum()
    }
}

fn feed(layers: &mut [Layer], unit: Unit, give: &mut dyn FnMut(Unit)) {
    match layers.split_first_mut() {
        Some((first, _)) if first.held.is_empty() && unit.reads != '\\' => {
            let above = layers.get_mut(1..).unwrap_or_default();
            feed(above, unit, give);
        }
        Some((first, above)) => {
            first.held.push(unit);
            first.settle(false, &mut |unit| feed(above, unit, give));
        }
        None => give(unit),
    }
}

impl Layer {
    fn settle(&mut self, last: bool, give: &mut dyn FnMut(Unit)) {
        while let Some(first) = self.held.first().copied() {
            let (reads, spelled) = match beginning(&self.held) {
                Beginning::Escape { reads, characters } => (reads, characters),
                Beginning::Open if !last => return,
                Beginning::Open | Beginning::Plain => (first.reads, 1),
            };
            let spelled = self.held.drain(..spelled.min(self.held.len()));
            let bytes = spelled.map(|unit| unit.bytes).sum();
            give(Unit {
                reads,
                bytes,
                decoded: false,
            });
        }
    }
}

/// What a text begins with.
enum Beginning {
    /// An escape of so many characters.
    Escape { reads: char, characters: usize },
    /// A character that begins no escape.
    Plain,
    /// The next character decides.
    Open,
}

fn beginning(text: &[Unit]) -> Beginning {
    let short = |reads| Beginning::Escape {
        reads,
        characters: 2,
    };
    match text {
        [Unit { reads: '\\', .. }] => Beginning::Open,
        [Unit { reads: '\\', .. }, kind, ..] => match kind.reads {
            'n' => short('\n'),
            't' => short('\t'),
            'r' => short('\r'),
            'b' => short('\u{8}'),
            'f' => short('\u{c}'),
            '"' | '\\' | '/' => short(kind.reads),
            'u' => character(text),
            _ => Beginning::Plain,
        },
        _ => Beginning::Plain,
    }
}

/// The character that `\uXXXX`, or two halves, spell.
fn character(text: &[Unit]) -> Beginning {
    let escape = |c: Option<char>, characters| Beginning::Escape {
        reads: c.unwrap_or(char::REPLACEMENT_CHARACTER),
        characters,
    };
    let first = match half(text) {
        Half::Whole(first) => first,
        Half::Cut => return Beginning::Open,
        Half::Wrong => return Beginning::Plain,
    };
    if !(0xD800..0xDC00).contains(&first) {
        return escape(char::from_u32(first), HALF);
    }
    match half(text.get(HALF..).unwrap_or_default()) {
        Half::Cut => Beginning::Open,
        Half::Whole(second @ 0xDC00..=0xDFFF) => {
            let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            escape(char::from_u32(code), 2 * HALF)
        }
        Half::Whole(_) | Half::Wrong => escape(None, HALF),
    }
}

/// What there is of `\uXXXX`.
enum Half {
    Whole(u32),
    /// A beginning of it, and then the text ends.
    Cut,
    Wrong,
}

/// In characters.
const HALF: usize = "\\uXXXX".len();

fn half(text: &[Unit]) -> Half {
    let mut value = 0;
    for (at, unit) in text.iter().take(HALF).enumerate() {
        match (at, unit.reads, unit.reads.to_digit(16)) {
            (0, '\\', _) | (1, 'u', _) => {}
            (2.., _, Some(digit)) => value = value * 16 + digit,
            _ => return Half::Wrong,
        }
    }
    match text.len() >= HALF {
        true => Half::Whole(value),
        false => Half::Cut,
    }
}
