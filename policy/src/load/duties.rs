//! `duties` and `person` of an identity record: who does what for the gateway itself.
//!
//! ```toml
//! [identity."oidc:agency:jdoe"]
//! duties = ["admin", "operator"]
//! person = "jdoe"                       # default: the principal. Records of one person name the same one
//! ```
//!
//! Duties that must be separate conflict over all records of one person, whatever credential it uses.

use std::collections::BTreeMap;

use super::fields::{Fields, Place, Text};
use crate::duty::Duty;

/// The duties of everybody, as they are read.
#[derive(Default)]
pub(super) struct Persons {
    by_person: BTreeMap<String, Vec<(Duty, String)>>,
}

impl Persons {
    /// Reads the duties of one record, and reports those that the person must not hold together.
    pub(super) fn duties(&mut self, fields: &mut Fields<'_>, principal: &Text<'_>) -> Vec<Duty> {
        let place = fields.place;
        let person = fields.optional_text("person");
        let person = person.map_or(principal.text, |text| text.text);
        let held = self.by_person.entry(person.to_owned()).or_default();
        let mut duties = Vec::new();
        for text in fields.texts("duties") {
            let Some(duty) = duty(place, &text) else {
                continue;
            };
            let clash = held.iter().find(|(other, _)| duty.conflicts_with(*other));
            if let Some((other, elsewhere)) = clash {
                let message = match elsewhere == principal.text {
                    true => format!("`{person}` must not be {duty} and {other} at once"),
                    false => format!(
                        "`{person}` is {other} already, as `{elsewhere}`, and must not be {duty} too"
                    ),
                };
                let hint = "give one of the two duties to somebody else";
                place.error(text.span(), message, hint);
                continue;
            }
            held.push((duty, principal.text.to_owned()));
            duties.push(duty);
        }
        duties
    }
}

fn duty(place: Place<'_>, text: &Text<'_>) -> Option<Duty> {
    let found = text.text.parse().ok();
    if found.is_none() {
        let hint = text
            .mean(Duty::ALL.map(Duty::as_str))
            .or("write officer, auditor, admin or operator");
        let message = format!("unknown duty `{}`", text.text);
        place.error(text.span(), message, hint);
    }
    found
}
