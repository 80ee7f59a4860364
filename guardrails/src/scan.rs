//! Looking for many shapes in one growing text.
//!
//! A [`Scanner`] holds shapes; a [`Cursor`] is where one scan stands. [`Cursor::advance`] reads on up to an offset and
//! reports what has been *settled*: a [`Hit`] is reported once nothing that may follow could change it, so the hits of a
//! text do not depend on the steps in which it was read (property-tested). [`Cursor::open_from`] says from where on
//! something may still become, or grow into, a hit.
//!
//! How every possible beginning is found once:
//!
//! ```text
//! … read before │ new text                      tail │ not yet known
//!               scanned                     upto-16  upto
//! ```
//!
//! In the new text up to the tail, keywords are found by one Aho-Corasick automaton, digits and `@` by a class table. A
//! keyword that begins in the tail may be cut off, so there every shape is simply tried at every byte that it can begin
//! with. A shape follows one candidate at a time; beginnings that turn up meanwhile wait in a queue and are tried when
//! the candidate comes to nothing (or dropped, when a match covers them).
//!
//! Bounds: per byte of text a constant plus, per shape, at most `max_span` automaton steps in the worst case (a candidate
//! at every byte, each dying late); the queue of a candidate holds at most one offset per byte of its span.

use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input};
use regex_automata::util::primitives::StateID;

use crate::shape::{BEFORE_MAX, Candidate, LOCAL_PART_MAX, Shape, Trigger};

#[cfg(test)]
pub(crate) mod tests;

/// Many shapes, looked for together.
pub(crate) struct Scanner {
    shapes: Vec<Arc<Shape>>,
    /// All keywords of all shapes; `None` if there are none.
    keywords: Option<AhoCorasick>,
    /// Per keyword, its shape.
    keyword_shape: Vec<usize>,
    /// Per byte, the shapes that can begin with it (e-mail apart, which is found from its middle).
    beginners: Vec<Vec<usize>>,
    /// The shapes that begin anywhere; those with a digit; addresses.
    anywhere: Vec<usize>,
    numbers: Vec<usize>,
    emails: Vec<usize>,
    /// Whether the class pass is needed.
    classes: bool,
    /// Length of the tail: one byte less than the longest keyword, at least [`TAIL_MIN`].
    tail: usize,
}

/// Where one scan stands. Offsets are those of the text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    scanned: usize,
    /// Per shape: no candidate may begin before this.
    next: Vec<usize>,
    /// At most one per shape.
    open: Vec<Open>,
}

/// A candidate whose automaton is alive.
#[derive(Debug, Clone)]
struct Open {
    shape: usize,
    start: usize,
    /// Read up to here.
    at: usize,
    state: StateID,
    /// The end of the longest match so far.
    matched: Option<usize>,
    /// It outgrew its span: found, and swallowing; reported up to here.
    swallowed: Option<usize>,
    /// Later beginnings of the same shape, ascending.
    waiting: Vec<usize>,
}

/// Something found, and settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Index of the shape in its scanner.
    pub(crate) shape: usize,
    /// Its bytes.
    pub(crate) range: Range<usize>,
    /// Whether it is new, or more of a hit that outgrew its span.
    pub(crate) part: Part,
}

/// Which part of a hit is reported. More sorts first, so that it joins what it continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// What an outgrown hit went on to consume.
    More,
    /// A hit, or the first `max_span + 1` bytes of an outgrown one.
    New,
}

/// The text as far as it is retained.
#[derive(Clone, Copy)]
pub(crate) struct Retained<'a> {
    /// The bytes; valid UTF-8 from and to character boundaries.
    pub(crate) text: &'a str,
    /// The offset of the first one.
    pub(crate) base: usize,
}

/// Which shapes matter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Active(pub(crate) Vec<bool>);

/// A scan never needs text that lies further than this before what is open, or before what is not yet scanned.
pub(crate) const CONTEXT: usize = if BEFORE_MAX > LOCAL_PART_MAX {
    BEFORE_MAX + 4
} else {
    LOCAL_PART_MAX + 4
};

/// Country code and check digits of an IBAN have to fit.
const TAIL_MIN: usize = 4;

