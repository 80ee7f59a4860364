//! What to write instead: in words for a person and, where the intent is beyond doubt, as a [`Fix`].
//!
//! ```text
//! Hint::replace(span, "-")     write `-`
//! Hint::insert(at, "x = 1")    add `x = 1`
//! Hint::remove(span)           remove it
//! Hint::advice("…")            words alone: somebody has to choose
//! text.mean(known)             did you mean `chat`?      (see `load::fields::Text`)
//! ```
//!
//! The words are made from the fix, so that they cannot say different things; [`Hint::saying`] changes
//! the words of a fix that needs more of them. Where two known words are equally near, or a change
//! could grant more than what was meant, there are words and no fix. Whatever a fix writes is read
//! like anything else: it never passes a check that the admin's own text would not pass.

use std::ops::Range;

mod lookalike;

pub(crate) use lookalike::plain;

/// A change to the file that a problem is about, which does exactly what its hint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The bytes to replace, in the file as it is on disk; empty to insert.
    pub span: Range<usize>,
    /// What to put there; empty to remove.
    pub text: String,
}

impl Fix {
    /// The file's text after the change; `None` if it is not the text that the problem was found in.
    #[must_use]
    pub fn apply(&self, text: &str) -> Option<String> {
        let (before, after) = (text.get(..self.span.start)?, text.get(self.span.end..)?);
        Some([before, &self.text, after].concat())
    }
}

/// See the module. The default says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hint {
    pub(crate) words: Option<String>,
    pub(crate) fix: Option<Fix>,
}

impl Hint {
    /// Words alone.
    pub(crate) fn advice(words: impl Into<String>) -> Self {
        Self {
            words: Some(words.into()),
            fix: None,
        }
    }

    /// "write `text`" in place of what is at `span`.
    pub(crate) fn replace(span: Range<usize>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            words: Some(format!("write `{text}`")),
            fix: Some(Fix { span, text }),
        }
    }

    /// "add `text`", with the white space that sets it apart from its neighbours.
    pub(crate) fn insert(at: usize, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            words: Some(format!("add `{}`", text.trim())),
            fix: Some(Fix { span: at..at, text }),
        }
    }

    /// "remove it".
    pub(crate) fn remove(span: Range<usize>) -> Self {
        let text = String::new();
        Self {
            words: Some("remove it".into()),
            fix: Some(Fix { span, text }),
        }
    }

    /// The same change in other words.
    pub(crate) fn saying(self, words: impl Into<String>) -> Self {
        let words = Some(words.into());
        Self { words, ..self }
    }

    /// This hint, or the other if this one says nothing.
    pub(crate) fn or(self, other: impl Into<Self>) -> Self {
        match self.words {
            Some(_) => self,
            None => other.into(),
        }
    }
}

impl From<&str> for Hint {
    fn from(words: &str) -> Self {
        Self::advice(words)
    }
}

impl From<String> for Hint {
    fn from(words: String) -> Self {
        Self::advice(words)
    }
}

impl From<Option<String>> for Hint {
    fn from(words: Option<String>) -> Self {
        Self { words, fix: None }
    }
}

/// The known words nearest to another: none, the one that is meant, or several that may be.
pub(crate) fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let spelled = plain(word).to_lowercase();
    let bound = (word.chars().count() / 3).max(1);
    let mut best = bound;
    let mut found = Vec::new();
    for name in known {
        let distance = edits(&spelled, &name.to_lowercase());
        if name.is_empty() || name == word || distance > best {
            continue;
        }
        if distance < best {
            found.clear();
            best = distance;
        }
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found.sort_unstable();
    found
}

/// "did you mean …?" for a word that is not among `known`, if some are near enough.
pub(crate) fn did_you_mean<'n>(
    word: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<String> {
    let near = nearest(word, known);
    (1..=ALTERNATIVES_MAX)
        .contains(&near.len())
        .then(|| format!("did you mean {}?", either(&near)))
}

/// "`a`, `b` or `c`".
pub(crate) fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

/// Edit distance counting a swap of neighbours as one edit (optimal string alignment).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (cell(&last, j) + usize::from(x != y))
                .min(cell(&last, j + 1) + 1)
                .min(cell(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(cell(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    cell(&last, b.len())
}

/// More words than this that are equally near are no help.
pub(crate) const ALTERNATIVES_MAX: usize = 4;

#[cfg(test)]
mod tests;
