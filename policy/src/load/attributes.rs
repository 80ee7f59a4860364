//! `attributes.toml`: the words that rules and identities may use.
//!
//! ```toml
//! [need]                                 # need-to-know tags of labels
//! PRVCY = "personal privacy (CUI)"
//! [zone.opennet]                         # where a request comes in; named by a listener
//! ceiling = "CUI:PRVCY"                  # highest label that may travel here
//! about = "agency network"
//! [window.duty]
//! days = ["mon", "tue", "wed", "thu", "fri"]
//! from = 07:00:00                        # default 00:00:00
//! until = 19:00:00                       # default: end of the day
//! utc_offset = "-05:00"                  # fixed; no daylight saving
//! [model."llama-3.3-70b"]
//! ceiling = "CUI:PRVCY"                  # what its backend is accredited for
//! about = "general purpose"
//! [tool.search-forms]
//! about = "finds a public form"
//! ```
//!
//! The levels U, CUI, C, S, TS are part of the program.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    fields::{Fields, Place, Text},
    manifest::check_word,
};
use crate::{
    hint::{Hint, plain},
    label::Label,
    records::Attributes,
    time::Window,
};

/// Reads the file.
pub(super) fn read(mut fields: Fields<'_>) -> Attributes {
    let place = fields.place;
    let mut attributes = Attributes {
        needs: needs(&mut fields),
        ..Attributes::default()
    };
    attributes.zones = ceilings(&mut fields, "zone", &attributes.needs);
    attributes.models = ceilings(&mut fields, "model", &attributes.needs);
    for (name, mut window) in fields.tables("window") {
        if check_word(place, "window", &name) {
            let read = read_window(&mut window);
            attributes.windows.insert(name.text.to_owned(), read);
        }
        window.done();
    }
    for (name, mut tool) in fields.tables("tool") {
        tool.text("about");
        if check_word(place, "tool", &name) {
            attributes.tools.insert(name.text.to_owned());
        }
        tool.done();
    }
    fields.done();
    attributes
}

/// The registered need-to-know tags.
fn needs(fields: &mut Fields<'_>) -> BTreeSet<String> {
    let mut needs = BTreeSet::new();
    for (name, _) in fields.named_texts("need") {
        // A tag is good if a label with it alone holds it as a need (`NF` would not).
        let label = Label::parse(&format!("U:{}", name.text));
        match label.is_ok_and(|label| label.needs().contains(name.text)) {
            true => _ = needs.insert(name.text.to_owned()),
            false => {
                let message = format!("`{}` is not a need", name.text);
                let hint = need_meant(fields.place, &name);
                fields.place.error(name.span(), message, hint);
            }
        }
    }
    needs
}

/// A tag in lower case or with other separators is mended; a release mark needs no registration.
fn need_meant(place: Place<'_>, name: &Text<'_>) -> Hint {
    let upper = plain(name.text).to_uppercase().replace(['_', ' '], "-");
    match Label::parse(&format!("U:{upper}")) {
        Ok(label) if label.needs().contains(&upper) => name.write(upper),
        Ok(_) => {
            let hint = place.remove_row(name.span().start);
            hint.saying("release marks need no registration: remove the line")
        }
        Err(_) => {
            "capital letters, digits and `-`; NF, FVEY, NOREL and REL-… are release marks".into()
        }
    }
}

/// Named things with a ceiling. One whose ceiling is wrong still exists, so that its users are not
/// reported as well.
fn ceilings(
    fields: &mut Fields<'_>,
    key: &'static str,
    needs: &BTreeSet<String>,
) -> BTreeMap<String, Label> {
    let mut out = BTreeMap::new();
    let place = fields.place;
    for (name, mut entry) in fields.tables(key) {
        entry.text("about");
        let ceiling = entry.text("ceiling");
        let ceiling = ceiling.and_then(|text| place.label(&text, needs.iter().map(String::as_str)));
        if check_word(place, key, &name) {
            out.insert(
                name.text.to_owned(),
                ceiling.unwrap_or_else(Label::unclassified),
            );
        }
        entry.done();
    }
    out
}

/// A window. What is wrong in it is reported and leaves it closed.
fn read_window(fields: &mut Fields<'_>) -> Window {
    let mut days = [false; 7];
    for day in fields.some_texts("days") {
        let nth = DAYS.iter().position(|name| *name == day.text);
        match nth.and_then(|nth| days.get_mut(nth)) {
            Some(open) => *open = true,
            None => {
                let spelled = day.text.to_lowercase();
                let whole = DAYS
                    .iter()
                    .zip(WHOLE_DAYS)
                    .find(|(_, whole)| *whole == spelled);
                let hint = whole.map_or_else(|| day.mean(DAYS), |(name, _)| day.write(*name));
                let message = format!("unknown day `{}`", day.text);
                let hint = hint.or("mon tue wed thu fri sat sun");
                fields.place.error(day.span(), message, hint);
            }
        }
    }
    let from = fields.minute("from").unwrap_or(0);
    let until = fields.minute("until").unwrap_or(DAY_MINUTES);
    if from >= until {
        fields.error(
            "the window ends before it begins",
            "make two windows for hours around midnight",
        );
    }
    let utc_offset_minutes = match fields.optional_text("utc_offset") {
        Some(text) => utc_offset(fields.place, &text).unwrap_or_default(),
        None => 0,
    };
    Window {
        days,
        minutes: from..until,
        utc_offset_minutes,
    }
}

/// An offset as `+05:30` or `-05:00`, up to 14 hours.
fn utc_offset(place: Place<'_>, text: &Text<'_>) -> Option<i16> {
    let offset = parse_offset(text.text);
    if offset.is_none() {
        let message = format!("`{}` is not an offset", text.text);
        let hint = offset_meant(text).or("write it as `-05:00`");
        place.error(text.span(), message, hint);
    }
    offset
}

fn parse_offset(text: &str) -> Option<i16> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?
    };
    let (hours, minutes): (i16, i16) = (digits(hours)?, digits(minutes)?);
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// `-5`, `-5:00`, `-0500`: what has a sign can be meant in one way only.
fn offset_meant(text: &Text<'_>) -> Hint {
    let plain = plain(text.text);
    let digits: String = plain.chars().filter(char::is_ascii_digit).collect();
    let sign = plain.get(..1).unwrap_or_default();
    let meant = match digits.len() {
        1 | 2 => format!("{sign}{digits:0>2}:00"),
        length => {
            let (hours, minutes) = digits.split_at(length.saturating_sub(2));
            format!("{sign}{hours:0>2}:{minutes}")
        }
    };
    match parse_offset(&meant) {
        Some(_) => text.write(meant),
        None => Hint::default(),
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const WHOLE_DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

const DAY_MINUTES: u16 = 24 * 60;
