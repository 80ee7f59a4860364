//! Hundreds of seeded mistakes in the demo bundle, each alone: is it found, at the right place, and does the hint, taken at
//! its word, mend it?
//!
//! `mistakes.tsv` has the mistakes, `MISTAKES.md` the result. `PORTCULLIS_WRITE_TABLE=1` writes the result anew.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use super::demo_dir;
use crate::{Policy, Problem};

type Files = BTreeMap<String, String>;

/// One line of the table.
struct Mistake {
    kind: String,
    file: String,
    from: String,
    to: String,
    /// The line where it is told, if that is not where the text was changed.
    line: Option<u32>,
}

#[derive(Default)]
struct Count {
    all: usize,
    found: usize,
    mended: usize,
}

fn mistakes() -> Vec<Mistake> {
    let table = include_str!("../../mistakes.tsv");
    let unescape = |cell: &str| cell.replace("\\n", "\n").replace("\\t", "\t");
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<String> = line.split('\t').map(unescape).collect();
            let [kind, file, from, to, line] = cells.try_into().expect("five cells");
            let line = line
                .strip_suffix(':')
                .map(|line| line.parse().expect("a line"));
            Mistake {
                kind,
                file,
                from,
                to,
                line,
            }
        })
        .collect()
}

/// The demo bundle in memory.
fn demo() -> Files {
    fn read(dir: &Path, under: &str, files: &mut Files) {
        for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
            let name = format!("{under}{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true => read(&entry.path(), &format!("{name}/"), files),
                false => {
                    _ = files.insert(name, std::fs::read_to_string(entry.path()).expect("text"))
                }
            }
        }
    }
    let mut files = Files::new();
    read(&demo_dir(), "", &mut files);
    files
}

/// What is odd about a bundle, warnings included; nothing, if it is as good as the demo's.
fn problems(files: &Files) -> Vec<Problem> {
    let files = files
        .iter()
        .map(|(name, text)| (PathBuf::from(name), text.clone().into_bytes()));
    match Policy::from_files(files.collect()) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
}

/// Where two texts differ, in the second.
fn changed(before: &str, after: &str) -> Range<usize> {
    let common =
        |pairs: &mut dyn Iterator<Item = (u8, u8)>| pairs.take_while(|(a, b)| a == b).count();
    let head = common(&mut before.bytes().zip(after.bytes()));
    let tail = common(&mut before.bytes().rev().zip(after.bytes().rev()));
    let most = before.len().min(after.len()) - head;
    head..after.len() - tail.min(most)
}

/// The text with one hint taken at its word: what it writes in backticks stands in the marked place.
fn applied(text: &str, problem: &Problem) -> Option<String> {
    let hint = problem.hint.as_deref()?;
    let quoted = |after: &str| {
        let rest = hint.split_once(after)?.1;
        let (word, _) = rest.strip_prefix('`')?.split_once('`')?;
        Some(word.to_owned())
    };
    let Range { start, end } = problem.span.clone();
    let marked = text.get(start..end)?;
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = after.find('\n').map_or(text.len(), |at| end + at + 1);
    if let Some(word) = quoted("did you mean ").or_else(|| quoted("write ")) {
        // Within quotes, the word stands within quotes; what is written bare replaces them.
        let is_quoted = marked.starts_with('"') && marked.ends_with('"') && marked.len() > 1;
        let keep = is_quoted && hint.starts_with("did you mean");
        let word = if keep { format!("\"{word}\"") } else { word };
        return Some(format!("{before}{word}{after}"));
    }
    if hint.starts_with("remove the row") {
        return Some(format!(
            "{}{}",
            text.get(..line_start)?,
            text.get(line_end..)?
        ));
    }
    if hint.starts_with("remove it") {
        return Some(format!("{before}{after}"));
    }
    let line = quoted("add ")?;
    Some(format!(
        "{}{line}\n{}",
        text.get(..line_end)?,
        text.get(line_end..)?
    ))
}

