//! Reading a TOML table field by field: every wrong or unknown field becomes a problem, and reading goes on.

use std::ops::Range;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{Problem, ProfileFile};

/// The problems found so far in one file.
pub(crate) struct Problems<'a> {
    pub(crate) file: &'a ProfileFile,
    pub(crate) found: &'a mut Vec<Problem>,
}

impl Problems<'_> {
    /// Reports a problem; returns it for a hint.
    pub(crate) fn report(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.found
            .push(Problem::at(&self.file.path, &self.file.text, span, message));
    }

    pub(crate) fn report_with(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.found
            .push(Problem::at(&self.file.path, &self.file.text, span, message).hint(hint));
    }

    /// Reports something that is probably not meant, and does not stop the load.
    pub(crate) fn warn(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let problem = Problem::at(&self.file.path, &self.file.text, span, message);
        self.found.push(problem.hint(hint).warning());
    }

    /// Reports something that is not one of `known`.
    pub(crate) fn unknown<'k>(
        &mut self,
        what: &str,
        name: &str,
        span: Range<usize>,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match closest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known: {}", known.join(", ")),
        };
        self.report_with(span, format!("unknown {what} `{name}`"), hint);
    }
}

/// One table, whose fields are taken out one by one.
pub(crate) struct Fields<'t, 'i> {
    table: &'t DeTable<'i>,
    /// The whole table, for what is missing in it.
    pub(crate) span: Range<usize>,
    asked: Vec<&'static str>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

impl<'t, 'i> Fields<'t, 'i> {
    pub(crate) fn new(
        value: &'t Spanned<DeValue<'i>>,
        what: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            problems.report(
                value.span(),
                format!("{what} is a table, not {}", value.get_ref().type_str()),
            );
            return None;
        };
        Some(Fields {
            table,
            span: value.span(),
            asked: Vec::new(),
        })
    }

    fn get(&mut self, name: &'static str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.asked.push(name);
        self.table.get(name)
    }

    /// Where the `id` stands, else the whole table.
    pub(crate) fn id_span(&self) -> Range<usize> {
        self.table
            .get("id")
            .map_or(self.span.clone(), Spanned::span)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }

    /// A string.
    pub(crate) fn text(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<At<String>> {
        let value = self.get(name)?;
        let text = text(value);
        if text.is_none() {
            problems.report(
                value.span(),
                format!("`{name}` is a string, not {}", value.get_ref().type_str()),
            );
        }
        text
    }

    /// A string that must be there and say something.
    pub(crate) fn needed(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<At<String>> {
        if !self.table.contains_key(name) {
            self.missing(name, problems);
        }
        let text = self.text(name, problems)?;
        if text.value.trim().is_empty() {
            problems.report(text.span, format!("`{name}` is empty"));
            return None;
        }
        Some(text)
    }

    /// `true` or `false`.
    pub(crate) fn flag(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<At<bool>> {
        let value = self.get(name)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            let message = format!("`{name}` is true or false, without quotes");
            problems.report(value.span(), message);
        }
        flag.map(|flag| At {
            value: flag,
            span: value.span(),
        })
    }

    /// A list of strings, each once; `None` if absent.
    pub(crate) fn texts(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<At<Vec<At<String>>>> {
        let value = self.get(name)?;
        let texts = value
            .get_ref()
            .as_array()
            .map(|array| array.iter().map(text).collect::<Option<Vec<_>>>());
        let Some(Some(texts)) = texts else {
            problems.report(value.span(), format!("`{name}` is a list of strings"));
            return None;
        };
        if texts.is_empty() {
            let hint = format!("name one, or leave `{name}` out if it may be");
            problems.report_with(value.span(), format!("`{name}` is empty"), hint);
            return None;
        }
        let mut known: Vec<&str> = Vec::new();
        for text in &texts {
            if known.contains(&text.value.as_str()) {
                let message = format!("`{name}` names `{}` twice", text.value);
                problems.warn(text.span.clone(), message, "once is enough");
            }
            known.push(&text.value);
        }
        Some(At {
            value: texts,
            span: value.span(),
        })
    }

    /// A list of tables; a missing or empty one is a problem.
    pub(crate) fn tables(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Vec<Fields<'t, 'i>> {
        let Some(value) = self.get(name) else {
            self.missing(name, problems);
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            problems.report(value.span(), format!("`{name}` is a list of tables"));
            return Vec::new();
        };
        if array.is_empty() {
            problems.report(value.span(), format!("`{name}` is empty"));
        }
        array
            .iter()
            .filter_map(|item| Fields::new(item, &format!("each `{name}`"), problems))
            .collect()
    }

    /// A number, whole or not.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<At<f64>> {
        let value = self.get(name)?;
        let number = match value.get_ref() {
            DeValue::Integer(whole) => whole.as_str().parse().ok(),
            DeValue::Float(float) => float.as_str().replace('_', "").parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => Some(At {
                value: number,
                span: value.span(),
            }),
            None => {
                problems.report(value.span(), format!("`{name}` is a plain decimal number"));
                None
            }
        }
    }

    /// A day, as TOML writes it.
    pub(crate) fn day(
        &mut self,
        name: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<At<Date>> {
        let value = self.get(name)?;
        let day = match value.get_ref() {
            DeValue::Datetime(at) if at.time.is_none() => at.date.and_then(civil),
            _ => None,
        };
        if day.is_none() {
            let message = format!("`{name}` is a day, like 2027-06-30, without quotes");
            problems.report(value.span(), message);
        }
        day.map(|day| At {
            value: day,
            span: value.span(),
        })
    }

    pub(crate) fn missing(&self, name: &str, problems: &mut Problems<'_>) {
        problems.report(self.span.clone(), format!("`{name}` is missing"));
    }

    /// Reports the fields that nobody asked for.
    pub(crate) fn finish(self, problems: &mut Problems<'_>) {
        for key in self
            .table
            .keys()
            .filter(|key| !self.asked.contains(&key.get_ref().as_ref()))
        {
            problems.unknown(
                "field",
                key.get_ref(),
                key.span(),
                self.asked.iter().copied(),
            );
        }
    }
}

fn civil(date: toml::value::Date) -> Option<Date> {
    let (month, day) = (date.month.try_into().ok()?, date.day.try_into().ok()?);
    Date::new(date.year.try_into().ok()?, month, day).ok()
}

fn text(value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
    value.get_ref().as_str().map(|text| At {
        value: text.to_owned(),
        span: value.span(),
    })
}

/// The known name that is nearest, if it is near enough to be meant.
fn closest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let near = known
        .iter()
        .map(|known| (distance(name, known), *known))
        .min()?;
    (near.0 <= 2.max(name.chars().count() / 3)).then_some(near.1)
}

/// Levenshtein distance in characters, over at most [`COMPARED_MAX`] of them.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(COMPARED_MAX).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(COMPARED_MAX).enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for (pair, to) in row.windows(2).zip(&b) {
            if let [diagonal, above] = pair {
                left = (diagonal + usize::from(from != *to))
                    .min(above + 1)
                    .min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

const COMPARED_MAX: usize = 64;
