//! What to write instead of a mistake, in terms of the file that holds it.
//!
//! A change is proposed only where it cannot grant more than was meant: see [`Hint`].

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::fields::{Fields, Place, Text};
use crate::{
    hint::{ALTERNATIVES_MAX, Hint, either, nearest, plain},
    label::Label,
};

impl Text<'_> {
    /// "did you mean …?" among known words; with a fix if only one is near.
    pub(super) fn mean<'n>(&self, known: impl IntoIterator<Item = &'n str>) -> Hint {
        let known: Vec<&str> = known.into_iter().collect();
        let mut near = nearest(self.text, known.iter().copied());
        if near.is_empty() {
            // The name without what stands before it: `llama` for `model/llama`.
            let is_last = |known: &&str| known.rsplit(['/', ':']).next() == Some(self.text);
            near = known.into_iter().filter(is_last).collect();
        }
        let words = format!("did you mean {}?", either(&near));
        match near.as_slice() {
            [] => Hint::default(),
            [one] => self.write(*one).saying(words),
            few if few.len() <= ALTERNATIVES_MAX => Hint::advice(words),
            _ => Hint::default(),
        }
    }

    /// "write …" in its place, inside the quotes if there are any.
    pub(super) fn write(&self, instead: impl Into<String>) -> Hint {
        let instead = instead.into();
        let unquotable = |c: char| c.is_control() || matches!(c, '"' | '\'' | '\\');
        match self.spelling() {
            Some(span) if !instead.contains(unquotable) => Hint::replace(span, instead),
            _ => Hint::advice(format!("write `{instead}`")),
        }
    }

    /// The bytes that spell the text; `None` where escapes do. An escape makes a text shorter by
    /// another number of bytes than its two quotes.
    fn spelling(&self) -> Option<Range<usize>> {
        let Range { start, end } = self.span();
        match (end - start).checked_sub(self.text.len())? {
            0 => Some(start..end),
            2 => Some(start + 1..end - 1),
            _ => None,
        }
    }
}

impl Place<'_> {
    /// "remove it", for an item of a list.
    pub(super) fn remove_item(self, item: &Text<'_>) -> Hint {
        let Range { mut start, mut end } = item.span();
        let (before, after) = self.around(start..end);
        if let Some(rest) = after.trim_start().strip_prefix(',') {
            end = self.source.text.len() - rest.trim_start().len();
        } else if let Some(rest) = before.trim_end().strip_suffix(',') {
            start = rest.len();
        }
        Hint::remove(start..end)
    }

    /// "remove the row", for the line that holds a byte.
    pub(super) fn remove_row(self, at: usize) -> Hint {
        let Range { start, end } = self.source.line_span(self.source.line(at));
        let (_, after) = self.around(start..end);
        let line_end = after.find('\n').map_or(after.len(), |newline| newline + 1);
        Hint::remove(start..end + line_end).saying("remove the row")
    }

    /// "write `b, a`" for two neighbours in the wrong order.
    pub(super) fn swap(self, first: &Text<'_>, second: &Text<'_>) -> Hint {
        let between = self.source.text.get(first.span().end..second.span().start);
        let between = between.unwrap_or(", ");
        let swapped = [second.text, between, first.text].concat();
        Hint::replace(first.span().start..second.span().end, swapped)
    }

    /// For something that is no text: the same in quotes.
    pub(super) fn in_quotes(self, value: &Spanned<DeValue<'_>>) -> Hint {
        let written = self.source.text.get(value.span()).unwrap_or_default();
        match value.get_ref() {
            DeValue::String(_) | DeValue::Array(_) | DeValue::Table(_) => Hint::default(),
            _ => Hint::replace(value.span(), format!("\"{written}\"")),
        }
    }

    /// For a text that holds a value of the right type: the value itself.
    pub(super) fn without_quotes(
        self,
        value: &Spanned<DeValue<'_>>,
        fits: impl Fn(&DeValue<'_>) -> bool,
    ) -> Hint {
        let Some(text) = value.get_ref().as_str() else {
            return Hint::default();
        };
        let line = format!("x = {text}");
        let parsed = DeTable::parse(&line);
        let is_fit = parsed.is_ok_and(|table| {
            let value = table.get_ref().get("x");
            value.is_some_and(|value| fits(value.get_ref()))
        });
        match is_fit {
            true => Hint::replace(value.span(), text),
            false => Hint::default(),
        }
    }

    /// For a number in quotes or with nothing behind its point.
    pub(super) fn whole_number(self, value: &Spanned<DeValue<'_>>) -> Hint {
        let written = self.source.text.get(value.span()).unwrap_or_default();
        let whole = written
            .strip_suffix(".0")
            .filter(|whole| !whole.is_empty() && whole.bytes().all(|b| b.is_ascii_digit()));
        match whole {
            Some(whole) => Hint::replace(value.span(), whole),
            None => self.without_quotes(value, |value| value.is_integer()),
        }
    }

    /// For one text where a list is needed: the list of it alone.
    pub(super) fn in_brackets(self, value: &Spanned<DeValue<'_>>) -> Hint {
        match (value.get_ref(), self.source.text.get(value.span())) {
            (DeValue::String(_), Some(written)) => {
                Hint::replace(value.span(), format!("[{written}]"))
            }
            _ => Hint::default(),
        }
    }

    /// The text of the file before and after some bytes.
    fn around(&self, span: Range<usize>) -> (&str, &str) {
        let text = &self.source.text;
        (
            text.get(..span.start).unwrap_or_default(),
            text.get(span.end..).unwrap_or_default(),
        )
    }
}