impl Scanner {
    /// Builds the tables. Fails only if the keywords make too big an automaton.
    pub(crate) fn new(shapes: Vec<Arc<Shape>>) -> Result<Scanner, aho_corasick::BuildError> {
        let mut words = Vec::new();
        let mut keyword_shape = Vec::new();
        for (i, shape) in shapes.iter().enumerate() {
            if let Trigger::Keywords(list) = &shape.trigger {
                words.extend(list.iter().map(String::as_str));
                keyword_shape.resize(words.len(), i);
            }
        }
        let tail = words.iter().map(|word| word.len().saturating_sub(1)).max();
        let keywords = match words.is_empty() {
            true => None,
            // The contiguous table is five times faster than the automaton's default choice at this size.
            false => Some(
                AhoCorasick::builder()
                    .ascii_case_insensitive(true)
                    .kind(Some(AhoCorasickKind::DFA))
                    .build(&words)?,
            ),
        };
        let of = |wanted: fn(&Trigger) -> bool| -> Vec<usize> {
            let with = shapes
                .iter()
                .enumerate()
                .filter(|(_, shape)| wanted(&shape.trigger));
            with.map(|(i, _)| i).collect()
        };
        let numbers = of(|t| matches!(t, Trigger::Number | Trigger::Phone | Trigger::Iban));
        let emails = of(|t| matches!(t, Trigger::Email));
        Ok(Scanner {
            keywords,
            keyword_shape,
            beginners: (0..=u8::MAX).map(|byte| beginners(&shapes, byte)).collect(),
            anywhere: of(|t| matches!(t, Trigger::Anywhere { .. })),
            classes: !numbers.is_empty() || !emails.is_empty(),
            numbers,
            emails,
            tail: tail.unwrap_or(0).max(TAIL_MIN),
            shapes,
        })
    }

    pub(crate) fn shapes(&self) -> &[Arc<Shape>] {
        &self.shapes
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor {
            scanned: 0,
            next: vec![0; self.shapes.len()],
            open: Vec::new(),
        }
    }
}

/// The shapes that can begin with a byte.
fn beginners(shapes: &[Arc<Shape>], byte: u8) -> Vec<usize> {
    let able = |shape: &Shape| match &shape.trigger {
        Trigger::Keywords(words) => words.iter().any(|word| {
            word.as_bytes()
                .first()
                .is_some_and(|b| b.eq_ignore_ascii_case(&byte))
        }),
        Trigger::Number => byte.is_ascii_digit(),
        Trigger::Phone => byte.is_ascii_digit() || byte == b'+' || byte == b'(',
        Trigger::Iban => byte.is_ascii_alphabetic(),
        Trigger::Email => false,
        Trigger::Anywhere { first, .. } => first.get(usize::from(byte)).copied().unwrap_or(false),
    };
    let with = shapes.iter().enumerate().filter(|(_, shape)| able(shape));
    with.map(|(i, _)| i).collect()
}

impl Active {
    fn has(&self, shape: usize) -> bool {
        self.0.get(shape).copied().unwrap_or(false)
    }
}

impl Cursor {
    /// Reads the text up to `upto` (or to its end, if `last`), and adds what is settled to `hits`.
    pub(crate) fn advance(
        &mut self,
        scanner: &Scanner,
        active: &Active,
        text: Retained<'_>,
        upto: usize,
        last: bool,
        hits: &mut Vec<Hit>,
    ) {
        let mut step = Step {
            scanner,
            active,
            text,
            upto,
            last,
            hits,
        };
        step.resume(self);
        let tail = match last {
            true => upto,
            false => upto.saturating_sub(scanner.tail).max(self.scanned),
        };
        step.find_keywords(self, tail);
        step.find_classes(self, tail);
        step.find_anywhere(self, tail);
        step.try_tail(self, tail);
        self.scanned = upto;
        step.report_swallowed(self);
    }

    /// From where on the text may still belong to a hit of one of the `holding` shapes; `None` if nothing is open.
    pub(crate) fn open_from(
        &self,
        scanner: &Scanner,
        holding: &Active,
        text: Retained<'_>,
    ) -> Option<usize> {
        let open = self
            .open
            .iter()
            .filter(|open| open.swallowed.is_none() && holding.has(open.shape))
            .map(|open| open.start)
            .min();
        let address = scanner
            .emails
            .iter()
            .filter(|email| holding.has(**email))
            .filter_map(|email| {
                let start = local_part_start(text, self.scanned, self.next_of(*email));
                (start < self.scanned).then_some(start)
            })
            .min();
        open.into_iter().chain(address).min()
    }

    /// Whether one of the `holding` shapes has outgrown its span and goes on consuming.
    pub(crate) fn is_swallowing(&self, holding: &Active) -> bool {
        let mut open = self.open.iter();
        open.any(|open| open.swallowed.is_some() && holding.has(open.shape))
    }

    /// Text before this is never looked at again.
    pub(crate) fn needed_from(&self) -> usize {
        let starts = self
            .open
            .iter()
            .map(|open| open.swallowed.unwrap_or(open.start));
        starts
            .min()
            .unwrap_or(self.scanned)
            .min(self.scanned)
            .saturating_sub(CONTEXT)
    }

