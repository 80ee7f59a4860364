use backends::{Message, ReasoningEffort, Role, Sampling, Tool, ToolCall, ToolChoice};
use serde_json::json;

use super::*;
use crate::pipeline::texts;

/// A chat whose every text is a marker of its own. Every struct is built field by field, without `..`, so that a field
/// that `backends` adds does not compile here until somebody decides whether it is text.
fn full() -> (Chat, Vec<String>) {
    let mut markers = Vec::new();
    let mut mark = || {
        markers.push(format!("marker-{}-end", markers.len()));
        markers.last().expect("just pushed").clone()
    };
    let message = Message {
        role: Role::Assistant,
        content: vec![mark(), mark()],
        name: Some(mark()),
        tool_calls: vec![ToolCall {
            id: mark(),
            name: mark(),
            arguments: mark(),
        }],
        tool_call_id: Some(mark()),
        refusal: Some(mark()),
        reasoning: Some(mark()),
    };
    let tool = Tool {
        name: mark(),
        description: Some(mark()),
        parameters: Some(json!({ mark(): [mark()] })),
        strict: Some(true),
    };
    let chat = Chat {
        model: "m".to_owned(),
        messages: vec![message],
        tools: vec![tool],
        // Ingest holds it to the names of `tools`; if one of those is masked, so must this be.
        tool_choice: Some(ToolChoice::Function(mark())),
        parallel_tool_calls: Some(true),
        sampling: Sampling {
            temperature: Some(1.0),
            top_p: Some(1.0),
            frequency_penalty: Some(0.0),
            presence_penalty: Some(0.0),
            max_tokens: Some(1),
            seed: Some(1),
            n: 1,
            stop: vec![mark()],
        },
        response_format: Some(ResponseFormat::JsonSchema {
            name: mark(),
            description: Some(mark()),
            schema: Some(json!({ "title": mark() })),
            strict: None,
        }),
        reasoning_effort: Some(ReasoningEffort::Low),
        stream: true,
    };
    (chat, markers)
}

#[test]
fn every_text_of_a_chat_is_shown() {
    let (chat, markers) = full();
    let shown: String = texts(&chat).iter().map(|t| t.text.to_string()).collect();
    for marker in markers {
        assert!(
            shown.contains(&marker),
            "{marker} would be forwarded unscanned"
        );
    }
}

#[test]
fn every_path_is_a_contract_path() {
    let (chat, _) = full();
    for text in texts(&chat) {
        assert!(
            audit::FieldPath::new(&text.path).is_some(),
            "{} cannot stand in an entry",
            text.path
        );
    }
}

#[test]
fn rewritten_texts_go_back_where_they_came_from() {
    let (mut chat, _) = full();
    let rewritten: Vec<_> = texts(&chat)
        .iter()
        .map(|t| Some(t.text.replace("marker", "mask")))
        .collect();
    rewrite(&mut chat, rewritten).expect("fits");
    let shown: String = texts(&chat).iter().map(|t| t.text.to_string()).collect();
    assert!(!shown.contains("marker"), "{shown}");
    assert_eq!(shown.matches("mask-").count(), full().1.len());
}

#[test]
fn nothing_is_rewritten_that_does_not_fit() {
    let (mut chat, _) = full();
    let count = texts(&chat).len();
    assert!(rewrite(&mut chat, vec![None; count]).is_some());
    assert!(rewrite(&mut chat, vec![None; count - 1]).is_none());
    assert!(rewrite(&mut chat, vec![None; count + 1]).is_none());
    let mut broken = vec![None; count];
    let schema = texts(&chat)
        .iter()
        .position(|t| t.path.ends_with("parameters"))
        .expect("a schema");
    broken[schema] = Some("{no json".to_owned());
    assert!(rewrite(&mut chat, broken).is_none());
}

#[test]
fn a_digest_is_about_every_text() {
    let (chat, _) = full();
    let before = texts::digest(&chat);
    let count = texts(&chat).len();
    for at in 0..count {
        let (mut changed, _) = full();
        let original = texts(&changed)[at].text.to_string();
        let mut one = vec![None; count];
        one[at] = Some(original.replace("marker", "other"));
        rewrite(&mut changed, one).expect("fits");
        assert_ne!(
            texts::digest(&changed).as_ref(),
            before.as_ref(),
            "text {at} is not in the digest"
        );
    }
}
