//! Hashed n-grams: the numbers that the fast classifier reads.
//!
//! One implementation serves the gateway and the training script (through `examples/ngrams.rs`), so the two cannot
//! drift. A change to anything that moves an id or a value is a new [`VERSION`], and a model names the version it was
//! trained with.
//!
//! ```text
//! "Ignore the rules!"  ->  words  ignore · the · rules
//!                          chars  ⟨ig ⟨ign ⟨igno ign igno ignor … es⟩          3..=5 within a word, with its edges
//!                          pairs  ⟨start⟩ignore · ignore the · the rules
//! ```
//!
//! Invariants: ids are below [`BUCKETS`], sorted and unique; character n-grams fill the lower half, words, pairs and
//! marks the upper half; values are positive and their squares add up to 1 (a text without words has no features at
//! all). A value is `sqrt(count / total)` over whole numbers, so it is the same bit pattern on every machine.
//!
//! Bounds: time and memory are linear in the text, nothing in it is skipped, and nothing is allocated per n-gram.
//! [`windows`] cuts a text so that one window holds at most the asked-for number of words of
//! [`WORD_BYTES_MAX`] bytes each.
//!
//! What it cannot do: it sees no word order beyond pairs, no letter case, no sentence punctuation, and different
//! n-grams may share a bucket. Letters written apart ("i g n o r e") are single-letter words to it; the text is
//! expected to be canonical already (homoglyphs and invisible characters folded by the caller). Lower-casing follows
//! the Unicode tables of the Rust release, so a rare letter may move between releases.

use std::ops::Range;

/// The version of the features: a model trained with another one must be refused.
pub const VERSION: u32 = 1;

/// Every id is below this: 2^18, half for character n-grams and half for words.
pub const BUCKETS: u32 = 1 << 18;

/// [`windows`] counts a longer unbroken run of non-space as several words of at most this many bytes.
pub const WORD_BYTES_MAX: usize = 48;

/// The features of one window: a sparse vector of length 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    /// Bucket numbers, below [`BUCKETS`], sorted, unique.
    pub ids: Vec<u32>,
    /// The weight of each bucket, in the order of `ids`: above 0, at most 1.
    pub values: Vec<f32>,
}

/// Computes the features of one window of canonical text.
///
/// Linear in the text; the caller bounds it (see [`windows`]).
pub fn features(canonical_text: &str) -> Features {
    let mut grams = Grams::for_text(canonical_text);
    grams.read_alone(canonical_text);
    weigh(grams.ids)
}

/// What [`features`] gives for each of some windows of one text, bit for bit; what they share is hashed once.
pub fn window_features(canonical_text: &str, windows: &[Range<usize>]) -> Vec<Features> {
    let occurrences = Occurrences::of(canonical_text, windows);
    let of_window = |window: &Window| {
        let mut ids = occurrences.of_window(window).to_vec();
        if let Some(first) = &window.first
            && let Some(id) = ids.get_mut(first.at - window.ids.start)
        {
            *id = first.alone;
        }
        weigh(ids)
    };
    occurrences.windows.iter().map(of_window).collect()
}

/// Cuts a text into the byte ranges that are scored one by one: at most `words` words each, neighbours sharing
/// `overlap` words, the last one full-length too (it ends at the last word and begins `words` earlier).
///
/// A word is a run of non-space, broken every [`WORD_BYTES_MAX`] bytes. Every word is in some window; a text without
/// words has none. `words` is taken as at least 1 and `overlap` as less than `words`.
pub fn windows(text: &str, words: usize, overlap: usize) -> Vec<Range<usize>> {
    let words = words.max(1);
    let stride = words - overlap.min(words - 1);
    let all = word_ranges(text);
    let mut cut = Vec::with_capacity(all.len() / stride + 1);
    let mut end = words.min(all.len());
    while let (Some(first), Some(last)) = (
        all.get(end.saturating_sub(words)),
        all.get(end.wrapping_sub(1)),
    ) {
        cut.push(first.start..last.end);
        if end == all.len() {
            break;
        }
        end = (end + stride).min(all.len());
    }
    cut
}

