//! JSON Schemas of a bundle's TOML files, for editors: what may be written, with a word about each key.
//!
//! ```toml
//! #:schema ../policy/schema/purposes.schema.json      # the first line of a file; Taplo reads it
//! ```
//!
//! They are made from `schema/shapes.rs`, and tests hold them to what the loader asks for. So a new key
//! is three steps:
//! 1. the loader asks for it (`fields.text("key")`);
//! 2. its shape gets a field of that name, whose doc comment becomes the description;
//! 3. `PORTCULLIS_WRITE_TABLE=1 cargo nextest run -p policy schema` writes the files anew.
//!
//! A schema knows words, patterns and dates. What refers to another file (is this purpose
//! registered?) only the loader can say, so a file that a schema accepts may still be refused.

#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;

/// The schema of each TOML file of a bundle, by the file's name (JSON Schema, draft 2020-12).
pub const SCHEMAS: [(&str, &str); 6] = [
    (
        "attributes.toml",
        include_str!("../schema/attributes.schema.json"),
    ),
    (
        "authorities.toml",
        include_str!("../schema/authorities.schema.json"),
    ),
    ("bundle.toml", include_str!("../schema/bundle.schema.json")),
    (
        "identities.toml",
        include_str!("../schema/identities.schema.json"),
    ),
    (
        "purposes.toml",
        include_str!("../schema/purposes.schema.json"),
    ),
    ("tests.toml", include_str!("../schema/tests.schema.json")),
];
