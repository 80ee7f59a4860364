//! Reading TOML so that *every* problem of a file is reported at once, each with its place.
//!
//! A [`Section`] hands out its keys one at a time, checked; what nobody asked for is unknown, and said so with the
//! nearest known key. `PORTCULLIS_SECTION__KEY` in the environment replaces a top-level section's key.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Problem, nearest};

/// A file being read: its text, the environment over it, and the problems found so far.
pub(super) struct Source {
    file: PathBuf,
    text: String,
    environment: BTreeMap<String, String>,
    problems: RefCell<Vec<Problem>>,
}

impl Source {
    /// `environment` holds `PORTCULLIS_…` variables only.
    pub(super) fn new(
        file: &Path,
        text: String,
        environment: BTreeMap<String, String>,
    ) -> Rc<Source> {
        Rc::new(Source {
            file: file.to_owned(),
            text,
            environment,
            problems: RefCell::default(),
        })
    }

    /// The file's text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text, as `sha256sum` prints it; with an environment over it, of its variables too.
    pub(super) fn digest(&self) -> audit::Digest {
        let mut all = self.text.clone();
        for (name, value) in &self.environment {
            all.push_str(&format!("\0{name}={value}"));
        }
        audit::Digest::of(all.as_bytes())
    }

    /// Takes the problems found so far.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.problems.take()
    }

    /// Reports an error at these bytes.
    pub(super) fn report(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let mut problem = Problem::at(&self.file, &self.text, span, message);
        problem.hint = hint;
        self.problems.borrow_mut().push(problem);
    }

    /// A path as written, relative to the folder of the file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// One table of the file.
pub(super) struct Section<'t> {
    source: Rc<Source>,
    name: String,
    span: Range<usize>,
    fields: DeTable<'t>,
    asked: Vec<&'static str>,
}

/// A value and the bytes it was written at.
pub(super) struct Value<T> {
    /// the checked value
    pub(super) value: T,
    /// where it stands
    pub(super) span: Range<usize>,
}

impl<'t> Section<'t> {
    /// The whole file as one section.
    pub(super) fn root(source: &Rc<Source>, table: Spanned<DeTable<'t>>) -> Section<'t> {
        Section::new(source, String::new(), table.span(), table.into_inner())
    }

    fn new(
        source: &Rc<Source>,
        name: String,
        span: Range<usize>,
        fields: DeTable<'t>,
    ) -> Section<'t> {
        Section {
            source: source.clone(),
            name,
            span,
            fields,
            asked: Vec::new(),
        }
    }

    /// Reports an error about the section as a whole.
    pub(super) fn report(&self, message: impl Into<String>, hint: Option<String>) {
        self.source.report(self.span.clone(), message, hint);
    }

    /// Where the section stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The file it stands in.
    pub(super) fn source(&self) -> &Rc<Source> {
        &self.source
    }

