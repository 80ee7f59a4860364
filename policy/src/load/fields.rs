//! Typed reading of TOML tables, where every value knows its place and no mistake stops the reading.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
    value::{Date, Offset, Time},
};

use super::{mend, toml_repair};
use crate::{
    hint::{Hint, nearest},
    label::Label,
    problem::{Problems, Site, Source},
    time::UnixTime,
};

/// A piece of a file, with its place.
#[derive(Clone)]
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    span: Range<usize>,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str, span: Range<usize>) -> Self {
        Self { text, span }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The place of a part of the text; of the whole, if it is not in it as it is written.
    pub(super) fn part(&self, part: &str) -> Range<usize> {
        // A quoted text has a quote on either side.
        let quote = (self.span.len() - self.text.len().min(self.span.len())) / 2;
        match self.text.find(part) {
            Some(at) if self.span.len() == self.text.len() + 2 * quote => {
                let start = self.span.start + quote + at;
                start..start + part.len()
            }
            _ => self.span(),
        }
    }
}

/// A file that is being read, and where its problems go.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) source: &'a Source,
    pub(super) problems: &'a Problems,
}

impl<'a> Place<'a> {
    pub(super) fn error(
        self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<Hint>,
    ) {
        self.problems.error(self.source, span, message, hint);
    }

    pub(super) fn warning(
        self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<Hint>,
    ) {
        self.problems.warning(self.source, span, message, hint);
    }

    /// Parses the file as TOML; `None` with its syntax errors reported.
    pub(super) fn parse(self) -> Option<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(&self.source.text);
        let hints = toml_repair::hints(&self.source.text, &errors);
        for (error, hint) in errors.iter().zip(hints).take(SYNTAX_ERRORS_MAX) {
            self.error(error.span().unwrap_or(0..0), error.message(), hint);
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// Whether `name` is one of `known`; if not, says so.
    pub(super) fn check_known<'n>(
        self,
        what: &str,
        name: &Text<'_>,
        known: impl IntoIterator<Item = &'n str> + Clone,
    ) -> bool {
        let found = known
            .clone()
            .into_iter()
            .any(|candidate| candidate == name.text);
        if !found {
            self.error(
                name.span(),
                format!("unknown {what} `{}`", name.text),
                name.mean(known.clone()).or(mend::few(known)),
            );
        }
        found
    }

    /// Reads a label whose needs are all registered.
    pub(super) fn label<'n>(
        self,
        text: &Text<'_>,
        needs: impl IntoIterator<Item = &'n str> + Clone,
    ) -> Option<Label> {
        let label = match Label::parse(text.text) {
            Ok(label) => label,
            Err(error) => {
                let hint =
                    mend::label(text, needs).or("write LEVEL or LEVEL:TAG+TAG, as in `CUI:PRVCY`");
                self.error(text.span(), error.to_string(), hint);
                return None;
            }
        };
        let registered = |need: &&String| {
            needs
                .clone()
                .into_iter()
                .any(|known| known == need.as_str())
        };
        let mut unknown = label
            .needs()
            .iter()
            .filter(|need| !registered(need))
            .peekable();
        if unknown.peek().is_none() {
            return Some(label);
        }
        for need in unknown {
            let part = Text::new(need, text.part(need));
            let hint = part
                .mean(needs.clone())
                .or(mend::label(text, needs.clone()))
                .or("register it under [need] in attributes.toml");
            let message = format!("unknown need `{need}` in label");
            self.error(part.span(), message, hint);
        }
        None
    }
}