/// Whether following hints, each at its word, ends in a bundle that loads.
fn mends(files: &Files) -> bool {
    let mut files = files.clone();
    for _ in 0..4 {
        let now = problems(&files);
        if now.is_empty() {
            return true;
        }
        let better = now.iter().find_map(|problem| {
            let name = problem.file.to_str()?.to_owned();
            let text = applied(files.get(&name)?, problem)?;
            let mut tried = files.clone();
            tried.insert(name, text);
            (problems(&tried).len() < now.len()).then_some(tried)
        });
        match better {
            Some(better) => files = better,
            None => return false,
        }
    }
    problems(&files).is_empty()
}

#[test]
fn every_seeded_mistake_is_found_at_its_place_and_most_hints_mend_it() {
    let good = demo();
    assert!(problems(&good).is_empty());
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    let mut misplaced = Vec::new();
    let mut rows = String::new();
    for mistake in mistakes() {
        let Mistake {
            kind,
            file,
            from,
            to,
            line,
        } = &mistake;
        let before = good.get(file).expect("a file of the bundle");
        assert!(before.contains(from.as_str()), "{file} holds no {from:?}");
        let after = before.replacen(from.as_str(), to, 1);
        let place = changed(before, &after);
        let mut files = good.clone();
        files.insert(file.clone(), after);
        let found = problems(&files);
        let told = found.iter().find(|problem| {
            let touches = problem.span.start <= place.end && place.start <= problem.span.end;
            problem.file == Path::new(file) && line.map_or(touches, |line| problem.line == line)
        });
        let mended = !found.is_empty() && mends(&files);
        let count = counts.entry(kind.clone()).or_default();
        count.all += 1;
        count.found += usize::from(told.is_some());
        count.mended += usize::from(mended);
        let Some(told) = told else {
            let all: Vec<_> = found.iter().map(ToString::to_string).collect();
            misplaced.push(format!("{kind} {file}: {from:?} -> {to:?}: {all:#?}"));
            continue;
        };
        let cell = |text: &str| {
            text.replace('|', "\\|")
                .replace('\n', "⏎")
                .replace('\t', "⇥")
        };
        rows.push_str(&format!(
            "| {kind} | {file}:{}:{} | {} | {} | {} |\n",
            told.line,
            told.column,
            cell(&told.message),
            cell(told.hint.as_deref().unwrap_or("-")),
            if mended { "yes" } else { "no" }
        ));
    }
    assert!(
        misplaced.is_empty(),
        "{} not found: {}",
        misplaced.len(),
        misplaced.join("\n")
    );
    let total = |of: fn(&Count) -> usize| counts.values().map(of).sum::<usize>();
    let (all, found, mended) = (total(|c| c.all), total(|c| c.found), total(|c| c.mended));
    let kinds: String = counts
        .iter()
        .map(|(kind, count)| {
            format!(
                "| {kind} | {} | {} | {} |\n",
                count.all, count.found, count.mended
            )
        })
        .collect();
    let table = format!(
        "# Seeded mistakes\n\n{all} mistakes in the demo bundle, each alone: {found} are found at the right place, and {mended} \
         ({} %) are mended by taking the hint at its word. Written by `PORTCULLIS_WRITE_TABLE=1 cargo nextest run -p policy \
         seeded_mistake` from `mistakes.tsv`.\n\n| kind | mistakes | found | mended |\n|---|---|---|---|\n{kinds}\n\
         | kind | place | told | hint | mends |\n|---|---|---|---|---|\n{rows}",
        mended * 100 / all
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("MISTAKES.md");
    if std::env::var_os("PORTCULLIS_WRITE_TABLE").is_some() {
        std::fs::write(&file, &table).expect("MISTAKES.md can be written");
    }
    assert!(all >= 200 && found == all, "{found} of {all}");
    assert!(mended * 100 >= 60 * all, "{mended} of {all}");
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == table,
        "MISTAKES.md is not what is measured: write it anew"
    );
}
