//! The functions that the matcher of `model.conf` calls, in place of casbin's own.
//!
//! All are total: they return a boolean for any arguments. The label comparison fails towards
//! refusal: an unreadable label does not match an allow row and does match a deny row.

use casbin::{
    CoreApi, Enforcer,
    function_map::OperatorFunction,
    rhai::{Dynamic, ImmutableString},
};

use crate::{label::Label, pattern, subject::Assurance};

/// Marks a label cell of an allow row: the data may be at most this.
pub(super) const CEILING: char = '<';

/// Marks a label cell of a deny row: the data must be at least this.
pub(super) const FLOOR: char = '>';

/// Adds the functions under the names that the template uses.
pub(super) fn register(enforcer: &mut Enforcer) {
    let two = OperatorFunction::Arg2;
    enforcer.add_function(
        "under",
        two(|tenant, cell| compare(&tenant, &cell, pattern::under)),
    );
    enforcer.add_function(
        "one_of",
        two(|name, cell| compare(&name, &cell, pattern::one_of)),
    );
    enforcer.add_function(
        "any_of",
        two(|names, cell| compare(&names, &cell, pattern::any_of)),
    );
    enforcer.add_function(
        "at_least",
        two(|have, cell| compare(&have, &cell, at_least)),
    );
    enforcer.add_function(
        "in_scope",
        two(|data, cell| compare(&data, &cell, in_scope)),
    );
}

/// Runs a comparison of texts; anything that is not a text compares as the empty one.
fn compare(left: &Dynamic, right: &Dynamic, holds: fn(&str, &str) -> bool) -> Dynamic {
    let left = left.read_lock::<ImmutableString>();
    let right = right.read_lock::<ImmutableString>();
    holds(
        left.as_deref().map_or("", ImmutableString::as_str),
        right.as_deref().map_or("", ImmutableString::as_str),
    )
    .into()
}

/// Whether an assurance level reaches another; an unreadable one reaches nothing.
fn at_least(have: &str, least: &str) -> bool {
    match (have.parse::<Assurance>(), least.parse::<Assurance>()) {
        (Ok(have), Ok(least)) => have >= least,
        _ => false,
    }
}

/// Whether the data label lies in the scope of a label cell, ceiling or floor.
fn in_scope(data: &str, cell: &str) -> bool {
    match cell.strip_prefix(CEILING) {
        Some(ceiling) => match (Label::parse(data), Label::parse(ceiling)) {
            (Ok(data), Ok(ceiling)) => ceiling.dominates(&data),
            _ => false,
        },
        None => match (
            Label::parse(data),
            Label::parse(cell.strip_prefix(FLOOR).unwrap_or(cell)),
        ) {
            (Ok(data), Ok(floor)) => data.dominates(&floor),
            _ => true,
        },
    }
}