/// A value that is stated as a text, or described by a table.
pub(super) enum Value<'a> {
    Text(Text<'a>),
    Table(Fields<'a>),
}

/// One table while it is read. Keys that were never asked for are reported by [`Fields::done`].
pub(super) struct Fields<'a> {
    pub(super) place: Place<'a>,
    pub(super) table: &'a DeTable<'a>,
    /// Where a missing key is reported.
    pub(super) header: Range<usize>,
    pub(super) asked: Vec<&'static str>,
    /// Keys that must be there and are not, with an example of their value.
    missing: Vec<(&'static str, String)>,
    /// Where in its file the table is, as `identity.*.`: see [`Fields::note`].
    #[cfg(test)]
    path: String,
}

impl<'a> Fields<'a> {
    pub(super) fn root((place, table): &'a (Place<'a>, DeTable<'a>)) -> Self {
        Self {
            place: *place,
            table,
            header: 0..0,
            asked: Vec::new(),
            missing: Vec::new(),
            #[cfg(test)]
            path: String::new(),
        }
    }

    /// A text that must be there and not be empty.
    pub(super) fn text(&mut self, key: &'static str) -> Option<Text<'a>> {
        let value = self.required(key, "\"…\"")?;
        self.place.as_text(value, key)
    }

    /// A text that may be absent.
    pub(super) fn optional_text(&mut self, key: &'static str) -> Option<Text<'a>> {
        let value = self.value(key)?;
        self.place.as_text(value, key)
    }

    /// A text or a table, one of which must be there.
    pub(super) fn text_or_table(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.required(key, "\"…\"")?;
        self.optional_text_or_table(key)
    }

    /// A text or a table, either of which may be absent.
    pub(super) fn optional_text_or_table(&mut self, key: &'static str) -> Option<Value<'a>> {
        let value = self.value(key)?;
        match value.get_ref().is_table() {
            true => self.below(value, key).map(Value::Table),
            false => self.place.as_text(value, key).map(Value::Text),
        }
    }

    /// A list of texts that may be absent, which is the empty list.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<Text<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.place.wrong_type::<()>(
                value,
                key,
                "a list of texts",
                self.place.in_brackets(value),
            );
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| self.place.as_text(item, key))
            .collect()
    }

    /// A list of texts that must be there and have an item.
    pub(super) fn some_texts(&mut self, key: &'static str) -> Vec<Text<'a>> {
        let Some(value) = self.required(key, "[\"…\"]") else {
            return Vec::new();
        };
        let span = value.span();
        let texts = self.texts(key);
        if texts.is_empty()
            && value
                .get_ref()
                .as_array()
                .is_some_and(|items| items.is_empty())
        {
            self.place.error(span, format!("`{key}` is empty"), None);
        }
        texts
    }

    /// A whole number from `least`.
    pub(super) fn number(&mut self, key: &'static str, least: u64) -> Option<u64> {
        let value = self.required(key, "1")?;
        let Some(number) = value.get_ref().as_integer() else {
            let hint = self.place.whole_number(value);
            return self.place.wrong_type(value, key, "a whole number", hint);
        };
        let number = u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| *number >= least);
        if number.is_none() {
            self.place.error(
                value.span(),
                format!("`{key}` must be a whole number from {least}"),
                None,
            );
        }
        number
    }

    /// A whole number up to `most` that may be absent.
    pub(super) fn optional_number(&mut self, key: &'static str, most: u64) -> Option<u64> {
        let value = self.value(key)?;
        let Some(number) = value.get_ref().as_integer() else {
            let hint = self.place.whole_number(value);
            return self.place.wrong_type(value, key, "a whole number", hint);
        };
        let number = u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| *number <= most);
        if number.is_none() {
            let message = format!("`{key}` must be a whole number up to {most}");
            self.place.error(value.span(), message, None);
        }
        number
    }

    /// A truth value, `false` if absent.
    pub(super) fn flag(&mut self, key: &'static str) -> bool {
        let Some(value) = self.value(key) else {
            return false;
        };
        match value.get_ref().as_bool() {
            Some(flag) => flag,
            None => self
                .place
                .wrong_type(
                    value,
                    key,
                    "true or false",
                    self.place.without_quotes(value, |value| value.is_bool()),
                )
                .unwrap_or_default(),
        }
    }

    /// The end of a calendar day, written `2031-12-31`, which must be there.
    pub(super) fn last_day(&mut self, key: &'static str) -> Option<UnixTime> {
        let value = self.required(key, "2031-12-31")?;
        match date_time(value.get_ref()) {
            Some((Some(date), None, None)) => {
                Some(UnixTime::after_day(date.year, date.month, date.day))
            }
            _ => self.place.wrong_type(
                value,
                key,
                "a date such as 2031-12-31, without quotes",
                self.place.without_quotes(value, is_date),
            ),
        }
    }

    /// A local time of day in minutes, written `07:00:00`, if it is there.
    pub(super) fn minute(&mut self, key: &'static str) -> Option<u16> {
        let value = self.value(key)?;
        match date_time(value.get_ref()) {
            Some((None, Some(time), None)) => {
                Some(u16::from(time.hour) * 60 + u16::from(time.minute))
            }
            _ => self.place.wrong_type(
                value,
                key,
                "a time such as 07:00:00, without quotes",
                self.place.without_quotes(value, is_time),
            ),
        }
    }

    /// The named tables below a key, as in `[zone.demo]`; none if the key is absent.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<(Text<'a>, Fields<'a>)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(tables) = value.get_ref().as_table() else {
            self.place
                .wrong_type::<()>(value, key, "tables, as in `[zone.demo]`", None);
            return Vec::new();
        };
        let mut out = Vec::new();
        for (name, value) in tables {
            let name = Text::new(name.get_ref(), name.span());
            match value.get_ref().as_table() {
                Some(table) => {
                    let fields = self.inner(table, name.span(), &format!("{key}.*."));
                    out.push((name, fields));
                }
                None => {
                    self.place
                        .wrong_type::<()>(value, name.text, "a table", None);
                }
            }
        }
        // As written, so that of two that clash the later one is reported.
        out.sort_by_key(|(name, _)| name.span().start);
        out
    }

    /// A list of tables, as in `[[case]]`; none if the key is absent.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<Fields<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            let expected = format!("a list of tables, as in `[[{key}]]`");
            self.place.wrong_type::<()>(value, key, &expected, None);
            return Vec::new();
        };
        items
            .iter()
            .filter_map(|item| self.below(item, key))
            .collect()
    }

    /// A table that may be absent.
    pub(super) fn optional_table(&mut self, key: &'static str) -> Option<Fields<'a>> {
        let value = self.value(key)?;
        self.below(value, key)
    }

    /// A table that must be there, inline or below a heading of its own.
    pub(super) fn table(&mut self, key: &'static str, example: &str) -> Option<Fields<'a>> {
        let value = self.required(key, example)?;
        self.below(value, key)
    }

    fn below(&self, value: &'a Spanned<DeValue<'a>>, key: &str) -> Option<Fields<'a>> {
        let Some(table) = value.get_ref().as_table() else {
            return self.place.wrong_type(value, key, "a table", None);
        };
        Some(self.inner(table, value.span(), &format!("{key}.")))
    }

    /// A table inside this one.
    fn inner(&self, table: &'a DeTable<'a>, header: Range<usize>, below: &str) -> Fields<'a> {
        let _ = below; // only tests want to know
        Self {
            place: self.place,
            table,
            header,
            asked: Vec::new(),
            missing: Vec::new(),
            #[cfg(test)]
            path: format!("{}{below}", self.path),
        }
    }

    /// A moment with its offset from UTC, written `2026-11-23T15:00:00Z`, if it is there.
    pub(super) fn moment(&mut self, key: &'static str) -> Option<UnixTime> {
        let value = self.value(key)?;
        match date_time(value.get_ref()) {
            Some((Some(date), Some(time), Some(offset))) => {
                let minutes = match offset {
                    Offset::Z => 0,
                    Offset::Custom { minutes } => minutes,
                };
                Some(UnixTime::of_day(date.year, date.month, date.day).plus(
                    [time.hour, time.minute, time.second.unwrap_or_default()],
                    minutes,
                ))
            }
            _ => self.place.wrong_type(
                value,
                key,
                "a moment such as 2026-11-23T15:00:00Z, without quotes",
                self.place.without_quotes(value, is_moment),
            ),
        }
    }

    /// Counts keys as asked for, whose presence has been reported.
    pub(super) fn ask<const N: usize>(&mut self, keys: [&'static str; N]) {
        self.asked.extend(keys);
    }

    /// Whether a key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Remembers that the loader asks for a key, to be compared with the schemas of `crate::schema`.
    #[cfg(test)]
    fn note(&self, key: &str) {
        let file = self.place.source.path.file_name().unwrap_or_default();
        let key = format!("{} {}{key}", file.to_string_lossy(), self.path);
        self.place.problems.asked.borrow_mut().insert(key);
    }

    /// Where a key's value is, or its table if it is not there.
    pub(super) fn site(&self, key: &str) -> Site {
        let value = self.table.get(key);
        let span = value.map_or(self.header.clone(), |value| value.span());
        self.place.source.site(span)
    }

    /// Where the table begins.
    pub(super) fn start(&self) -> usize {
        self.header.start
    }

    /// The named texts below a key, as in `[need]` with `PRVCY = "…"`.
    pub(super) fn named_texts(&mut self, key: &'static str) -> Vec<(Text<'a>, Text<'a>)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(table) = value.get_ref().as_table() else {
            self.place
                .wrong_type::<()>(value, key, "a table of texts", None);
            return Vec::new();
        };
        let pairs = table.iter().filter_map(|(name, value)| {
            let name = Text::new(name.get_ref(), name.span());
            let text = self.place.as_text(value, name.text)?;
            Some((name, text))
        });
        pairs.collect()
    }

    /// Named texts of which there must be some.
    pub(super) fn some_named_texts(
        &mut self,
        key: &'static str,
        example: &str,
    ) -> Vec<(Text<'a>, Text<'a>)> {
        let Some(value) = self.required(key, example) else {
            return Vec::new();
        };
        let is_empty = |table: &DeTable<'_>| table.is_empty();
        if value.get_ref().as_table().is_some_and(is_empty) {
            self.place
                .error(value.span(), format!("`{key}` is empty"), None);
        }
        self.named_texts(key)
    }

    /// Reports every key that nobody asked for, and every one that is missing. A missing key that an
    /// unknown one was most likely meant to be is one mistake, and reported as such.
    pub(super) fn done(self) {
        let missing = || self.missing.iter().map(|(key, _)| *key);
        let mut meant = Vec::new();
        for (key, value) in self.table {
            let name = Text::new(key.get_ref(), key.span());
            if self.asked.contains(&name.text) {
                continue;
            }
            if let [one] = nearest(name.text, missing()).as_slice() {
                meant.push(*one);
            }
            // One that is there already cannot be meant again, unless both are tables.
            let can_be_meant = |known: &&'static str| {
                let there = self.table.get(*known);
                there.is_none_or(|there| there.get_ref().is_table() && value.get_ref().is_table())
            };
            let hint = name
                .mean(missing())
                .or(name.mean(self.asked.iter().copied().filter(can_be_meant)))
                .or(mend::few(self.asked.iter().copied()));
            let message = format!("unknown key `{}`", name.text);
            self.place.error(name.span(), message, hint);
        }
        for (key, example) in &self.missing {
            if !meant.contains(key) {
                let hint = mend::missing(&self, key, example);
                self.error(format!("missing key `{key}`"), hint);
            }
        }
    }

    /// Reports a problem about the table as a whole.
    pub(super) fn error(&self, message: impl Into<String>, hint: impl Into<Hint>) {
        self.place.error(self.header.clone(), message, hint);
    }

    fn required(&mut self, key: &'static str, example: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = self.value(key);
        if value.is_none() {
            self.missing.push((key, example.to_owned()));
        }
        value
    }

    fn value(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
            #[cfg(test)]
            self.note(key);
        }
        self.table.get(key)
    }
}

