//! A shape: one kind of text that a deterministic detector looks for.
//!
//! A shape is an automaton that is run from a possible beginning (its [`Trigger`] says where) until it is *dead*: until
//! no text whatever could make the match longer. Only then is the answer known, and it no longer depends on what
//! follows. That is what makes shapes usable on text that is still growing: a shape whose automaton is alive is *open*,
//! and its text must wait.
//!
//! Matches are leftmost-longest (as POSIX has it, not Perl: lazy quantifiers make no difference). A match is then judged
//! by plain code (a checksum, an entropy), which may narrow it: an assignment `password = …` is found as a whole, but
//! only its value is the secret.
//!
//! Bound: a shape that is still alive after [`Shape::max_span`] bytes counts as found, and so does all that it goes on
//! to consume ("swallows"). For a shape of finite length that never happens.

use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};

#[cfg(test)]
mod tests;

/// One kind of text, ready to be looked for.
pub(crate) struct Shape {
    /// What a finding of it is called.
    pub(crate) label: String,
    /// Where it may begin.
    pub(crate) trigger: Trigger,
    /// What may stand before it.
    pub(crate) left: Edge,
    /// A candidate that is alive after so many bytes counts as found.
    pub(crate) max_span: usize,
    /// The pattern's text, for the detector's digest.
    pub(crate) pattern: String,
    judge: Judge,
    dfa: dense::DFA<Vec<u32>>,
    /// The match states from which nothing longer can be matched, sorted: there the automaton is as good as dead, one
    /// byte before it says so.
    ends: Vec<StateID>,
}

/// Where a shape may begin. All but [`Trigger::Email`] name the first byte of a match.
pub(crate) enum Trigger {
    /// At one of these words, ASCII case ignored. The automaton checks the case.
    Keywords(Vec<String>),
    /// At a digit that no letter or digit stands before.
    Number,
    /// As [`Trigger::Number`], or at `+` or `(`.
    Phone,
    /// Two letters before a digit.
    Iban,
    /// At most [`LOCAL_PART_MAX`] bytes before an `@`.
    Email,
    /// At any byte of the set that the automaton can begin with.
    Anywhere {
        first: Box<[bool; 256]>,
        prefilter: Option<Prefilter>,
    },
}

/// The longest local part of an e-mail address (RFC 5321 section 4.5.3.1.1).
pub(crate) const LOCAL_PART_MAX: usize = 64;

/// What may stand before a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Anything: the shape is distinctive enough inside a longer word.
    Free,
    /// No ASCII letter or digit.
    Word,
}

/// A match as its judge sees it.
pub(crate) struct Candidate<'a> {
    /// At most [`BEFORE_MAX`] bytes that stand before it.
    pub(crate) before: &'a str,
    /// The longest match.
    pub(crate) text: &'a str,
}

/// A judge sees so many bytes before the match.
pub(crate) const BEFORE_MAX: usize = 32;

/// Accepts a match, possibly narrowed to some of its bytes, or rejects it (then its second byte may begin another). An
/// empty range at its end passes over it whole.
pub(crate) enum Judge {
    /// Plain code.
    Code(fn(&Candidate<'_>) -> Option<Range<usize>>),
    /// One of these words must be inside.
    Keyword(AhoCorasick),
}

impl Judge {
    /// Every match counts, whole.
    pub(crate) const ANY: Judge = Judge::Code(|candidate| Some(0..candidate.text.len()));
}

/// Why a pattern cannot be a shape.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShapeError {
    #[error("{0}")]
    Syntax(String),
    #[error("the pattern needs an automaton of more than {limit} bytes")]
    TooBig { limit: usize },
    #[error("the pattern can match nothing at all")]
    MatchesEmpty,
    #[error("{0}")]
    Unsupported(String),
}

/// What limits the automaton of one shape.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Its size in bytes, and the memory for building it.
    pub(crate) automaton: usize,
    /// The span, if the pattern itself sets no bound.
    pub(crate) max_span: usize,
}

impl Shape {
    /// Compiles a shape. `trigger: None` derives one from the pattern ([`Trigger::Anywhere`]).
    pub(crate) fn new(
        label: impl Into<String>,
        pattern: &str,
        trigger: Option<Trigger>,
        left: Edge,
        judge: Judge,
        limits: Limits,
    ) -> Result<Shape, ShapeError> {
        let hir =
            syntax::parse(pattern).map_err(|e| ShapeError::Syntax(last_line(&e.to_string())))?;
        if hir.properties().minimum_len().unwrap_or(0) == 0 {
            return Err(ShapeError::MatchesEmpty);
        }
        let max_span = hir.properties().maximum_len().unwrap_or(limits.max_span);
        let dfa = automaton(pattern, limits.automaton)?;
        let trigger = match trigger {
            Some(trigger) => trigger,
            None => Trigger::Anywhere {
                first: first_bytes(&dfa)?,
                prefilter: Prefilter::from_hir_prefix(MatchKind::All, &hir)
                    .filter(Prefilter::is_fast),
            },
        };
        Ok(Shape {
            label: label.into(),
            trigger,
            left,
            max_span,
            pattern: pattern.to_owned(),
            judge,
            ends: ends(&dfa)?,
            dfa,
        })
    }

