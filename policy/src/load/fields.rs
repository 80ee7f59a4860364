//! Typed reading of TOML tables, where every value knows its place and no mistake stops the reading.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
    value::Offset,
};

use crate::{
    label::Label,
    problem::{Problems, Source, did_you_mean},
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
        hint: Option<String>,
    ) {
        self.problems.error(self.source, span, message, hint);
    }

    pub(super) fn warning(
        self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.problems.warning(self.source, span, message, hint);
    }

    /// Parses the file as TOML; `None` with its syntax errors reported.
    pub(super) fn parse(self) -> Option<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(&self.source.text);
        for error in errors.iter().take(SYNTAX_ERRORS_MAX) {
            self.error(error.span().unwrap_or(0..0), error.message(), None);
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
                did_you_mean(name.text, known),
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
                let capitals = text.text.to_uppercase();
                let hint = match Label::parse(&capitals) {
                    Ok(_) => format!("did you mean `{capitals}`?"),
                    Err(_) => "a label is LEVEL or LEVEL:TAG+TAG, as in `CUI:PRVCY`".into(),
                };
                self.error(text.span(), error.to_string(), Some(hint));
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
            let hint = did_you_mean(need, needs.clone());
            let hint = hint.unwrap_or_else(|| "register it under [need] in attributes.toml".into());
            self.error(
                text.part(need),
                format!("unknown need `{need}` in label"),
                Some(hint),
            );
        }
        None
    }
}

/// One table while it is read. Keys that were never asked for are reported by [`Fields::done`].
pub(super) struct Fields<'a> {
    pub(super) place: Place<'a>,
    table: &'a DeTable<'a>,
    /// Where a missing key is reported.
    header: Range<usize>,
    asked: Vec<&'static str>,
    /// Keys that must be there and are not, with an example of their value.
    missing: Vec<(&'static str, String)>,
}

impl<'a> Fields<'a> {
    pub(super) fn root((place, table): &'a (Place<'a>, DeTable<'a>)) -> Self {
        Self {
            place: *place,
            table,
            header: 0..0,
            asked: Vec::new(),
            missing: Vec::new(),
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

    /// A list of texts that may be absent, which is the empty list.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<Text<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.place.wrong_type::<()>(value, key, "a list of texts");
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
            return self.place.wrong_type(value, key, "a whole number");
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
            return self.place.wrong_type(value, key, "a whole number");
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
                .wrong_type(value, key, "true or false")
                .unwrap_or_default(),
        }
    }

    /// The end of a calendar day, written `2031-12-31`, which must be there.
    pub(super) fn last_day(&mut self, key: &'static str) -> Option<UnixTime> {
        let value = self.required(key, "2031-12-31")?;
        match value
            .get_ref()
            .as_datetime()
            .map(|moment| (moment.date, moment.time, moment.offset))
        {
            Some((Some(date), None, None)) => {
                Some(UnixTime::after_day(date.year, date.month, date.day))
            }
            _ => self
                .place
                .wrong_type(value, key, "a date such as 2031-12-31, without quotes"),
        }
    }

    /// A local time of day in minutes, written `07:00:00`, if it is there.
    pub(super) fn minute(&mut self, key: &'static str) -> Option<u16> {
        let value = self.value(key)?;
        match value
            .get_ref()
            .as_datetime()
            .map(|moment| (moment.date, moment.time, moment.offset))
        {
            Some((None, Some(time), None)) => {
                Some(u16::from(time.hour) * 60 + u16::from(time.minute))
            }
            _ => self
                .place
                .wrong_type(value, key, "a time such as 07:00:00, without quotes"),
        }
    }