/// "known: …", if that is a short list.
pub(super) fn few<'n>(known: impl IntoIterator<Item = &'n str>) -> Hint {
    let known: Vec<&str> = known.into_iter().take(FEW + 1).collect();
    match known.len() {
        1..=FEW => Hint::advice(format!("known: {}", known.join(", "))),
        _ => Hint::default(),
    }
}

/// The label that is meant by a text which is none: by a banner line, lower case, other separators.
pub(super) fn label<'n>(text: &Text<'_>, needs: impl IntoIterator<Item = &'n str> + Clone) -> Hint {
    let upper = plain(text.text).trim().to_uppercase();
    let separator = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    let mut parts = upper.split(separator).filter(|part| !part.is_empty());
    let level = parts.next().unwrap_or_default();
    let tags: Vec<&str> = parts.collect();
    let separated = match tags.is_empty() {
        true => level.to_owned(),
        false => format!("{level}:{}", tags.join("+")),
    };
    let as_banner = upper.replace([':', '+'], "//");
    let registered = |need: &String| needs.clone().into_iter().any(|known| known == need);
    let readings = [
        Label::from_banner(&upper),
        Label::parse(&separated),
        Label::from_banner(&as_banner),
    ];
    let sound = |label: &Label| label.needs().iter().all(registered);
    match readings.into_iter().flatten().find(sound) {
        Some(label) => text.write(label.to_string()),
        None => Hint::default(),
    }
}

/// "add `key = …`". Never a fix for a date: somebody has to choose how long a thing lasts. What the
/// fix writes grants nothing, or is a [`PLACEHOLDER`] that the loader refuses until it is filled in.
pub(super) fn missing(fields: &Fields<'_>, key: &str, example: &str) -> Hint {
    let safe = SAFE.iter().find(|(safe, _)| *safe == key);
    let value = safe.map_or(example, |(_, value)| value);
    let line = format!("{key} = {value}");
    let is_date = value.contains("-12-31");
    let source = fields.place.source;
    let heading = source.line_span(source.line(fields.header.start));
    let begins = |span: &Range<usize>, with| {
        let rest = source.text.get(span.start..);
        rest.is_some_and(|rest| rest.starts_with(with))
    };
    if is_date {
        Hint::advice(format!("add `{line}`"))
    } else if fields.header.is_empty() {
        Hint::insert(first_key(&source.text), format!("{line}\n"))
    } else if begins(&fields.header, '{') {
        Hint::insert(fields.header.start + 1, format!(" {line},")).saying(format!("add `{line}`"))
    } else if begins(&heading, '[') {
        Hint::insert(heading.end, format!("\n{line}"))
    } else {
        Hint::advice(format!("add `{line}`"))
    }
}

/// Where the first line begins that is no comment: a file's own keys go before any heading.
fn first_key(text: &str) -> usize {
    let is_comment = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let comments = text.split_inclusive('\n').take_while(is_comment);
    comments.map(str::len).sum()
}

/// What a fix writes where somebody has to write something: no text of a bundle may be this.
pub(super) const PLACEHOLDER: &str = "…";

/// What a missing key may say without granting anything.
const SAFE: [(&str, &str); 3] = [
    ("assurance", "\"aal1\""),
    ("ceiling", "\"U\""),
    ("clearance", "\"U\""),
];

/// More known words than this are no help.
const FEW: usize = 8;