impl Place<'_> {
    /// A text that is not empty.
    fn as_text<'t>(self, value: &'t Spanned<DeValue<'_>>, key: &str) -> Option<Text<'t>> {
        let Some(text) = value.get_ref().as_str() else {
            return self.wrong_type(value, key, "a text in quotes", self.in_quotes(value));
        };
        if text.trim().is_empty() {
            self.error(value.span(), format!("`{key}` is empty"), None);
            return None;
        }
        if text == mend::PLACEHOLDER {
            let hint = format!("write what is meant in place of `{text}`");
            self.error(
                value.span(),
                format!("`{key}` is still to be filled in"),
                hint,
            );
            return None;
        }
        Some(Text::new(text, value.span()))
    }

    fn wrong_type<T>(
        self,
        value: &Spanned<DeValue<'_>>,
        key: &str,
        expected: &str,
        hint: impl Into<Hint>,
    ) -> Option<T> {
        let found = value.get_ref().type_str();
        let message = format!("`{key}` must be {expected}, found {found}");
        self.error(value.span(), message, hint);
        None
    }
}

fn date_time(value: &DeValue<'_>) -> Option<(Option<Date>, Option<Time>, Option<Offset>)> {
    let moment = value.as_datetime()?;
    Some((moment.date, moment.time, moment.offset))
}

fn is_date(value: &DeValue<'_>) -> bool {
    matches!(date_time(value), Some((Some(_), None, None)))
}

fn is_time(value: &DeValue<'_>) -> bool {
    matches!(date_time(value), Some((None, Some(_), None)))
}

fn is_moment(value: &DeValue<'_>) -> bool {
    matches!(date_time(value), Some((Some(_), Some(_), Some(_))))
}

/// Syntax errors of one TOML file that are reported; one can drag many behind it.
const SYNTAX_ERRORS_MAX: usize = 20;
