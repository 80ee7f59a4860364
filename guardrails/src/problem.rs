//! What is wrong in a file that an operator wrote.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One thing wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named to the loader.
    pub file: PathBuf,
    /// Line, from 1; 1 when the problem is about the whole file.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The bytes of the file that are meant; empty when the problem is about the whole file.
    pub span: Range<usize>,
    /// What is wrong, in one lower-case sentence.
    pub message: String,
    /// What to write instead, if we know.
    pub hint: Option<String>,
    /// Whether the file can be used nevertheless.
    pub severity: Severity,
}

/// Whether a [`Problem`] stops the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is used; somebody should look.
    Warning,
    /// The file is refused.
    Error,
}

impl Problem {
    /// A problem with a whole file (or with something that is not text).
    pub(crate) fn file(file: impl Into<PathBuf>, message: impl Into<String>) -> Problem {
        Problem {
            file: file.into(),
            line: 1,
            column: 1,
            span: 0..0,
            message: message.into(),
            hint: None,
            severity: Severity::Error,
        }
    }

    /// A problem with some bytes of a file's text.
    pub(crate) fn at(
        file: impl Into<PathBuf>,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Problem {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Problem {
            line: count(before.matches('\n').count() + 1),
            column: count(before.get(line_start..).unwrap_or_default().chars().count() + 1),
            span,
            ..Problem::file(file, message)
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Problem {
        Problem {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(crate) fn warning(self) -> Problem {
        Problem {
            severity: Severity::Warning,
            ..self
        }
    }
}

impl fmt::Display for Problem {
    /// `FILE:LINE:COLUMN: message (hint)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(f, "{file}:{}:{}: {}", self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}