    /// The named tables below a key, as in `[zone.demo]`; none if the key is absent.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<(Text<'a>, Fields<'a>)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(tables) = value.get_ref().as_table() else {
            self.place
                .wrong_type::<()>(value, key, "tables, as in `[zone.demo]`");
            return Vec::new();
        };
        let mut out = Vec::new();
        for (name, value) in tables {
            let name = Text::new(name.get_ref(), name.span());
            match value.get_ref().as_table() {
                Some(table) => {
                    let fields = Self {
                        place: self.place,
                        table,
                        header: name.span(),
                        asked: Vec::new(),
                        missing: Vec::new(),
                    };
                    out.push((name, fields));
                }
                None => {
                    self.place.wrong_type::<()>(value, name.text, "a table");
                }
            }
        }
        out
    }

    /// A list of tables, as in `[[case]]`; none if the key is absent.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<Fields<'a>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            let expected = format!("a list of tables, as in `[[{key}]]`");
            self.place.wrong_type::<()>(value, key, &expected);
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
            return self.place.wrong_type(value, key, "a table");
        };
        Some(Self {
            place: self.place,
            table,
            header: value.span(),
            asked: Vec::new(),
            missing: Vec::new(),
        })
    }

    /// A moment with its offset from UTC, written `2026-11-23T15:00:00Z`, if it is there.
    pub(super) fn moment(&mut self, key: &'static str) -> Option<UnixTime> {
        let value = self.value(key)?;
        let written = value.get_ref().as_datetime();
        match written.map(|moment| (moment.date, moment.time, moment.offset)) {
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
            ),
        }
    }

    /// Whether a key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
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
            self.place.wrong_type::<()>(value, key, "a table of texts");
            return Vec::new();
        };
        let pairs = table.iter().filter_map(|(name, value)| {
            let name = Text::new(name.get_ref(), name.span());
            let text = self.place.as_text(value, name.text)?;
            Some((name, text))
        });
        pairs.collect()
    }

    /// Reports every key that nobody asked for, and every one that is missing. A missing key that an
    /// unknown one was most likely meant to be is one mistake, and reported as such.
    pub(super) fn done(self) {
        let asked = |key: &str| self.asked.contains(&key);
        let unknown = self.table.keys().filter(|key| !asked(key.get_ref()));
        let mut meant = Vec::new();
        for key in unknown {
            let near = |known: &str| did_you_mean(key.get_ref(), [known]);
            let missing = self.missing.iter().map(|(missing, _)| *missing);
            let hint = missing
                .clone()
                .find_map(|missing| near(missing).inspect(|_| meant.push(missing)))
                .or_else(|| did_you_mean(key.get_ref(), self.asked.iter().copied()));
            self.place
                .error(key.span(), format!("unknown key `{}`", key.get_ref()), hint);
        }
        for (key, example) in &self.missing {
            if !meant.contains(key) {
                self.error(
                    format!("missing key `{key}`"),
                    Some(format!("add `{key} = {example}`")),
                );
            }
        }
    }

    /// Reports a problem about the table as a whole.
    pub(super) fn error(&self, message: impl Into<String>, hint: Option<String>) {
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
        }
        self.table.get(key)
    }
}

impl Place<'_> {
    /// A text that is not empty.
    fn as_text<'t>(self, value: &'t Spanned<DeValue<'_>>, key: &str) -> Option<Text<'t>> {
        let Some(text) = value.get_ref().as_str() else {
            return self.wrong_type(value, key, "a text in quotes");
        };
        if text.trim().is_empty() {
            self.error(value.span(), format!("`{key}` is empty"), None);
            return None;
        }
        Some(Text::new(text, value.span()))
    }

    fn wrong_type<T>(self, value: &Spanned<DeValue<'_>>, key: &str, expected: &str) -> Option<T> {
        let found = value.get_ref().type_str();
        // What is quoted and should not be, or is alone and should be a list.
        let hint = value.get_ref().as_str().and_then(|text| {
            if expected.starts_with("a list of texts") {
                return Some(format!("write `[\"{text}\"]`"));
            }
            let bare = match expected {
                "true or false" => matches!(text, "true" | "false"),
                _ if expected.starts_with("a text") || expected.starts_with("a table") => false,
                // A number, a date, a time.
                _ => {
                    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b':');
                    !text.is_empty() && text.bytes().all(plain)
                }
            };
            bare.then(|| format!("write `{text}`"))
        });
        self.error(
            value.span(),
            format!("`{key}` must be {expected}, found {found}"),
            hint,
        );
        None
    }
}

/// Syntax errors of one TOML file that are reported; one can drag many behind it.
const SYNTAX_ERRORS_MAX: usize = 20;