/// The words of a text, as [`windows`] counts them.
fn word_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::with_capacity(text.len() / 5 + 1);
    let mut start = None;
    for (at, c) in text.char_indices() {
        match start {
            Some(begun) if c.is_whitespace() => {
                ranges.push(begun..at);
                start = None;
            }
            Some(begun) if at + c.len_utf8() - begun > WORD_BYTES_MAX => {
                ranges.push(begun..at);
                start = Some(at);
            }
            None if !c.is_whitespace() => start = Some(at),
            _ => {}
        }
    }
    ranges.extend(start.map(|begun| begun..text.len()));
    ranges
}

/// The n-grams of a text, and which of them are in which window.
///
/// N-grams do not cross whitespace, but for pairs: so windows that begin and end beside whitespace share theirs, and in
/// each the first word is paired anew. Windows cut inside a word have n-grams of their own.
pub(crate) struct Occurrences {
    ids: Vec<u32>,
    pub(crate) windows: Vec<Window>,
}

/// One window's n-grams.
pub(crate) struct Window {
    /// Where they are.
    pub(crate) ids: Range<usize>,
    /// What is not as it stands there.
    pub(crate) first: Option<FirstPair>,
}

/// The pair of a window's first word, which has nothing before it.
pub(crate) struct FirstPair {
    /// Where the pair with the word before the window is.
    pub(crate) at: usize,
    /// What it is in the window.
    pub(crate) alone: u32,
}

impl Occurrences {
    pub(crate) fn of(text: &str, windows: &[Range<usize>]) -> Occurrences {
        let shared = |window: &&Range<usize>| {
            window.end <= text.len()
                && is_beside_space(text, window.start)
                && is_beside_space(text, window.end)
        };
        let cuts = windows.iter().filter(shared);
        let mut cuts: Vec<usize> = cuts.flat_map(|cut| [cut.start, cut.end]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let (mut grams, at_cuts) = read_between(text, &cuts);
        let index = |offset| {
            let at = cuts.binary_search(&offset).ok();
            at.and_then(|at| at_cuts.get(at)).copied().unwrap_or(0)
        };
        let windows = windows.iter().map(|window| {
            if shared(&window) {
                return grams.window(index(window.start)..index(window.end));
            }
            let start = grams.ids.len();
            grams.read_alone(text.get(window.clone()).unwrap_or_default());
            Window {
                ids: start..grams.ids.len(),
                first: None,
            }
        });
        let windows = windows.collect();
        Occurrences {
            ids: grams.ids,
            windows,
        }
    }

    /// All n-grams of a window, unsorted; those of its first pair as they are in the text.
    pub(crate) fn of_window(&self, window: &Window) -> &[u32] {
        self.ids(window.ids.clone())
    }

    pub(crate) fn ids(&self, range: Range<usize>) -> &[u32] {
        self.ids.get(range).unwrap_or_default()
    }
}

/// Reads a text from the first cut to the last; per cut, how many n-grams stand before it.
fn read_between(text: &str, cuts: &[usize]) -> (Grams, Vec<usize>) {
    let (first, last) = match cuts {
        [first, .., last] => (*first, *last),
        _ => (0, 0),
    };
    let between = text.get(first..last).unwrap_or_default();
    let mut grams = Grams::for_text(between);
    let mut at_cuts = Vec::with_capacity(cuts.len());
    for (at, c) in between.char_indices() {
        if cuts.get(at_cuts.len()) == Some(&(first + at)) {
            // Whitespace stands on one side, so the word ends here anyway.
            grams.end_word();
            at_cuts.push(grams.ids.len());
        }
        grams.read(c);
    }
    grams.end_word();
    at_cuts.resize(cuts.len(), grams.ids.len());
    (grams, at_cuts)
}

/// Whether no n-gram but a pair can reach across an offset.
fn is_beside_space(text: &str, offset: usize) -> bool {
    let space = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    let bytes = text.as_bytes();
    let before = offset.checked_sub(1).map(|before| bytes.get(before));
    before.is_none_or(space) || space(bytes.get(offset))
}

/// The n-grams seen so far, and the word being read.
struct Grams {
    /// One id per n-gram occurrence, unsorted.
    ids: Vec<u32>,
    /// Of every word: where its pair stands among the ids, and its hash.
    words: Vec<(usize, u64)>,
    /// The current word's letters, lower-cased, after the edge mark; just the edge mark between words.
    word: Vec<u32>,
    shape: Shape,
    /// The hash of the word before, for pairs.
    previous: u64,
    /// The mark (`#`, `<`, …) just read, so that a run of one counts once.
    mark: char,
}

/// What the current word is made of.
#[derive(Default)]
struct Shape {
    letters: bool,
    digits: bool,
}

impl Grams {
    fn for_text(text: &str) -> Self {
        let mut word = Vec::with_capacity(WORD_BYTES_MAX);
        word.push(EDGE);
        Self {
            ids: Vec::with_capacity(text.len() * GRAMS_PER_BYTE),
            words: Vec::with_capacity(text.len() / 5),
            word,
            shape: Shape::default(),
            previous: SEED_PAIR,
            mark: ' ',
        }
    }