    /// A table below this one; an empty one if it is not there.
    pub(super) fn section(&mut self, key: &'static str) -> Section<'t> {
        let source = self.source.clone();
        match self.optional_section(key) {
            Some(section) => section,
            None => Section::new(&source, key.to_owned(), self.span.clone(), DeTable::new()),
        }
    }

    /// A table below this one, if it is there (or if the environment sets a key of it).
    pub(super) fn optional_section(&mut self, key: &'static str) -> Option<Section<'t>> {
        let taken = self.take(key);
        let Some(value) = taken else {
            let prefix = format!("PORTCULLIS_{}__", key.to_uppercase());
            let set = self.name.is_empty()
                && self
                    .source
                    .environment
                    .keys()
                    .any(|k| k.starts_with(&prefix));
            return set.then(|| {
                Section::new(
                    &self.source,
                    key.to_owned(),
                    self.span.clone(),
                    DeTable::new(),
                )
            });
        };
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(fields) => {
                Some(Section::new(&self.source, key.to_owned(), span, fields))
            }
            other => {
                self.wrong_type(span, key, "a table", &other);
                None
            }
        }
    }

    /// An array of tables (`[[key]]`).
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'t>> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            self.source.report(
                span,
                format!("`{key}` must be an array of tables"),
                Some(format!("write `[[{key}]]`")),
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(fields) => {
                    sections.push(Section::new(&self.source, key.to_owned(), span, fields))
                }
                other => self.wrong_type(span, key, "a table", &other),
            }
        }
        sections
    }

    /// A string.
    pub(super) fn string(&mut self, key: &'static str) -> Option<Value<String>> {
        self.scalar(key, "a string", |value| match value {
            DeValue::String(s) => Some(s.to_string()),
            _ => None,
        })
    }

    /// A string that must be there.
    pub(super) fn required(&mut self, key: &'static str) -> Option<Value<String>> {
        let found = self.string(key);
        if found.is_none() && !self.has_problem_at(key) {
            self.report(format!("`{}` is missing", self.path(key)), None);
        }
        found
    }

    /// Yes or no; no if it is not there.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        let found = self.scalar(key, "true or false", |value| match value {
            DeValue::Boolean(flag) => Some(*flag),
            DeValue::String(s) => s.parse().ok(), // the environment has only strings
            _ => None,
        });
        found.is_some_and(|found| found.value)
    }

    /// A path, relative to the folder of the file.
    pub(super) fn path_to(&mut self, key: &'static str) -> Option<Value<PathBuf>> {
        let source = self.source.clone();
        self.string(key).map(|v| Value {
            value: source.resolve(&v.value),
            span: v.span,
        })
    }

    /// A path that must be there (the entry, not the file).
    pub(super) fn required_path(&mut self, key: &'static str) -> Option<Value<PathBuf>> {
        let source = self.source.clone();
        self.required(key).map(|v| Value {
            value: source.resolve(&v.value),
            span: v.span,
        })
    }

    /// A whole number within `range`, or `default`.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> u64 {
        self.bounded(key, default, range, "")
    }

    /// The same, and `why` the range ends where it does.
    pub(super) fn bounded(
        &mut self,
        key: &'static str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
        why: &str,
    ) -> u64 {
        let found = self.scalar(key, "a whole number", |value| match value {
            DeValue::Integer(i) => {
                u64::from_str_radix(&i.as_str().replace('_', ""), i.radix()).ok()
            }
            DeValue::String(s) => s.parse().ok(), // the environment has only strings
            _ => None,
        });
        let Some(found) = found else { return default };
        if range.contains(&found.value) {
            return found.value;
        }
        let message = format!("`{}` is {}", self.path(key), found.value);
        let (low, high) = (range.start(), range.end());
        let hint = format!("write a number from {low} to {high}{why}");
        self.source.report(found.span, message, Some(hint));
        default
    }

    /// One of the words in `words`, or the first of them.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let Some(found) = self.string(key) else {
            return words.first().map(|w| w.1);
        };
        if let Some(word) = words.iter().find(|w| w.0 == found.value) {
            return Some(word.1);
        }
        let all = words
            .iter()
            .map(|w| format!("`{}`", w.0))
            .collect::<Vec<_>>()
            .join(", ");
        let hint = match nearest(&found.value, words.iter().map(|w| w.0)) {
            Some(word) => format!("did you mean `{word}`? ({all})"),
            None => format!("write one of {all}"),
        };
        self.source.report(
            found.span,
            format!("`{}` cannot be `{}`", self.path(key), found.value),
            Some(hint),
        );
        words.first().map(|w| w.1)
    }

    /// One of the words in `words`, or `default`.
    pub(super) fn choice_or<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        default: T,
    ) -> T {
        match self.fields.contains_key(key) || self.in_environment(key).is_some() {
            true => self.choice(key, words).unwrap_or(default),
            false => {
                self.asked.push(key);
                default
            }
        }
    }

    /// A list of strings; one string alone is a list of one.
    pub(super) fn strings(&mut self, key: &'static str) -> Vec<Value<String>> {
        let Some(value) = self.take_or_environment(key) else {
            return Vec::new();
        };
        let span = value.span();
        let items = match value.into_inner() {
            DeValue::Array(items) => items.into_iter().collect(),
            one => vec![Spanned::new(span, one)],
        };
        let mut strings = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::String(s) => strings.push(Value {
                    value: s.to_string(),
                    span,
                }),
                other => self.wrong_type(span, key, "a string", &other),
            }
        }
        strings
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self) {
        for (key, _) in &self.fields {
            let hint = nearest(key.get_ref(), self.asked.iter().copied())
                .map(|near| format!("did you mean `{near}`?"));
            let hint = hint.or_else(|| Some(format!("known here: {}", self.asked.join(", "))));
            self.source.report(
                key.span(),
                format!("unknown key `{}`", self.path(key.get_ref())),
                hint,
            );
        }
    }

    fn scalar<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        read: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<Value<T>> {
        let value = self.take_or_environment(key)?;
        let span = value.span();
        let read = read(value.get_ref());
        if read.is_none() {
            self.wrong_type(span.clone(), key, wanted, value.get_ref());
        }
        read.map(|value| Value { value, span })
    }

    fn take_or_environment(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        let written = self.take(key);
        if self.name.is_empty() {
            return written;
        }
        match self.in_environment(key) {
            Some(value) => Some(Spanned::new(
                self.span.clone(),
                DeValue::String(value.into()),
            )),
            None => written,
        }
    }

    fn in_environment(&self, key: &str) -> Option<String> {
        let (section, key) = (self.name.to_uppercase(), key.to_uppercase());
        let variable = format!("PORTCULLIS_{section}__{key}");
        self.source.environment.get(&variable).cloned()
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.asked.push(key);
        self.fields.remove(key)
    }

    /// Whether a problem of this key was reported.
    pub(super) fn has_problem_at(&self, key: &str) -> bool {
        let path = format!("`{}`", self.path(key));
        self.source
            .problems
            .borrow()
            .iter()
            .any(|p| p.message.starts_with(&path))
    }

    fn wrong_type(&self, span: Range<usize>, key: &str, wanted: &str, found: &DeValue<'_>) {
        let message = format!(
            "`{}` is {} where {wanted} is wanted",
            self.path(key),
            found.type_str()
        );
        self.source.report(span, message, None);
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}
