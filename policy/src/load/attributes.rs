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
use crate::{label::Label, problem::did_you_mean, records::Attributes, time::Window};

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
                let hint =
                    "capital letters, digits and `-`; NF, FVEY, NOREL and REL-… are release marks";
                fields.place.error(
                    name.span(),
                    format!("`{}` is not a need", name.text),
                    Some(hint.into()),
                );
            }
        }
    }
    needs
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
                let hint = did_you_mean(day.text, DAYS)
                    .unwrap_or_else(|| "mon tue wed thu fri sat sun".into());
                fields.place.error(
                    day.span(),
                    format!("unknown day `{}`", day.text),
                    Some(hint),
                );
            }
        }
    }
    let from = fields.minute("from").unwrap_or(0);
    let until = fields.minute("until").unwrap_or(DAY_MINUTES);
    if from >= until {
        fields.error(
            "the window ends before it begins",
            Some("make two windows for hours around midnight".into()),
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
    let parse = |text: &str| -> Option<i16> {
        let sign = match text.get(..1)? {
            "+" => 1,
            "-" => -1,
            _ => return None,
        };
        let (hours, minutes) = text.get(1..)?.split_once(':')?;
        let digits = |part: &str| {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse().ok())?
        };
        let (hours, minutes): (i16, i16) = (digits(hours)?, digits(minutes)?);
        (hours <= 14 && minutes < 60).then_some(sign * (hours * 60 + minutes))
    };
    let offset = parse(text.text);
    if offset.is_none() {
        place.error(
            text.span(),
            format!("`{}` is not an offset", text.text),
            Some("write it as `-05:00`".into()),
        );
    }
    offset
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

const DAY_MINUTES: u16 = 24 * 60;