    /// Takes the next character of the text.
    fn read(&mut self, c: char) {
        match c {
            'a'..='z' => self.letter(c),
            'A'..='Z' => self.letter(c.to_ascii_lowercase()),
            '0'..='9' => self.digit(c),
            // An apostrophe joins ("don't" is one word), and so do combining accents.
            '\'' | '\u{2019}' | '\u{300}'..='\u{36f}' => {}
            _ if c.is_ascii() => {
                self.end_word();
                self.mark(c);
            }
            _ if c.is_alphanumeric() => c.to_lowercase().for_each(|lower| self.letter(lower)),
            _ => self.end_word(),
        }
    }

    fn letter(&mut self, c: char) {
        self.shape.letters = true;
        self.word.push(u32::from(c));
    }

    fn digit(&mut self, c: char) {
        self.shape.digits = true;
        self.word.push(u32::from(c));
    }

    /// Counts brackets, hashes and other signs that plain sentences do without, once per run.
    fn mark(&mut self, c: char) {
        let plain = c.is_ascii_whitespace() || c.is_ascii_control() || ".,:;!?\"()-".contains(c);
        if !plain && c != self.mark {
            self.ids.push(bucket_of_word(step(SEED_MARK, u32::from(c))));
        }
        self.mark = c;
    }

    /// Ends the current word, if there is one, and counts its n-grams.
    fn end_word(&mut self) {
        if self.word.len() > 1 {
            self.fold_digits();
            self.count_word();
            self.word.push(EDGE);
            self.count_characters();
            self.word.truncate(1);
            self.shape = Shape::default();
            self.mark = ' ';
        }
    }

    /// A number is `000`; a digit inside a word is read as the letter it resembles ("1gn0re").
    fn fold_digits(&mut self) {
        if self.shape.digits {
            let resembled = self.shape.letters;
            for code in self.word.iter_mut().skip(1) {
                *code = if resembled {
                    look_alike(*code)
                } else {
                    u32::from('0')
                };
            }
        }
    }

    fn count_word(&mut self) {
        let word = self
            .word
            .iter()
            .fold(SEED_WORD, |hash, code| step(hash, *code));
        self.ids.push(bucket_of_word(word));
        self.words.push((self.ids.len(), word));
        self.ids.push(bucket_of_pair(self.previous, word));
        self.previous = word;
    }

