//! Anthropic's messages, and the count of their tokens.

use serde_json::{Value, json};

use super::{Kind, Place, with_field};

pub(super) fn places(kind: Kind) -> Vec<Place> {
    let with = |field: &str, value: Value| {
        with_field(
            json!({ "messages": [{ "role": "user", "content": "hello" }] }),
            field,
            value,
        )
    };
    let blocks = |blocks: Value| json!({ "messages": [{ "role": "user", "content": blocks }] });
    let said = |blocks: Value| {
        let last = json!({ "role": "user", "content": "hello" });
        json!({ "messages": [{ "role": "user", "content": "hi" }, { "role": "assistant", "content": blocks }, last] })
    };
    let called = |used: Value, result: Value| {
        json!({ "messages": [{ "role": "user", "content": "hello" }, { "role": "assistant", "content": [used] },
                             { "role": "user", "content": [result] }] })
    };
    let used = json!({ "type": "tool_use", "id": "toolu_1", "name": "find", "input": {} });
    let result = |content: Value| json!({ "type": "tool_result", "tool_use_id": "toolu_1", "content": content });
    let found = result(json!("found"));
    let tool = |field: &str, value: Value| {
        let tool = with_field(
            json!({ "name": "find", "description": "finds", "input_schema": { "type": "object" } }),
            field,
            value,
        );
        with("tools", json!([tool]))
    };
    let text = json!({ "type": "text", "text": "hello" });
    match kind {
        Kind::History => vec![
            ("system", with("system", json!("§"))),
            (
                "system block",
                with("system", json!([{ "type": "text", "text": "§" }])),
            ),
            (
                "second system block",
                with("system", json!([text, { "type": "text", "text": "§" }])),
            ),
            (
                "text block",
                blocks(json!([{ "type": "text", "text": "§" }])),
            ),
            (
                "second text block",
                blocks(json!([text, { "type": "text", "text": "§" }])),
            ),
            ("assistant message", said(json!("§"))),
            (
                "assistant block",
                said(json!([{ "type": "text", "text": "§" }])),
            ),
            (
                "beginning of the answer",
                json!({ "messages": [{ "role": "user", "content": "hello" }, { "role": "assistant", "content": "§" }] }),
            ),
            (
                "role",
                json!({ "messages": [{ "role": "user", "content": "hi" }, { "role": "§", "content": "hello" }] }),
            ),
        ],
        Kind::ToolResults => vec![
            ("tool_result", called(used.clone(), result(json!("§")))),
            (
                "block of a tool_result",
                called(
                    used.clone(),
                    result(json!([{ "type": "text", "text": "§" }])),
                ),
            ),
            (
                "search_result in a tool_result",
                called(
                    used,
                    result(
                        json!([{ "type": "search_result", "source": "a", "title": "b", "content": [{ "type": "text", "text": "§" }] }]),
                    ),
                ),
            ),
            (
                "search_result",
                blocks(
                    json!([text, { "type": "search_result", "source": "a", "title": "§", "content": [] }]),
                ),
            ),
            (
                "document of text",
                blocks(
                    json!([text, { "type": "document", "source": { "type": "text", "media_type": "text/plain", "data": "§" } }]),
                ),
            ),
            (
                "title of a document",
                blocks(
                    json!([text, { "type": "document", "title": "§", "source": { "type": "text", "media_type": "text/plain", "data": "a" } }]),
                ),
            ),
            (
                "document of blocks",
                blocks(
                    json!([text, { "type": "document", "source": { "type": "content", "content": [{ "type": "text", "text": "§" }] } }]),
                ),
            ),
            (
                "result of a web search",
                said(
                    json!([{ "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{ "type": "web_search_result", "title": "§", "url": "https://a.example", "encrypted_content": "x" }] }]),
                ),
            ),
        ],
        Kind::CallsInHistory => vec![
            (
                "value of an input",
                called(
                    json!({ "type": "tool_use", "id": "toolu_1", "name": "find", "input": { "q": "§" } }),
                    found.clone(),
                ),
            ),
            (
                "name in an input",
                called(
                    json!({ "type": "tool_use", "id": "toolu_1", "name": "find", "input": { "§": 1 } }),
                    found.clone(),
                ),
            ),
            (
                "name of a used tool",
                called(
                    json!({ "type": "tool_use", "id": "toolu_1", "name": "§", "input": {} }),
                    found,
                ),
            ),
            (
                "server's tool",
                said(
                    json!([{ "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": { "query": "§" } }]),
                ),
            ),
        ],
        Kind::ReasoningInHistory => vec![
            (
                "thinking",
                said(json!([{ "type": "thinking", "thinking": "§", "signature": "x" }, text])),
            ),
            (
                "signature of thinking",
                said(json!([{ "type": "thinking", "thinking": "a", "signature": "§" }, text])),
            ),
            (
                "redacted_thinking",
                said(json!([{ "type": "redacted_thinking", "data": "§" }, text])),
            ),
        ],
        Kind::ToolDefinitions => vec![
            ("tool name", tool("name", json!("§"))),
            ("tool description", tool("description", json!("§"))),
            (
                "property name",
                tool(
                    "input_schema",
                    json!({ "type": "object", "properties": { "§": { "type": "string" } } }),
                ),
            ),
            (
                "property description",
                tool(
                    "input_schema",
                    json!({ "type": "object", "properties": { "q": { "description": "§" } } }),
                ),
            ),
            (
                "enum value",
                tool(
                    "input_schema",
                    json!({ "type": "object", "properties": { "q": { "enum": ["§"] } } }),
                ),
            ),
            (
                "keyword that no schema has",
                tool("input_schema", json!({ "type": "object", "x-note": "§" })),
            ),
            (
                "example of an input",
                tool("input_examples", json!([{ "q": "§" }])),
            ),
            (
                "mcp_servers",
                with(
                    "mcp_servers",
                    json!([{ "type": "url", "name": "§", "url": "https://a.example" }]),
                ),
            ),
        ],
        Kind::OutputFormats => vec![
            (
                "output_config",
                with(
                    "output_config",
                    json!({ "format": { "type": "json_schema", "schema": { "type": "object", "description": "§" } } }),
                ),
            ),
            (
                "output_format",
                with(
                    "output_format",
                    json!({ "type": "json_schema", "schema": { "type": "object", "description": "§" } }),
                ),
            ),
        ],
        Kind::CallerStrings => vec![
            ("user_id", with("metadata", json!({ "user_id": "§" }))),
            ("name in metadata", with("metadata", json!({ "§": "note" }))),
            ("stop_sequences", with("stop_sequences", json!(["§"]))),
            ("service_tier", with("service_tier", json!("§"))),
            ("container", with("container", json!("§"))),
        ],
        Kind::Unlisted => vec![
            ("in the request", with("x_note", json!("§"))),
            ("as a name", with("x_§", json!(1))),
            (
                "in a message",
                json!({ "messages": [{ "role": "user", "content": "hello", "x_note": "§" }] }),
            ),
            (
                "in a block",
                blocks(json!([{ "type": "text", "text": "hello", "x_note": "§" }])),
            ),
            (
                "in cache_control",
                blocks(
                    json!([{ "type": "text", "text": "hello", "cache_control": { "type": "ephemeral", "x_note": "§" } }]),
                ),
            ),
            (
                "in citations",
                blocks(
                    json!([{ "type": "text", "text": "hello", "citations": [{ "type": "char_location", "cited_text": "§" }] }]),
                ),
            ),
            ("in a tool", tool("x_note", json!("§"))),
        ],
        Kind::Unreadable => vec![
            (
                "block of an unknown type",
                blocks(json!([text, { "type": "x_note", "text": "§" }])),
            ),
            (
                "block without a type",
                blocks(json!([text, { "text": "§" }])),
            ),
            ("content that is an object", blocks(json!({ "text": "§" }))),
            (
                "nothing but an unknown block",
                blocks(json!([{ "type": "x_note", "x_note": "§" }])),
            ),
        ],
        Kind::Media => vec![
            (
                "picture beside text",
                blocks(
                    json!([text, { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "§" } }]),
                ),
            ),
            (
                "picture alone",
                blocks(
                    json!([{ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "§" } }]),
                ),
            ),
            (
                "picture elsewhere",
                blocks(
                    json!([text, { "type": "image", "source": { "type": "url", "url": "https://pictures.example/§.png" } }]),
                ),
            ),
            (
                "picture of a tool",
                called(
                    json!({ "type": "tool_use", "id": "toolu_1", "name": "find", "input": {} }),
                    result(
                        json!([{ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "§" } }]),
                    ),
                ),
            ),
            (
                "file",
                blocks(
                    json!([text, { "type": "document", "source": { "type": "base64", "media_type": "application/pdf", "data": "§" } }]),
                ),
            ),
            (
                "uploaded file",
                blocks(
                    json!([text, { "type": "document", "source": { "type": "file", "file_id": "§" } }]),
                ),
            ),
        ],
    }
}
