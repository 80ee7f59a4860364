//! How the tour looks: 80 columns, one colour per kind of verdict, colour only where somebody sees it.
//!
//! A terminal that has gone away is no reason to stop: what cannot be written is dropped.

use std::io::{self, IsTerminal, Write};

use super::beat::{Surprise, Told, Verdict};
use super::record::Record;

/// Columns between the margins.
const WIDTH: usize = 76;

/// Where the tour is shown.
pub(super) struct Show {
    out: io::Stdout,
    colour: bool,
}

/// Colours are the terminal's own sixteen, so that they fit its theme.
#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Show {
    /// Standard output; in colour only on a terminal that can, and if NO_COLOR is not set.
    pub(super) fn stdout() -> Show {
        let out = io::stdout();
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = out.is_terminal() && wanted && able;
        Show { out, colour }
    }

    /// Whether somebody looks at it.
    pub(super) fn is_terminal(&self) -> bool {
        self.out.is_terminal()
    }

    /// The loud part: what this is, and what it is not.
    pub(super) fn banner(&self, lines: &[&str]) {
        let rule = "━".repeat(WIDTH - 9);
        let edge = |text: &str| self.ink(Ink::Yellow, text);
        self.line("");
        self.line(&format!("  {}", edge(&format!("┏━ DEMO {rule}┓"))));
        for line in lines {
            let side = edge("┃");
            self.line(&format!(
                "  {side}  {line:<inner$}{side}",
                inner = WIDTH - 4
            ));
        }
        let rule = "━".repeat(WIDTH - 2);
        self.line(&format!("  {}", edge(&format!("┗{rule}┛"))));
    }

    /// What runs where: pairs of a word and what it stands for.
    pub(super) fn facts(&self, facts: &[(&str, String)]) {
        self.line("");
        for (word, fact) in facts {
            self.line(&format!(
                "  {}{fact}",
                self.ink(Ink::Dim, &format!("{word:<9}"))
            ));
        }
    }

    pub(super) fn act(&self, number: usize, title: &str) {
        let heading = format!("ACT {number}   {title}");
        self.line("");
        self.line("");
        self.line(&format!("  {}", self.ink(Ink::Bold, &heading)));
        self.line(&format!("  {}", self.ink(Ink::Dim, &"─".repeat(WIDTH))));
    }

    /// A beat begins: its sentence.
    pub(super) fn begins(&self, number: usize, says: &str) {
        self.line("");
        self.line(&format!("  {number:>2}  {}", self.ink(Ink::Bold, says)));
    }

    /// It went as it must.
    pub(super) fn told(&self, told: &Told) {
        let word = format!("{:<11}", told.verdict.word());
        self.block(&self.ink(colour_of(told.verdict), &word), &told.what);
        self.block(&self.ink(Ink::Dim, "not proved "), &told.not_proved);
        self.block(&self.ink(Ink::Dim, "where      "), &told.place);
        self.block(
            &self.ink(Ink::Dim, "time       "),
            std::slice::from_ref(&told.time),
        );
    }

    /// It was not played, and why.
    pub(super) fn skipped(&self, why: &str) {
        self.block(&self.ink(Ink::Dim, "skipped    "), &[why.to_owned()]);
    }

    /// It did not go as it must.
    pub(super) fn surprised(&self, surprise: &Surprise, entries: &[Record]) {
        let Surprise {
            about,
            expected,
            got,
        } = surprise;
        let about = if about.is_empty() {
            String::new()
        } else {
            format!("{about}: ")
        };
        self.line("");
        self.line(&format!(
            "      {} {about}{expected}",
            self.ink(Ink::Red, "EXPECTED  ")
        ));
        self.line(&format!("      {} {got}", self.ink(Ink::Red, "GOT       ")));
        if entries.is_empty() {
            self.line("      no entry speaks of the last request");
        }
        for record in entries {
            self.line(&format!("      entry {}  {}", record.index, record.entry));
        }
    }

    /// A heading over lines to copy.
    pub(super) fn heading(&self, text: &str) {
        self.line("");
        self.line(&format!("  {}", self.ink(Ink::Bold, text)));
    }

    /// A line to copy: nothing before it that would be copied with it.
    pub(super) fn copyable(&self, line: &str) {
        self.line(&self.ink(Ink::Cyan, line));
    }

    pub(super) fn line(&self, text: &str) {
        let mut out = self.out.lock();
        let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    }

    /// A word, and lines beside it.
    fn block(&self, word: &str, lines: &[String]) {
        for (nth, line) in lines.iter().enumerate() {
            let word = if nth == 0 { word } else { "           " };
            self.line(&format!("      {word}{line}"));
        }
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "1;31",
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Cyan => "36",
        };
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Green for what went through or holds, yellow for what was changed, red for what was stopped.
fn colour_of(verdict: Verdict) -> Ink {
    match verdict {
        Verdict::Answered | Verdict::Recovered | Verdict::Found | Verdict::Proved => Ink::Green,
        Verdict::Redacted => Ink::Yellow,
        Verdict::Denied | Verdict::Blocked | Verdict::Stopped | Verdict::Refused => Ink::Red,
    }
}