    /// A window of what has been read.
    fn window(&self, ids: Range<usize>) -> Window {
        let first = self.words.partition_point(|(at, _)| *at < ids.start);
        let first = self.words.get(first).filter(|(at, _)| *at < ids.end);
        Window {
            ids,
            first: first.map(|(at, word)| FirstPair {
                at: *at,
                alone: bucket_of_pair(SEED_PAIR, *word),
            }),
        }
    }

    /// Reads a text as if nothing stood before it.
    fn read_alone(&mut self, text: &str) {
        (self.previous, self.mark) = (SEED_PAIR, ' ');
        text.chars().for_each(|c| self.read(c));
        self.end_word();
    }

    fn count_characters(&mut self) {
        let mut rest = self.word.as_slice();
        while rest.len() >= GRAM_MIN {
            let mut hash = SEED_CHARACTERS;
            for (at, code) in rest.iter().take(GRAM_MAX).enumerate() {
                hash = step(hash, *code);
                if at + 1 >= GRAM_MIN {
                    self.ids.push(bucket_of_characters(hash));
                }
            }
            rest = rest.get(1..).unwrap_or_default();
        }
    }
}

/// Turns occurrences into weights: counts per bucket, then the square root of each bucket's share.
fn weigh(mut occurrences: Vec<u32>) -> Features {
    occurrences.sort_unstable();
    let total = occurrences.len() as f32;
    let mut features = Features {
        ids: Vec::with_capacity(occurrences.len()),
        values: Vec::with_capacity(occurrences.len()),
    };
    for same in occurrences.chunk_by(|a, b| a == b) {
        let Some(id) = same.first().copied() else {
            continue;
        };
        features.ids.push(id);
        features.values.push(same.len() as f32);
    }
    for value in &mut features.values {
        *value = (*value / total).sqrt();
    }
    features
}

/// The letter that a digit stands for in "l33t" spelling; anything else is itself.
fn look_alike(code: u32) -> u32 {
    let letter = match char::from_u32(code) {
        Some('0') => 'o',
        Some('1') => 'i',
        Some('3') => 'e',
        Some('4') => 'a',
        Some('5') => 's',
        Some('7') => 't',
        _ => return code,
    };
    u32::from(letter)
}

/// One step of a multiplicative hash; the buckets are taken from its upper bits.
fn step(hash: u64, code: u32) -> u64 {
    (hash ^ u64::from(code))
        .wrapping_mul(MULTIPLIER)
        .rotate_left(29)
}

fn bucket_of_characters(hash: u64) -> u32 {
    upper_bits(hash)
}

fn bucket_of_word(hash: u64) -> u32 {
    BUCKETS / 2 + upper_bits(hash)
}

fn bucket_of_pair(first: u64, second: u64) -> u32 {
    bucket_of_word((first ^ second.rotate_left(23)).wrapping_mul(MULTIPLIER))
}

/// A number below `BUCKETS / 2`.
fn upper_bits(hash: u64) -> u32 {
    (hash.wrapping_mul(MULTIPLIER) >> (u64::BITS - HALF_BITS)) as u32
}

/// Character n-grams have 3 to 5 characters, edges included.
const GRAM_MIN: usize = 3;
const GRAM_MAX: usize = 5;

/// Room reserved per byte of text; English needs about 2.3.
const GRAMS_PER_BYTE: usize = 3;

/// Stands for the edge of a word; no character of the text has this code.
const EDGE: u32 = 0;

const HALF_BITS: u32 = BUCKETS.trailing_zeros() - 1;

/// 2^64 divided by the golden ratio, odd: spreads neighbouring codes over the upper bits (Knuth, TAOCP 6.4).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Start values that keep the families of n-grams apart.
const SEED_CHARACTERS: u64 = 1;
const SEED_WORD: u64 = 2;
const SEED_PAIR: u64 = 3;
const SEED_MARK: u64 = 4;

#[cfg(test)]
mod tests;
