//! The schemas are written from the shapes, know what the loader knows, and refuse what it refuses.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::{SCHEMAS, shapes};
use crate::{
    load,
    tests::{
        demo_dir,
        seeded::{bundle, mistakes},
    },
};

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn written_at(file: &str) -> PathBuf {
    let name = file.replace(".toml", ".schema.json");
    here().join("schema").join(name)
}

/// The schema of a file, ready to judge.
fn validator(file: &str) -> Option<jsonschema::Validator> {
    let (_, text) = SCHEMAS.iter().find(|(name, _)| *name == file)?;
    let schema = serde_json::from_str(text).expect("a schema is JSON");
    let options = jsonschema::draft202012::options();
    let validator = options.should_validate_formats(true).build(&schema);
    Some(validator.expect("a schema is sound"))
}

/// A TOML file as the JSON that editors compare with a schema: dates and times are texts.
fn json(table: &DeTable<'_>) -> Value {
    let pairs = table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), json_value(value.get_ref())));
    Value::Object(pairs.collect::<Map<_, _>>())
}

fn json_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(number) => match number.as_str().parse::<i64>() {
            Ok(number) => number.into(),
            Err(_) => number.as_str().into(),
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) => number.into(),
            Err(_) => number.as_str().into(),
        },
        DeValue::Boolean(flag) => (*flag).into(),
        DeValue::Datetime(moment) => moment.to_string().into(),
        DeValue::Array(items) => items
            .iter()
            .map(|item| json_value(item.get_ref()))
            .collect(),
        DeValue::Table(table) => json(table),
    }
}

/// What a schema says against a file's text; `None` if the text is no TOML or has no schema.
fn judge(path: &Path, text: &str) -> Option<Vec<String>> {
    let validator = validator(path.file_name()?.to_str()?)?;
    let instance = json(DeTable::parse(text).ok()?.get_ref());
    let errors = validator.iter_errors(&instance);
    Some(
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
    )
}

#[test]
fn the_schemas_are_written_from_the_shapes() {
    let names: Vec<&str> = SCHEMAS.iter().map(|(name, _)| *name).collect();
    let shapes = shapes::all();
    assert_eq!(
        names,
        shapes.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for (file, schema) in shapes {
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        if std::env::var_os("PORTCULLIS_WRITE_TABLE").is_some() {
            fs::write(written_at(file), text).expect("written");
            continue;
        }
        let written = fs::read_to_string(written_at(file)).unwrap_or_default();
        assert!(
            written == text,
            "{file}: PORTCULLIS_WRITE_TABLE=1 writes the schema anew"
        );
    }
}

/// The keys of the tables of a schema, as the loader names them.
fn keys(root: &Value, schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    let reference = schema["$ref"]
        .as_str()
        .and_then(|name| name.strip_prefix('#'));
    if let Some(shape) = reference.and_then(|name| root.pointer(name)) {
        keys(root, shape, path, out);
    }
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        out.insert(format!("{path}{key}"));
        keys(root, inner, &format!("{path}{key}."), out);
    }
    for (_, inner) in schema["patternProperties"]
        .as_object()
        .into_iter()
        .flatten()
    {
        keys(root, inner, &format!("{path}*."), out);
    }
    for option in schema["anyOf"].as_array().into_iter().flatten() {
        keys(root, option, path, out);
    }
    keys_of_items(root, &schema["items"], path, out);
}

/// The tables of a list are alike and bear the list's path.
fn keys_of_items(root: &Value, items: &Value, path: &str, out: &mut BTreeSet<String>) {
    if items.is_object() {
        keys(root, items, path, out);
    }
}

#[test]
fn the_loader_asks_for_what_the_schemas_describe_and_for_nothing_else() {
    // A bundle with every kind of table, so that the loader comes past each of its questions.
    let files = load::files_of(&here().join("mistakes/bundle")).expect("readable");
    let asked = load::asked_keys(files);
    let mut described = BTreeSet::new();
    for (file, schema) in shapes::all() {
        keys(&schema, &schema, &format!("{file} "), &mut described);
    }
    let undescribed: Vec<_> = asked.difference(&described).collect();
    assert!(
        undescribed.is_empty(),
        "no schema has {undescribed:?}: see schema.rs"
    );
    let unasked: Vec<_> = described.difference(&asked).collect();
    assert!(
        unasked.is_empty(),
        "the loader never asks for {unasked:?}: see schema.rs"
    );
    assert!(asked.len() > 60, "{} keys", asked.len());
}

#[test]
fn every_key_has_a_description() {
    fn check(path: &str, schema: &Value) {
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            assert!(
                inner["description"].is_string(),
                "{path} has no description"
            );
            check(&path, inner);
        }
        for (name, shape) in schema["$defs"].as_object().into_iter().flatten() {
            check(name, shape);
        }
    }
    for (file, schema) in shapes::all() {
        check(file, &schema);
    }
}

#[test]
fn the_schemas_accept_what_the_loader_accepts() {
    for dir in [demo_dir(), here().join("mistakes/bundle")] {
        let mut judged = 0;
        for (path, bytes) in load::files_of(&dir).expect("readable") {
            let text = String::from_utf8(bytes).expect("text");
            if let Some(errors) = judge(&path, &text) {
                assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
                judged += 1;
            }
        }
        assert!(judged >= 7, "{judged} files of {}", dir.display());
    }
}

/// What only the loader can know: what other files register, what stands twice.
const LOADER_ALONE: [&str; 26] = [
    "unknown purpose",
    "unknown need",
    "unknown principal",
    "unknown rule",
    "unknown zone",
    "unknown profile",
    "unknown reason",
    "unknown source",
    "source `",
    "there is no file",
    "no [source]",
    // Of a record about many.
    "claims are believed only within bounds",
    "`duties` belongs to one",
    "`san_dns` belongs to one",
    "default purpose",
    "no purpose has",
    "purpose `",
    "tenant `",
    "this certificate already stands",
    "cards of this issuer",
    "profile `civ-standard` is listed twice",
    "the window ends",
    "`agancy/depot/*` meets no",
    // In JSON a date in quotes is a date, and 7.0 is 7.
    "`expires` must be a date",
    "`from` must be a time",
    "`revision` must be a whole number, found float",
];

#[test]
fn the_schemas_refuse_the_mistakes_of_form() {
    let bundle = bundle(&here().join("mistakes/bundle"));
    let text = fs::read_to_string(here().join("mistakes/mistakes.toml")).expect("the table");
    let table = DeTable::parse(&text).expect("TOML");
    let mut refused = 0;
    let mut accepted = Vec::new();
    for mistake in mistakes(table.get_ref()) {
        let path = Path::new(mistake.path);
        if path.extension().is_none_or(|ending| ending != "toml")
            || !mistake.keys.contains_key("from")
        {
            continue;
        }
        let said = mistake.key("says");
        let spoiled = mistake.make(&bundle);
        match judge(path, spoiled.text(mistake.path)) {
            None => {}
            Some(errors) if !errors.is_empty() => refused += 1,
            Some(_) if LOADER_ALONE.iter().any(|alone| said.starts_with(alone)) => {}
            Some(_) => accepted.push(format!("{}: {said}", mistake.path)),
        }
    }
    assert!(accepted.is_empty(), "accepted:\n{}", accepted.join("\n"));
    assert!(refused >= 90, "{refused} refused");
}
