//! OpenAI's Responses.

use serde_json::{Value, json};

use super::{Kind, Place, with_field};

pub(super) fn places(kind: Kind) -> Vec<Place> {
    let with = |field: &str, value: Value| with_field(json!({ "input": "hello" }), field, value);
    let items = |items: Value| json!({ "input": items });
    let hello = json!({ "role": "user", "content": "hello" });
    let parts = |parts: Value| items(json!([{ "role": "user", "content": parts }]));
    let text = json!({ "type": "input_text", "text": "hello" });
    let called = |call: Value, output: Value| {
        items(
            json!([hello, call, { "type": "function_call_output", "call_id": "call_1", "output": output }]),
        )
    };
    let call =
        json!({ "type": "function_call", "call_id": "call_1", "name": "find", "arguments": "{}" });
    let tool = |field: &str, value: Value| {
        let tool = with_field(
            json!({ "type": "function", "name": "find", "description": "finds", "parameters": { "type": "object" } }),
            field,
            value,
        );
        with("tools", json!([tool]))
    };
    let said = |parts: Value| {
        items(
            json!([{ "type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": parts }, hello]),
        )
    };
    match kind {
        Kind::History => vec![
            ("instructions", with("instructions", json!("§"))),
            (
                "message",
                items(json!([{ "role": "user", "content": "§" }, hello])),
            ),
            (
                "system message",
                items(json!([{ "role": "system", "content": "§" }, hello])),
            ),
            (
                "developer message",
                items(json!([{ "role": "developer", "content": "§" }, hello])),
            ),
            (
                "text part",
                parts(json!([{ "type": "input_text", "text": "§" }])),
            ),
            (
                "second text part",
                parts(json!([text, { "type": "input_text", "text": "§" }])),
            ),
            (
                "assistant message",
                items(json!([{ "role": "assistant", "content": "§" }, hello])),
            ),
            (
                "assistant part",
                said(json!([{ "type": "output_text", "text": "§", "annotations": [] }])),
            ),
            (
                "id of a message",
                items(
                    json!([{ "type": "message", "role": "assistant", "id": "msg_§", "status": "completed", "content": [{ "type": "output_text", "text": "hi", "annotations": [] }] }, hello]),
                ),
            ),
        ],
        Kind::ToolResults => vec![
            ("output of a call", called(call.clone(), json!("§"))),
            (
                "part of an output",
                called(call, json!([{ "type": "input_text", "text": "§" }])),
            ),
            (
                "output of a custom tool",
                items(
                    json!([hello, { "type": "custom_tool_call", "call_id": "call_1", "name": "find", "input": "x" }, { "type": "custom_tool_call_output", "call_id": "call_1", "output": "§" }]),
                ),
            ),
            (
                "output of a shell",
                items(
                    json!([hello, { "type": "local_shell_call_output", "id": "a", "output": "§" }]),
                ),
            ),
            (
                "result of a search",
                items(
                    json!([hello, { "type": "file_search_call", "id": "a", "queries": ["x"], "status": "completed", "results": [{ "text": "§" }] }]),
                ),
            ),
        ],
        Kind::CallsInHistory => vec![
            (
                "arguments of a call",
                called(
                    json!({ "type": "function_call", "call_id": "call_1", "name": "find", "arguments": "{\"q\":\"§\"}" }),
                    json!("found"),
                ),
            ),
            (
                "name in arguments",
                called(
                    json!({ "type": "function_call", "call_id": "call_1", "name": "find", "arguments": "{\"§\":1}" }),
                    json!("found"),
                ),
            ),
            (
                "name of a called tool",
                called(
                    json!({ "type": "function_call", "call_id": "call_1", "name": "§", "arguments": "{}" }),
                    json!("found"),
                ),
            ),
            (
                "input of a custom tool",
                items(
                    json!([hello, { "type": "custom_tool_call", "call_id": "call_1", "name": "find", "input": "§" }, { "type": "custom_tool_call_output", "call_id": "call_1", "output": "x" }]),
                ),
            ),
            (
                "query of a search",
                items(
                    json!([hello, { "type": "file_search_call", "id": "a", "queries": ["§"], "status": "completed" }]),
                ),
            ),
        ],
        Kind::ReasoningInHistory => vec![
            (
                "summary",
                items(
                    json!([hello, { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "§" }] }]),
                ),
            ),
            (
                "text",
                items(
                    json!([hello, { "type": "reasoning", "id": "rs_1", "summary": [], "content": [{ "type": "reasoning_text", "text": "§" }] }]),
                ),
            ),
            (
                "encrypted_content",
                items(
                    json!([hello, { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "§" }]),
                ),
            ),
            (
                "refusal",
                said(json!([{ "type": "refusal", "refusal": "§" }])),
            ),
        ],
        Kind::ToolDefinitions => vec![
            ("tool name", tool("name", json!("§"))),
            ("tool description", tool("description", json!("§"))),
            (
                "property name",
                tool(
                    "parameters",
                    json!({ "type": "object", "properties": { "§": { "type": "string" } } }),
                ),
            ),
            (
                "enum value",
                tool(
                    "parameters",
                    json!({ "type": "object", "properties": { "q": { "enum": ["§"] } } }),
                ),
            ),
            (
                "keyword that no schema has",
                tool("parameters", json!({ "type": "object", "x-note": "§" })),
            ),
            (
                "custom tool",
                with(
                    "tools",
                    json!([{ "type": "custom", "name": "find", "description": "§" }]),
                ),
            ),
            (
                "server of tools",
                with(
                    "tools",
                    json!([{ "type": "mcp", "server_label": "§", "server_url": "https://a.example" }]),
                ),
            ),
        ],
        Kind::OutputFormats => vec![
            (
                "schema name",
                with(
                    "text",
                    json!({ "format": { "type": "json_schema", "name": "§", "schema": { "type": "object" } } }),
                ),
            ),
            (
                "text in a schema",
                with(
                    "text",
                    json!({ "format": { "type": "json_schema", "name": "s", "schema": { "type": "object", "description": "§" } } }),
                ),
            ),
        ],
        Kind::CallerStrings => vec![
            ("user", with("user", json!("§"))),
            ("metadata", with("metadata", json!({ "note": "§" }))),
            ("safety_identifier", with("safety_identifier", json!("§"))),
            ("prompt_cache_key", with("prompt_cache_key", json!("§"))),
            (
                "variables of a template",
                with(
                    "prompt",
                    json!({ "id": "pmpt_1", "variables": { "name": "§" } }),
                ),
            ),
            (
                "previous_response_id",
                with("previous_response_id", json!("resp_§")),
            ),
            ("conversation", with("conversation", json!("conv_§"))),
            ("service_tier", with("service_tier", json!("§"))),
            ("include", with("include", json!(["§"]))),
        ],
        Kind::Unlisted => vec![
            ("in the request", with("x_note", json!("§"))),
            ("as a name", with("x_§", json!(1))),
            (
                "in an item",
                items(json!([{ "role": "user", "content": "hello", "x_note": "§" }])),
            ),
            (
                "in a part",
                parts(json!([{ "type": "input_text", "text": "hello", "x_note": "§" }])),
            ),
            ("in a tool", tool("x_note", json!("§"))),
            ("in reasoning", with("reasoning", json!({ "x_note": "§" }))),
            (
                "in annotations",
                said(
                    json!([{ "type": "output_text", "text": "hi", "annotations": [{ "type": "url_citation", "title": "§" }] }]),
                ),
            ),
        ],
        Kind::Unreadable => vec![
            (
                "item of an unknown type",
                items(json!([hello, { "type": "x_note", "text": "§" }])),
            ),
            (
                "part of an unknown type",
                parts(json!([text, { "type": "x_note", "text": "§" }])),
            ),
            ("part without a type", parts(json!([text, { "text": "§" }]))),
            ("item that is a text", items(json!([hello, "§"]))),
            ("input that is an object", items(json!({ "text": "§" }))),
            (
                "reference to an item",
                items(json!([hello, { "type": "item_reference", "id": "§" }])),
            ),
        ],
        Kind::Media => vec![
            (
                "picture beside text",
                parts(
                    json!([text, { "type": "input_image", "image_url": "data:image/png;base64,§" }]),
                ),
            ),
            (
                "picture alone",
                parts(json!([{ "type": "input_image", "image_url": "data:image/png;base64,§" }])),
            ),
            (
                "uploaded picture",
                parts(json!([text, { "type": "input_image", "file_id": "§" }])),
            ),
            (
                "file",
                parts(
                    json!([text, { "type": "input_file", "filename": "a.pdf", "file_data": "§" }]),
                ),
            ),
            (
                "sound",
                parts(
                    json!([text, { "type": "input_audio", "input_audio": { "format": "wav", "data": "§" } }]),
                ),
            ),
            (
                "picture of a tool",
                called(
                    json!({ "type": "function_call", "call_id": "call_1", "name": "find", "arguments": "{}" }),
                    json!([{ "type": "input_image", "image_url": "data:image/png;base64,§" }]),
                ),
            ),
        ],
    }
}
