//! The field contracts, as data: what becomes of each field of each endpoint. `docs/api.md` is written from them, and a test
//! compares them with the fields that the readers ask for.

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text that is scanned, and may be masked, before it goes upstream.
    Guarded,
    /// Held to words, a range or a machine's alphabet.
    Constrained,
    /// An object or array; what is in it has lines of its own.
    Parts,
    /// Accepted, and not forwarded.
    Inert,
    /// Refused, unless it is absent, `null` or `false`.
    Refused,
}

/// One field: its path, with `[]` for any index, and its kind.
pub type Field = (&'static str, Kind);

impl Kind {
    /// The word in the documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Guarded => "guarded",
            Kind::Constrained => "constrained",
            Kind::Parts => "parts",
            Kind::Inert => "inert",
            Kind::Refused => "refused",
        }
    }
}

/// Every field that an endpoint knows, by the endpoint's path. All others are dropped, counted and announced.
/// `/v1/messages/count_tokens` has the contract of `/v1/messages`.
pub const ALL: [(&str, &[Field]); 6] = [
    ("/v1/chat/completions", super::chat::CONTRACT),
    ("/v1/completions", super::completions::CONTRACT),
    ("/v1/embeddings", super::embeddings::CONTRACT),
    ("/v1/messages", super::messages::CONTRACT),
    ("/v1/moderations", super::moderations::CONTRACT),
    ("/v1/responses", super::responses::CONTRACT),
];

#[cfg(test)]
thread_local! {
    static ASKED: std::cell::RefCell<std::collections::BTreeSet<String>> = Default::default();
}

/// Notes that a reader asks for a field.
#[cfg(test)]
pub(super) fn asked(path: &str) {
    let mut any = String::new();
    let mut index = false;
    for c in path.chars() {
        index = match c {
            '[' => true,
            ']' => false,
            _ => index,
        };
        if !index || c == '[' {
            any.push(c);
        }
    }
    ASKED.with_borrow_mut(|asked| asked.insert(any));
}

#[cfg(test)]
mod tests;
