//! What is wrong with a bundle, and exactly where.
//!
//! The loader never stops at the first mistake: every check reports into [`Problems`] and goes on, so
//! that an admin sees all of them at once.

use std::{cell::RefCell, collections::BTreeSet, fmt, ops::Range, path::PathBuf};

use crate::hint::{Fix, Hint};

/// One mistake in one file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file; for [`Policy::load`](crate::Policy::load) with the bundle's folder in front.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The bytes in question, in the file as it is on disk.
    pub span: Range<usize>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
    /// The change that the hint proposes, where nothing about it is in doubt.
    pub fix: Option<Fix>,
    /// Whether the bundle is refused for it.
    pub severity: Severity,
}

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The bundle is refused.
    Error,
    /// The bundle loads, and somebody should look.
    Warning,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            message,
            ..
        } = self;
        write!(
            f,
            "{}:{line}:{column}: {}: {message}",
            file.display(),
            self.severity
        )?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// The text of one file, able to say where a byte is.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    line_starts: Vec<usize>,
}

impl Source {
    pub(crate) fn new(path: PathBuf, text: String) -> Self {
        let after_newline = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_newline).collect();
        Self {
            path,
            text,
            line_starts,
        }
    }

    /// The place of some bytes.
    pub(crate) fn site(&self, span: Range<usize>) -> Site {
        Site {
            file: self.path.clone(),
            line: self.line(span.start),
            column: self.column(span.start),
            span,
        }
    }

    /// Line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> u32 {
        let lines = self.line_starts.partition_point(|start| *start <= at);
        u32::try_from(lines).unwrap_or(u32::MAX)
    }

    /// The bytes of a line, from 1, without its end.
    pub(crate) fn line_span(&self, line: u32) -> Range<usize> {
        let nth = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        let start = self
            .line_starts
            .get(nth)
            .copied()
            .unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        start..start + rest.lines().next().unwrap_or_default().len()
    }

    /// Column of a byte in characters, from 1.
    fn column(&self, at: usize) -> u32 {
        let line = self.line_starts.partition_point(|start| *start <= at);
        let start = line
            .checked_sub(1)
            .and_then(|nth| self.line_starts.get(nth))
            .copied()
            .unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX)
    }
}

/// A place in a file that is remembered after the file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) file: PathBuf,
    line: u32,
    column: u32,
    span: Range<usize>,
}

impl Site {
    /// A problem at this place.
    pub(crate) fn problem(
        &self,
        severity: Severity,
        message: impl Into<String>,
        hint: impl Into<Hint>,
    ) -> Problem {
        let Hint { words, fix } = hint.into();
        Problem {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            span: self.span.clone(),
            message: message.into(),
            hint: words,
            fix,
            severity,
        }
    }
}

/// Collects problems while a bundle is read.
#[derive(Default)]
pub(crate) struct Problems {
    found: RefCell<Vec<Problem>>,
    /// The keys for which the loader asked, as `identities.toml identity.*.tenant`.
    #[cfg(test)]
    pub(crate) asked: RefCell<BTreeSet<String>>,
}

impl Problems {
    /// Reports an error at `span` of `source`.
    pub(crate) fn error(
        &self,
        source: &Source,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<Hint>,
    ) {
        self.report(&source.site(span), Severity::Error, message, hint);
    }

    /// Reports a warning at `span` of `source`.
    pub(crate) fn warning(
        &self,
        source: &Source,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<Hint>,
    ) {
        self.report(&source.site(span), Severity::Warning, message, hint);
    }

    /// Reports an error about a file as a whole, at 1:1.
    pub(crate) fn file(&self, path: PathBuf, message: impl Into<String>, hint: impl Into<Hint>) {
        self.error(&Source::new(path, String::new()), 0..0, message, hint);
    }

    /// Reports a problem at a remembered place.
    pub(crate) fn report(
        &self,
        site: &Site,
        severity: Severity,
        message: impl Into<String>,
        hint: impl Into<Hint>,
    ) {
        let problem = site.problem(severity, message, hint);
        self.found.borrow_mut().push(problem);
    }

    /// Whether anything so far refuses the bundle.
    pub(crate) fn any_error(&self) -> bool {
        self.found
            .borrow()
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// Whether nothing was reported.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Whether something was reported that begins within these bytes.
    pub(crate) fn any_in(&self, span: Range<usize>) -> bool {
        let all = self.found.borrow();
        all.iter().any(|problem| span.contains(&problem.span.start))
    }

    /// Everything that others reported as well.
    pub(crate) fn extend(&self, others: Self) {
        self.found.borrow_mut().extend(others.found.into_inner());
    }

    /// The files about which something was reported.
    pub(crate) fn file_names(&self) -> BTreeSet<PathBuf> {
        self.found
            .borrow()
            .iter()
            .map(|problem| problem.file.clone())
            .collect()
    }

    /// Everything reported, by file and position.
    pub(crate) fn into_sorted(self) -> Vec<Problem> {
        let mut all = self.found.into_inner();
        all.sort_by(|a, b| (&a.file, a.span.start).cmp(&(&b.file, b.span.start)));
        all
    }
}

#[cfg(test)]
mod tests;
