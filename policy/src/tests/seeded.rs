//! The table of mistakes: each is found at its place, and most are mended by what is proposed.
//!
//! `mistakes/bundle` is a bundle without a mistake, `mistakes/mistakes.toml` says what to spoil in it,
//! and `MISTAKES.md` says what comes of that.

use std::{collections::BTreeMap, fs, path::Path};

use toml::de::{DeTable, DeValue};

use super::support::{Bundle, lines};
use crate::Problem;

/// One change that makes a mistake.
pub(crate) struct Mistake<'a> {
    pub(crate) path: &'a str,
    pub(crate) keys: BTreeMap<&'a str, &'a str>,
}

/// What came of it.
struct Found {
    problem: Problem,
    mended: bool,
}

impl Mistake<'_> {
    pub(crate) fn key(&self, key: &str) -> &str {
        self.keys
            .get(key)
            .unwrap_or_else(|| panic!("{}: no `{key}` in {:?}", self.path, self.keys))
    }

    /// The bundle with the mistake in it.
    pub(crate) fn make(&self, bundle: &Bundle) -> Bundle {
        let (bundle, path) = (bundle.clone(), self.path);
        match (self.keys.get("new"), self.keys.get("add")) {
            (Some(text), _) => bundle.with(path, *text),
            (_, Some(text)) => bundle.adding(path, text),
            _ if self.keys.contains_key("lacking") => bundle.without(path),
            _ => bundle.replacing(path, self.key("from"), self.key("to")),
        }
    }

    /// The problem that is reported at the right place in the right words, and whether its fix, and
    /// nothing else, makes the bundle load without a warning.
    fn find(&self, bundle: &Bundle) -> Result<Found, String> {
        let spoiled = self.make(bundle);
        let problems = match spoiled.load() {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        let file = Path::new(self.keys.get("file").copied().unwrap_or(self.path));
        let is_it = |problem: &&Problem| {
            problem.file == file
                && format!("{}:{}", problem.line, problem.column) == self.key("at")
                && problem.message.starts_with(self.key("says"))
        };
        let Some(problem) = problems.iter().find(is_it) else {
            let (path, what, at, says) =
                (self.path, self.key("is"), self.key("at"), self.key("says"));
            let said = lines(&problems);
            return Err(format!(
                "{path}: {what}: not at {at} as `{says}`, but:\n{said}"
            ));
        };
        let mended = problem.fix.as_ref().is_some_and(|fix| {
            let path = problem.file.to_str().expect("a path");
            let text = fix.apply(spoiled.text(path)).expect("a fix for this text");
            let reloaded = spoiled.clone().with(path, text).load();
            reloaded.is_ok_and(|loaded| loaded.warnings.is_empty())
        });
        Ok(Found {
            problem: problem.clone(),
            mended,
        })
    }
}

/// The bundle below a folder.
pub(crate) fn bundle(dir: &Path) -> Bundle {
    let files = crate::load::files_of(dir).expect("the bundle is readable");
    let texts = files.into_iter().map(|(path, bytes)| {
        let path = path.to_str().expect("a path").to_owned();
        (path, String::from_utf8(bytes).expect("a text"))
    });
    Bundle::of(texts)
}

pub(crate) fn mistakes<'a>(table: &'a DeTable<'a>) -> Vec<Mistake<'a>> {
    let mut all = Vec::new();
    for (path, group) in table {
        let rows = group
            .get_ref()
            .as_table()
            .and_then(|group| group.get("mistakes"));
        let rows = rows
            .and_then(|rows| rows.get_ref().as_array())
            .expect("mistakes");
        for row in rows {
            let row = row.get_ref().as_table().expect("a mistake");
            let text = |value: &'a DeValue<'a>| value.as_str().unwrap_or_default();
            let keys = row
                .iter()
                .map(|(key, value)| (&**key.get_ref(), text(value.get_ref())));
            all.push(Mistake {
                path: path.get_ref(),
                keys: keys.collect(),
            });
        }
    }
    all
}

#[test]
fn every_mistake_is_found_at_its_place_and_most_are_mended() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundle = bundle(&dir.join("mistakes/bundle"));
    let clean = bundle.load().map_err(|problems| lines(&problems));
    assert_eq!(lines(&clean.expect("it loads").warnings), "");
    let text = fs::read_to_string(dir.join("mistakes/mistakes.toml")).expect("the table");
    let table = DeTable::parse(&text).expect("TOML");
    let mistakes = mistakes(table.get_ref());

    let mut missed = Vec::new();
    let mut mended = 0;
    let mut rows: BTreeMap<&str, String> = BTreeMap::new();
    for mistake in &mistakes {
        match mistake.find(&bundle) {
            Ok(found) => {
                check_words(&found.problem);
                mended += usize::from(found.mended);
                rows.entry(mistake.path)
                    .or_default()
                    .push_str(&row(mistake, &found));
            }
            Err(told) => missed.push(told),
        }
    }
    let all = mistakes.len();
    let found = all - missed.len();
    assert!(
        missed.is_empty(),
        "{found} of {all} found:\n\n{}",
        missed.join("\n\n")
    );
    assert!(all >= 200, "{all} mistakes");
    assert!(mended * 100 >= all * 60, "{mended} of {all} mended");
    documented(&dir.join("MISTAKES.md"), &report(all, mended, &rows));
}

/// The words of a hint are those of its fix.
fn check_words(problem: &Problem) {
    let Some(fix) = &problem.fix else {
        return;
    };
    let words = problem.hint.as_deref().expect("a fix has words");
    let text = fix.text.trim();
    let said = text.is_empty() || text == "#" || words.contains(text);
    assert!(said, "{problem}: does not say `{text}`");
}

/// One line of the report.
fn row(mistake: &Mistake<'_>, Found { problem, mended }: &Found) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let is = mistake.key("is");
    let (at, said) = (mistake.key("at"), cell(&problem.message));
    let hint = cell(problem.hint.as_deref().unwrap_or_default());
    let mended = match (mended, &problem.fix) {
        (true, _) => "yes",
        (false, Some(_)) => "in part",
        (false, None) => "",
    };
    format!("| {is} | {at} | {said} | {hint} | {mended} |\n")
}

fn report(all: usize, mended: usize, rows: &BTreeMap<&str, String>) -> String {
    let share = mended * 100 / all;
    let mut text = format!(
        "Found at the right place: **{all} of {all}**. Mended by the proposed change alone: **{mended} ({share} %)**.\n"
    );
    for (path, rows) in rows {
        text.push_str(&format!(
            "\n### {path}\n\n| mistake | at | said | proposed | mended |\n|---|---|---|---|---|\n{rows}"
        ));
    }
    text
}

/// The report in MISTAKES.md is this one.
fn documented(file: &Path, report: &str) {
    let text = fs::read_to_string(file).expect("MISTAKES.md");
    let (begin, end) = ("<!-- table: src/tests/seeded.rs -->\n", "<!-- end -->");
    let (before, rest) = text.split_once(begin).expect("its beginning");
    let (written, after) = rest.split_once(end).expect("its end");
    if std::env::var_os("PORTCULLIS_WRITE_TABLE").is_some() {
        fs::write(file, format!("{before}{begin}{report}\n{end}{after}")).expect("written");
        return;
    }
    assert!(
        written.trim() == report.trim(),
        "PORTCULLIS_WRITE_TABLE=1 writes it; it should be:\n{report}"
    );
}
