//! What is wrong in a file an admin wrote: one shape for configuration, policy and guardrail files,
//! printed as `file:line:column` with the line, a caret and what to write instead.

use std::ops::Range;
use std::path::PathBuf;

use annotate_snippets::{AnnotationKind, Level, Patch, Renderer, Snippet};

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
    /// The change that the hint proposes, to the letter, where nothing about it is in doubt. Boxed, since
    /// problems travel in results.
    pub fix: Option<Box<Fix>>,
    /// A warning does not stop a load.
    pub severity: Severity,
}

/// A change to the file that a [`Problem`] is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// Bytes of the file to replace; empty to insert.
    pub span: Range<usize>,
    /// What to put there; empty to remove.
    pub text: String,
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
            fix: None,
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

    /// The problem for programs: place, what is wrong, what to write instead, and the change that does it.
    pub fn to_json(&self) -> serde_json::Value {
        let fix = self.fix.as_ref().map(
            |fix| serde_json::json!({ "bytes": [fix.span.start, fix.span.end], "text": fix.text }),
        );
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
            "fix": fix,
        })
    }

    /// The problem on one line, for logs.
    pub fn line_of_text(&self) -> String {
        let (file, line, column) = (self.file.display(), self.line, self.column);
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})"));
        let hint = hint.unwrap_or_default();
        format!("{file}:{line}:{column}: {}{hint}", self.message)
    }

    /// The problem as a person reads it: the message, the place, the line with a caret, the hint, and
    /// the line as it should be. `colour` is for terminals.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let path = self.file.display().to_string();
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let Some(text) = self.text() else {
            return self.without_text();
        };
        let mark = AnnotationKind::Primary.span(self.span.clone());
        let snippet = Snippet::source(&text).path(&path).annotation(mark);
        let mut group = level.primary_title(&self.message).element(snippet);
        let patch = self.fix.as_ref().filter(|fix| is_within(&text, &fix.span));
        let mut groups = Vec::new();
        match (&self.hint, patch) {
            (Some(hint), Some(fix)) => {
                let patch = Patch::new(fix.span.clone(), fix.text.as_str());
                let snippet = Snippet::source(&text).path(&path).patch(patch);
                groups.push(Level::HELP.secondary_title(hint).element(snippet));
            }
            (Some(hint), None) => group = group.element(Level::HELP.message(hint)),
            (None, _) => {}
        }
        groups.insert(0, group);
        renderer.render(&groups)
    }

    /// The file's text, if there is a place in it to show.
    fn text(&self) -> Option<String> {
        if self.span.is_empty() && self.fix.is_none() {
            return None;
        }
        let text = std::fs::read_to_string(&self.file).ok()?;
        is_within(&text, &self.span).then_some(text)
    }

    /// The problem without the line that it is about.
    fn without_text(&self) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let (file, line, column) = (self.file.display(), self.line, self.column);
        let hint = self.hint.as_ref().map(|hint| format!("\n  = help: {hint}"));
        let hint = hint.unwrap_or_default();
        format!(
            "{severity}: {}\n --> {file}:{line}:{column}{hint}",
            self.message
        )
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
            fix: p.fix.map(|fix| Box::new(fix.into())),
            severity,
        }
    }
}

impl From<policy::Fix> for Fix {
    fn from(policy::Fix { span, text }: policy::Fix) -> Fix {
        Fix { span, text }
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
            fix: None,
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

/// Whether bytes of a text are there, and begin and end between characters: the file may have changed since.
fn is_within(text: &str, span: &Range<usize>) -> bool {
    text.get(span.clone()).is_some()
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
