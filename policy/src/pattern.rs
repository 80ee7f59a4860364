//! The text patterns of rule columns, and the total functions that compare with them.
//!
//! ```text
//! tenant   *    demo/*    demo/benefits/*    demo/benefits/web
//! names    *    chat|complete    model/llama-*    benefits.draft|benefits.review.*
//! ```
//!
//! These functions never panic and never fail, whatever bytes they get: one side comes from a
//! caller. A caller's `|` or `*` is an ordinary character, since only the rule's side is a pattern.

use std::{borrow::Borrow, collections::BTreeSet, ops::Bound};

/// Whether a tenant lies under a tenant pattern. `demo/*` covers everything below `demo`, not `demo`.
pub(crate) fn under(tenant: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => tenant.len() > prefix.len() && tenant.starts_with(prefix),
        None => tenant == pattern,
    }
}

/// Whether one of the tenants lies under a tenant pattern.
pub(crate) fn any_under<T: Borrow<str> + Ord>(tenants: &BTreeSet<T>, pattern: &str) -> bool {
    // Whatever lies under a pattern begins with its prefix, so the first from there on is one or none is.
    let prefix = pattern.strip_suffix('*').unwrap_or(pattern);
    let mut from_prefix = tenants.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
    from_prefix
        .find(|tenant| (*tenant).borrow() != prefix || prefix == pattern)
        .is_some_and(|tenant| under(tenant.borrow(), pattern))
}

/// Whether every tenant under `inner` lies under `outer`.
pub(crate) fn contains(outer: &str, inner: &str) -> bool {
    match inner.strip_suffix('*') {
        Some(prefix) => outer
            .strip_suffix('*')
            .is_some_and(|outer| prefix.starts_with(outer)),
        None => under(inner, outer),
    }
}

/// Whether a name is one of the alternatives of a name pattern.
pub(crate) fn one_of(name: &str, pattern: &str) -> bool {
    pattern
        .split('|')
        .any(|alternative| match alternative.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == alternative,
        })
}

/// Whether every alternative of a name pattern lies within one of another.
pub(crate) fn covers(outer: &str, inner: &str) -> bool {
    let within = |outer: &str, inner: &str| match outer.strip_suffix('*') {
        Some(prefix) => inner.starts_with(prefix),
        None => inner == outer,
    };
    inner
        .split('|')
        .all(|inner| outer.split('|').any(|outer| within(outer, inner)))
}

/// Whether one of the names in a `|` list is one of the alternatives; `*` needs no name at all.
pub(crate) fn any_of(names: &str, pattern: &str) -> bool {
    pattern == "*"
        || names
            .split('|')
            .any(|name| !name.is_empty() && one_of(name, pattern))
}

#[cfg(test)]
mod tests;