    /// Read up to here.
    pub(crate) fn scanned(&self) -> usize {
        self.scanned
    }

    /// Passes over text in which nothing can begin, if nothing is open either.
    pub(crate) fn skip(&mut self, upto: usize) -> bool {
        if self.open.is_empty() {
            self.scanned = upto;
        }
        self.open.is_empty()
    }

    fn next_of(&self, shape: usize) -> usize {
        self.next.get(shape).copied().unwrap_or(0)
    }

    fn set_next(&mut self, shape: usize, offset: usize) {
        if let Some(next) = self.next.get_mut(shape) {
            *next = offset.max(*next);
        }
    }
}

/// One call of [`Cursor::advance`].
struct Step<'a> {
    scanner: &'a Scanner,
    active: &'a Active,
    text: Retained<'a>,
    upto: usize,
    last: bool,
    hits: &'a mut Vec<Hit>,
}

impl Step<'_> {
    /// Runs on what was open before.
    fn resume(&mut self, cursor: &mut Cursor) {
        for open in std::mem::take(&mut cursor.open) {
            self.run(cursor, open);
        }
    }

    /// Keywords that begin in the new text before the tail. Their matches may reach into it.
    fn find_keywords(&mut self, cursor: &mut Cursor, tail: usize) {
        let Some(keywords) = &self.scanner.keywords else {
            return;
        };
        let bytes = self.text.text.as_bytes();
        let Some(from) = cursor.scanned.checked_sub(self.text.base) else {
            return;
        };
        let input = Input::new(bytes).range(from..self.upto - self.text.base);
        let Ok(found) = keywords.try_find_overlapping_iter(input) else {
            return;
        };
        for keyword in found {
            let start = self.text.base + keyword.start();
            if start < tail
                && let Some(shape) = self.scanner.keyword_shape.get(keyword.pattern().as_usize())
            {
                self.begin(cursor, *shape, start);
            }
        }
    }

    /// Digits, `+`, `(` and `@`.
    fn find_classes(&mut self, cursor: &mut Cursor, tail: usize) {
        if !self.scanner.classes {
            return;
        }
        let scanned = cursor.scanned;
        let mut at = scanned;
        while let Some(found) = self.next_of_class(at) {
            at = found + 1;
            match self.byte(found) {
                Some(b'@') => self.begin_emails(cursor, found),
                Some(byte) => {
                    let before = found.checked_sub(1).and_then(|i| self.byte(i));
                    for shape in &self.scanner.numbers {
                        let start = self.number_start(*shape, byte, before, found);
                        if let Some(start) = start.filter(|start| (scanned..tail).contains(start)) {
                            self.begin(cursor, *shape, start);
                        }
                    }
                }
                None => break,
            }
        }
    }

    /// Where a candidate begins that has this byte as its first digit (or sign).
    fn number_start(&self, shape: usize, byte: u8, before: Option<u8>, at: usize) -> Option<usize> {
        match self.scanner.shapes.get(shape)?.trigger {
            Trigger::Number => byte.is_ascii_digit().then_some(at),
            Trigger::Phone => Some(at),
            Trigger::Iban
                if byte.is_ascii_digit() && before.is_some_and(|b| b.is_ascii_alphabetic()) =>
            {
                at.checked_sub(2)
            }
            _ => None,
        }
    }

    fn begin_emails(&mut self, cursor: &mut Cursor, at: usize) {
        for shape in &self.scanner.emails {
            self.begin(cursor, *shape, at);
        }
    }

    /// The next byte that the class pass cares about.
    fn next_of_class(&self, from: usize) -> Option<usize> {
        let bytes = self.text.text.as_bytes();
        let (mut at, end) = (from - self.text.base, self.upto - self.text.base);
        // Whole blocks without any: a branch-free loop that the compiler turns into vector instructions.
        while let Some(block) = bytes.get(at..at + CLASS_BLOCK)
            && at + CLASS_BLOCK <= end
            && block
                .iter()
                .fold(0, |any, byte| any | u8::from(of_class(*byte)))
                == 0
        {
            at += CLASS_BLOCK;
        }
        let found = bytes
            .get(at..end)?
            .iter()
            .position(|byte| of_class(*byte))?;
        Some(self.text.base + at + found)
    }

    /// Shapes without keywords.
    fn find_anywhere(&mut self, cursor: &mut Cursor, tail: usize) {
        for shape in &self.scanner.anywhere {
            if !self.active.has(*shape) {
                continue;
            }
            let Some(Trigger::Anywhere { first, prefilter }) =
                self.scanner.shapes.get(*shape).map(|s| &s.trigger)
            else {
                continue;
            };
            let mut at = cursor.scanned;
            while at < tail
                && let Some(start) = self.next_beginning(first, prefilter.as_ref(), at, tail)
            {
                self.begin(cursor, *shape, start);
                at = (start + 1).max(cursor.next_of(*shape));
            }
        }
    }

    fn next_beginning(
        &self,
        first: &[bool; 256],
        prefilter: Option<&regex_automata::util::prefilter::Prefilter>,
        from: usize,
        tail: usize,
    ) -> Option<usize> {
        let (bytes, base) = (self.text.text.as_bytes(), self.text.base);
        let found = match prefilter {
            Some(prefilter) => {
                let span = regex_automata::Span::from(from - base..self.upto - base);
                prefilter.find(bytes, span)?.start
            }
            None => {
                let able = |byte: &u8| first.get(usize::from(*byte)).copied().unwrap_or(false);
                from - base + bytes.get(from - base..tail - base)?.iter().position(able)?
            }
        };
        Some(base + found).filter(|start| *start < tail)
    }

    /// Tries every shape at every byte of the tail that it can begin with.
    fn try_tail(&mut self, cursor: &mut Cursor, tail: usize) {
        for start in tail..self.upto {
            let Some(byte) = self.byte(start) else { break };
            for shape in self
                .scanner
                .beginners
                .get(usize::from(byte))
                .into_iter()
                .flatten()
            {
                self.begin(cursor, *shape, start);
            }
        }
    }

    /// A shape may begin here (an address: has its `@` here). Per shape, these offsets come in ascending order.
    fn begin(&mut self, cursor: &mut Cursor, shape: usize, at: usize) {
        if at < cursor.next_of(shape) || !self.active.has(shape) {
            return;
        }
        if let Some(open) = cursor.open.iter_mut().find(|open| open.shape == shape) {
            if open.swallowed.is_none() && open.waiting.last().unwrap_or(&open.start) < &at {
                open.waiting.push(at);
            }
            return;
        }
        if let Some(open) = self.candidate(cursor, shape, at) {
            self.run(cursor, open);
        }
    }

    fn candidate(&self, cursor: &Cursor, shape: usize, at: usize) -> Option<Open> {
        let about = self.scanner.shapes.get(shape)?;
        let start = match about.trigger {
            Trigger::Email => local_part_start(self.text, at, cursor.next_of(shape)),
            _ => at,
        };
        let before = byte_before(self.text, start);
        Some(Open {
            shape,
            start,
            at: start,
            state: about.begin(before)?,
            matched: None,
            swallowed: None,
            waiting: Vec::new(),
        })
    }

    /// Runs a candidate to the end of the known text; then those that waited for it, until one stays open.
    fn run(&mut self, cursor: &mut Cursor, mut open: Open) {
        loop {
            let Some(next) = self.settle(&mut open) else {
                cursor.open.push(open);
                return;
            };
            cursor.set_next(open.shape, next);
            let mut waiting = std::mem::take(&mut open.waiting).into_iter();
            let candidate = waiting
                .by_ref()
                .filter(|at| *at >= next)
                .find_map(|at| self.candidate(cursor, open.shape, at));
            let Some(candidate) = candidate else { return };
            open = Open {
                waiting: waiting.collect(),
                ..candidate
            };
        }
    }

    /// Reads on. When the candidate is settled, reports it and says from where the shape is looked for next.
    fn settle(&mut self, open: &mut Open) -> Option<usize> {
        let shape = self.scanner.shapes.get(open.shape)?;
        if open.swallowed.is_none() {
            let limit = self.upto.min(open.start + shape.max_span + 1);
            if self.read(shape, open, limit) == Life::Dead {
                return Some(self.judge(shape, open));
            }
            if open.at - open.start > shape.max_span {
                let reported = self.boundary(open.at);
                self.report(open.shape, open.start..reported, Part::New);
                open.swallowed = Some(reported);
                open.waiting.clear();
            }
        }
        if let Some(reported) = open.swallowed {
            let life = self.read(shape, open, self.upto);
            if life == Life::Dead || self.last {
                let end = self.boundary(open.at);
                self.report(open.shape, reported..end, Part::More);
                return Some(end);
            }
            return None;
        }
        if !self.last {
            return None;
        }
        if shape.matches_at_end(open.state) {
            open.matched = Some(open.at);
        }
        Some(self.judge(shape, open))
    }

    fn read(&self, shape: &Shape, open: &mut Open, limit: usize) -> Life {
        let base = self.text.base;
        let bytes = self
            .text
            .text
            .as_bytes()
            .get(open.at - base..limit - base)
            .unwrap_or_default();
        let run = shape.run(open.state, bytes);
        open.matched = run.matched.map(|end| open.at + end).or(open.matched);
        open.at += run.read;
        match run.state {
            Some(state) => {
                open.state = state;
                Life::Alive
            }
            None => Life::Dead,
        }
    }

    /// Accepts or rejects a finished candidate.
    fn judge(&mut self, shape: &Shape, open: &Open) -> usize {
        let accepted = open.matched.and_then(|end| {
            let text = self.slice(open.start..end)?;
            let before = self.slice(self.before(open.start)..open.start)?;
            shape.judge(&Candidate { before, text })
        });
        match accepted {
            // An empty part is passed over: nothing to report, and nothing to look for inside.
            Some(part) => {
                let range = open.start + part.start..open.start + part.end;
                let next = range.end;
                self.report(open.shape, range, Part::New);
                next
            }
            None => open.start + 1,
        }
    }

    /// The character boundary at or before an offset: an automaton may die inside a character.
    fn boundary(&self, offset: usize) -> usize {
        let inside = offset.saturating_sub(self.text.base);
        let boundary = (0..=inside)
            .rev()
            .find(|i| self.text.text.is_char_boundary(*i));
        self.text.base + boundary.unwrap_or(inside)
    }

    /// Where the context before a candidate begins.
    fn before(&self, start: usize) -> usize {
        let from = start.saturating_sub(BEFORE_MAX).max(self.text.base) - self.text.base;
        let boundary =
            (from..=start - self.text.base).find(|i| self.text.text.is_char_boundary(*i));
        self.text.base + boundary.unwrap_or(from)
    }

    fn report(&mut self, shape: usize, range: Range<usize>, part: Part) {
        if !range.is_empty() {
            self.hits.push(Hit { shape, range, part });
        }
    }

    /// What swallowing candidates have consumed by now.
    fn report_swallowed(&mut self, cursor: &mut Cursor) {
        for open in &mut cursor.open {
            if let Some(reported) = open.swallowed {
                let end = self.boundary(open.at);
                self.report(open.shape, reported..end, Part::More);
                open.swallowed = Some(end);
            }
        }
    }

    fn byte(&self, offset: usize) -> Option<u8> {
        self.text
            .text
            .as_bytes()
            .get(offset.checked_sub(self.text.base)?)
            .copied()
    }

    fn slice(&self, range: Range<usize>) -> Option<&str> {
        let base = self.text.base;
        self.text
            .text
            .get(range.start.checked_sub(base)?..range.end.checked_sub(base)?)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Life {
    Alive,
    Dead,
}

/// The class pass looks at so many bytes at once.
const CLASS_BLOCK: usize = 32;

fn of_class(byte: u8) -> bool {
    byte.is_ascii_digit() | (byte == b'@') | (byte == b'+') | (byte == b'(')
}

/// Where the local part of an address would begin whose `@` stood at `at`.
fn local_part_start(text: Retained<'_>, at: usize, floor: usize) -> usize {
    let from = at.saturating_sub(LOCAL_PART_MAX).max(floor).max(text.base);
    let bytes = text
        .text
        .as_bytes()
        .get(from - text.base..at - text.base)
        .unwrap_or_default();
    let start = at
        - bytes
            .iter()
            .rev()
            .take_while(|byte| is_local_part(**byte))
            .count();
    // In `\njane@…` the address is Jane's: the `n` belongs to the escape.
    match start < at && is_escape(text, start + 1) {
        true => start + 1,
        false => start,
    }
}

/// The byte before an offset, for what depends on the edge of a word. An escape, as JSON inside a text spells line ends
/// and the like, is no letter: `\n078-05-1120` begins a number as a line end would.
fn byte_before(text: Retained<'_>, at: usize) -> Option<u8> {
    match is_escape(text, at) {
        true => Some(b'\\'),
        false => text
            .text
            .as_bytes()
            .get(at.checked_sub(text.base + 1)?)
            .copied(),
    }
}

/// Whether an escape ends at an offset: a letter after a backslash, or `\u` and four digits.
fn is_escape(text: Retained<'_>, at: usize) -> bool {
    let end = at.saturating_sub(text.base).min(text.text.len());
    let before = text.text.as_bytes().get(..end).unwrap_or_default();
    match before {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => true,
        [.., b'\\', b'u', a, b, c, d] => [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()),
        _ => false,
    }
}

/// The bytes of an unquoted local part (RFC 5322 section 3.2.3, `atext` and the dot), less those that in running text
/// belong to the markup around an address.
fn is_local_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
}
