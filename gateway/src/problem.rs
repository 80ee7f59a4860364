//! What is wrong in a file an admin wrote: one shape for configuration, policy and guardrail files,
//! printed as `file:line:column` with the line, a caret and what to write instead.

use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One thing wrong in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named to us.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Bytes of the file that are wrong; empty where there is no such place (a missing file, an environment variable).
    pub span: Range<usize>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// A warning does not stop a load.
    pub severity: Severity,
}

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is not used.
    Error,
    /// The file is used.
    Warning,
}

impl Problem {
    /// An error at these bytes of `text`.
    pub fn at(
        file: impl Into<PathBuf>,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Problem {
        let (line, column) = line_and_column(text, span.start);
        let (file, message) = (file.into(), message.into());
        Problem {
            file,
            line,
            column,
            span,
            message,
            hint: None,
            severity: Severity::Error,
        }
    }

    /// An error about a whole file, or about something that is in none.
    pub fn about(file: impl Into<PathBuf>, message: impl Into<String>) -> Problem {
        Problem::at(file, "", 0..0, message)
    }

    /// An error about a word in a line of a file, counted from 1. If the word is not there any more, about the line.
    pub fn in_line(
        file: impl Into<PathBuf>,
        line: u32,
        word: &str,
        message: impl Into<String>,
    ) -> Problem {
        let file = file.into();
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let before = usize::try_from(line).map_or(0, |line| line.saturating_sub(1));
        let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
        let rest = text.get(start..).unwrap_or_default();
        let found = rest.lines().next().and_then(|line| line.find(word));
        let span = found.map_or(start..start, |at| start + at..start + at + word.len());
        Problem::at(file, &text, span, message)
    }

    /// Says what to write instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The problem for programs: place, what is wrong, what to write instead.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": self.file.display().to_string(),
            "line": self.line,
            "column": self.column,
            "bytes": [self.span.start, self.span.end],
            "severity": match self.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "message": self.message,
            "hint": self.hint,
        })
    }

    /// The problem on one line, for logs.
    pub fn line_of_text(&self) -> String {
        let (file, line, column) = (self.file.display(), self.line, self.column);
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})"));
        let hint = hint.unwrap_or_default();
        format!("{file}:{line}:{column}: {}{hint}", self.message)
    }

    /// The problem as a person reads it: the message, the place, the line with a caret, the hint.
    /// `colour` is for terminals.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = self.file.display().to_string();
        let text = if self.span.is_empty() {
            None
        } else {
            std::fs::read_to_string(&self.file).ok()
        };
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let Some(text) = text
            .filter(|t| t.is_char_boundary(self.span.start) && t.is_char_boundary(self.span.end))
        else {
            let severity = if self.severity == Severity::Error {
                "error"
            } else {
                "warning"
            };
            let hint = self
                .hint
                .as_ref()
                .map(|h| format!("\n  = help: {h}"))
                .unwrap_or_default();
            return format!(
                "{severity}: {}\n --> {path}:{}:{}{hint}",
                self.message, self.line, self.column
            );
        };
        let snippet = Snippet::source(text)
            .path(path)
            .annotation(AnnotationKind::Primary.span(self.span.clone()));
        let mut group = level.primary_title(&self.message).element(snippet);
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint));
        }
        renderer.render(&[group])
    }
}

impl From<policy::Problem> for Problem {
    fn from(p: policy::Problem) -> Problem {
        let severity = match p.severity {
            policy::Severity::Error => Severity::Error,
            policy::Severity::Warning => Severity::Warning,
        };
        Problem {
            file: p.file,
            line: p.line,
            column: p.column,
            span: p.span,
            message: p.message,
            hint: p.hint,
            severity,
        }
    }
}

impl From<guardrails::Problem> for Problem {
    fn from(p: guardrails::Problem) -> Problem {
        let severity = match p.severity {
            guardrails::Severity::Error => Severity::Error,
            guardrails::Severity::Warning => Severity::Warning,
        };
        Problem {
            file: p.file,
            line: p.line,
            column: p.column,
            span: p.span,
            message: p.message,
            hint: p.hint,
            severity,
        }
    }
}

/// The known word nearest to `wrong`, if one is near enough to be what was meant.
pub fn nearest<'w>(wrong: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let near = known
        .into_iter()
        .map(|word| (edits(wrong, word), word))
        .min()?;
    (near.0 <= 2.max(wrong.len() / 3)).then_some(near.1)
}

/// Edits (insert, delete, replace, swap neighbours counted as two) that turn `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let (left, above, diagonal) = (next.get(j), row.get(j + 1), row.get(j));
            let replaced = diagonal.unwrap_or(&0) + usize::from(from != *to);
            next.push(
                replaced
                    .min(left.unwrap_or(&0) + 1)
                    .min(above.unwrap_or(&0) + 1),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn line_and_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or("");
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (
        u32::try_from(line).unwrap_or(u32::MAX),
        u32::try_from(column).unwrap_or(u32::MAX),
    )
}

#[cfg(test)]
mod tests;
