use proptest::prelude::*;

use super::*;

#[test]
fn the_vocabulary_is_sorted() {
    assert!(FIELDS.is_sorted(), "binary search needs it");
}

#[test]
fn names_are_short_and_plain() {
    for good in [
        "svc:payroll",
        "agency/office/mission",
        "a",
        "rules.csv",
        "gpt-4o@2024+x",
    ] {
        assert_eq!(Name::new(good).expect("a name").as_str(), good);
    }
    for bad in [
        "",
        "two words",
        "naïve",
        "quo\"te",
        "new\nline",
        "{}",
        &"x".repeat(129),
    ] {
        assert_eq!(Name::new(bad), None, "{bad}");
    }
    const CODE: Name = Name::literal("content_filter");
    assert_eq!(CODE.to_string(), "content_filter");
}

#[test]
fn paths_are_spelled_from_the_contract_alone() {
    for good in [
        "messages[3].content[0].text",
        "choices[0].message.tool_calls[0].function.arguments",
        "tools[12].function.parameters",
        "stop",
        "stop[1]",
    ] {
        assert_eq!(FieldPath::new(good).expect("a path").as_str(), good);
    }
    for bad in [
        "",
        "messages[].content",
        "messages[03].content",
        "messages[3]content",
        "messages[3",
        "messages[-1]",
        "arguments.ssn",
        "metadata.customer_name",
        "messages[1234567]",
        "messages..content",
    ] {
        assert_eq!(FieldPath::new(bad), None, "{bad}");
    }
}

#[test]
fn a_pattern_leaves_the_indices_open() {
    let path = FieldPath::new("messages[3].content[0].text").expect("a path");
    assert_eq!(path.pattern().as_str(), "messages[].content[].text");
    assert_eq!(
        Some(path.pattern()),
        FieldPattern::new("messages[].content[].text")
    );
    assert_eq!(FieldPattern::new("messages[3]"), None);
}

#[test]
fn request_ids_are_version_seven() {
    let id = RequestId::v7(0x0198_a5e0_0000, [0xff; 10]);
    assert_eq!(id.to_string(), "0198a5e0-0000-7fff-bfff-ffffffffffff");
    assert_eq!(RequestId::parse(&id.to_string()), Some(id));
    assert_eq!(
        RequestId::parse("0198A5E0-0000-7fff-bfff-ffffffffffff"),
        None,
        "one spelling only"
    );
    assert_eq!(
        RequestId::parse("0198a5e00000-7fff-bfff-ffffffffffff-"),
        None
    );
}

proptest! {
    /// A canary that a caller typed is in no word, unless every byte of it is a name's.
    #[test]
    fn what_is_not_a_name_cannot_be_one(text in any::<String>()) {
        if let Some(name) = Name::new(&text) {
            prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._:/@+-".contains(&b)));
        }
        let path = FieldPath::new(&format!("arguments.{text}"));
        let known = |part: &str| FIELDS.contains(&part.split('[').next().unwrap_or_default());
        prop_assert!(path.is_none_or(|path| path.as_str().split('.').all(known)));
    }
}