    /// The automaton before its first byte. `None` if nothing can begin here.
    pub(crate) fn begin(&self, before: Option<u8>) -> Option<StateID> {
        if self.left == Edge::Word && before.is_some_and(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        self.dfa
            .start_state(
                &start::Config::new()
                    .anchored(Anchored::Yes)
                    .look_behind(before),
            )
            .ok()
    }

    /// Runs the automaton over `bytes`.
    ///
    /// The automaton announces a match one byte late, so a match found while reading byte `i` ends before it.
    #[inline]
    pub(crate) fn run(&self, mut state: StateID, bytes: &[u8]) -> Run {
        let mut matched = None;
        for (i, &byte) in bytes.iter().enumerate() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_special_state(state) {
                if self.dfa.is_match_state(state) {
                    matched = Some(i);
                    if self.ends.binary_search(&state).is_ok() {
                        return Run {
                            state: None,
                            read: i,
                            matched,
                        };
                    }
                } else if self.dfa.is_dead_state(state) || self.dfa.is_quit_state(state) {
                    return Run {
                        state: None,
                        read: i,
                        matched,
                    };
                }
            }
        }
        Run {
            state: Some(state),
            read: bytes.len(),
            matched,
        }
    }

    /// Whether the text, ending here, is a match.
    pub(crate) fn matches_at_end(&self, state: StateID) -> bool {
        self.dfa.is_match_state(self.dfa.next_eoi_state(state))
    }

    /// The bytes of a match that are meant, relative to it.
    pub(crate) fn judge(&self, candidate: &Candidate<'_>) -> Option<Range<usize>> {
        match &self.judge {
            Judge::Code(accept) => accept(candidate),
            Judge::Keyword(words) => words
                .is_match(candidate.text)
                .then_some(0..candidate.text.len()),
        }
    }
}

/// How far an automaton got.
pub(crate) struct Run {
    /// Its state; `None` once it is dead.
    pub(crate) state: Option<StateID>,
    /// How many bytes it survived.
    pub(crate) read: usize,
    /// Where the last match seen in these bytes ends, relative to them.
    pub(crate) matched: Option<usize>,
}

fn automaton(pattern: &str, limit: usize) -> Result<dense::DFA<Vec<u32>>, ShapeError> {
    dense::Builder::new()
        .configure(
            dense::Config::new()
                .match_kind(MatchKind::All)
                .start_kind(StartKind::Anchored)
                .accelerate(false)
                .dfa_size_limit(Some(limit))
                .determinize_size_limit(Some(limit)),
        )
        .thompson(regex_automata::nfa::thompson::Config::new().nfa_size_limit(Some(limit)))
        .build(pattern)
        .map_err(|e| match is_limit(&e) {
            true => ShapeError::TooBig { limit },
            false => ShapeError::Unsupported(e.to_string()),
        })
}

/// Whether it was the size, of the automaton or of one of the steps to it, which only their sentences say.
fn is_limit(error: &dense::BuildError) -> bool {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    error.is_size_limit_exceeded()
        || causes
            .map(ToString::to_string)
            .any(|cause| cause.contains("limit"))
}

/// The bytes that an automaton can begin with, whatever stands before.
fn first_bytes(dfa: &dense::DFA<Vec<u32>>) -> Result<Box<[bool; 256]>, ShapeError> {
    let mut first = Box::new([false; 256]);
    for state in begins(dfa)? {
        for (byte, able) in (0..=u8::MAX).zip(first.iter_mut()) {
            *able |= !dfa.is_dead_state(dfa.next_state(state, byte));
        }
    }
    Ok(first)
}

/// The states of an automaton before its first byte.
fn begins(dfa: &dense::DFA<Vec<u32>>) -> Result<Vec<StateID>, ShapeError> {
    // One byte of each kind that the automaton can tell apart as look-behind, and the beginning of the text.
    let before = [None, Some(b'\n'), Some(b'\r'), Some(b' '), Some(b'a')];
    let begin = |before| {
        start::Config::new()
            .anchored(Anchored::Yes)
            .look_behind(before)
    };
    let states = before.map(|before| dfa.start_state(&begin(before)));
    states
        .into_iter()
        .map(|state| state.map_err(|e| ShapeError::Unsupported(e.to_string())))
        .collect()
}

/// The match states that lead nowhere.
fn ends(dfa: &dense::DFA<Vec<u32>>) -> Result<Vec<StateID>, ShapeError> {
    let bytes: Vec<u8> = dfa
        .byte_classes()
        .representatives(0..=u8::MAX)
        .filter_map(|unit| unit.as_u8())
        .collect();
    let mut seen: BTreeSet<StateID> = BTreeSet::new();
    let mut ends = Vec::new();
    let mut waiting = begins(dfa)?;
    while let Some(state) = waiting.pop() {
        if dfa.is_dead_state(state) || !seen.insert(state) {
            continue;
        }
        let next: Vec<StateID> = bytes
            .iter()
            .map(|byte| dfa.next_state(state, *byte))
            .collect();
        let eoi = dfa.next_eoi_state(state);
        if dfa.is_match_state(state)
            && dfa.is_dead_state(eoi)
            && next.iter().all(|next| dfa.is_dead_state(*next))
        {
            ends.push(state);
        }
        waiting.extend(next);
    }
    ends.sort_unstable();
    Ok(ends)
}

/// The regex parser's message without its drawing of the pattern.
fn last_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
impl Shape {
    pub(crate) fn automaton_bytes(&self) -> usize {
        self.dfa.memory_usage()
    }
}
