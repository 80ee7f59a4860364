//! The fixed access model, read from `model.conf`.
//!
//! The file is data so that people can read and cite it, but its digest is compiled in: any change,
//! down to a space, refuses the bundle. (Casbin would load other effect expressions and panic at the
//! first request, and would run `eval` on rule text.)

/// The five lines of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) request: String,
    pub(crate) columns: String,
    pub(crate) roles: String,
    pub(crate) effect: String,
    matcher: String,
}

/// SHA-256 of the only `model.conf` that this program runs.
pub(crate) const MODEL_SHA256: &str =
    "008359ba576d732fc64555c545ae68fd99955aa45d6c6e7fa5a76840892df3b6";

impl Template {
    /// Reads the definitions; `None` if one is missing. The caller has checked the digest.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let line = |key: &str| {
            let definition =
                |line: &str| Some(line.strip_prefix(key)?.strip_prefix(" = ")?.to_owned());
            text.lines().find_map(definition)
        };
        Some(Self {
            request: line("r")?,
            columns: line("p")?,
            roles: line("g")?,
            effect: line("e")?,
            matcher: line("m")?,
        })
    }

    /// The matcher of a numbered section: `r.` becomes `r17.`, `p.` becomes `p17.`.
    pub(crate) fn matcher_for(&self, number: usize) -> String {
        let mut out = String::with_capacity(self.matcher.len() + 64);
        let mut before = ' ';
        let mut rest = self.matcher.chars().peekable();
        while let Some(char) = rest.next() {
            out.push(char);
            let starts_a_word = !before.is_ascii_alphanumeric() && before != '_';
            if starts_a_word && matches!(char, 'r' | 'p') && rest.peek() == Some(&'.') {
                out.push_str(&number.to_string());
            }
            before = char;
        }
        out
    }
}
