//! OpenAI's chat completions.

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
    let said = |message: Value| {
        let last = json!({ "role": "user", "content": "hello" });
        json!({ "messages": [{ "role": "user", "content": "hi" }, message, last] })
    };
    let parts = |parts: Value| json!({ "messages": [{ "role": "user", "content": parts }] });
    let called = |call: Value, result: Value| {
        let hello = json!({ "role": "user", "content": "hello" });
        json!({ "messages": [hello, { "role": "assistant", "content": null, "tool_calls": [call] }, result] })
    };
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "find", "arguments": "{}" } });
    let result = json!({ "role": "tool", "tool_call_id": "call_1", "content": "found" });
    let tool = |field: &str, value: Value| {
        let function = with_field(
            json!({ "name": "find", "description": "finds", "parameters": { "type": "object",
                                   "properties": { "q": { "type": "string" } } } }),
            field,
            value,
        );
        with(
            "tools",
            json!([{ "type": "function", "function": function }]),
        )
    };
    let schema = |schema: Value| tool("parameters", schema);
    let text = json!({ "type": "text", "text": "hello" });
    match kind {
        Kind::History => vec![
            (
                "system message",
                json!({ "messages": [{ "role": "system", "content": "§" }, { "role": "user", "content": "hello" }] }),
            ),
            (
                "developer message",
                json!({ "messages": [{ "role": "developer", "content": "§" }, { "role": "user", "content": "hello" }] }),
            ),
            (
                "earlier user message",
                said(json!({ "role": "user", "content": "§" })),
            ),
            (
                "assistant message",
                said(json!({ "role": "assistant", "content": "§" })),
            ),
            (
                "last message of an assistant",
                json!({ "messages": [{ "role": "user", "content": "hello" }, { "role": "assistant", "content": "§" }] }),
            ),
            ("text part", parts(json!([{ "type": "text", "text": "§" }]))),
            (
                "second text part",
                parts(json!([text, { "type": "text", "text": "§" }])),
            ),
            (
                "name of who speaks",
                json!({ "messages": [{ "role": "user", "name": "§", "content": "hello" }] }),
            ),
            ("role", said(json!({ "role": "§", "content": "hello" }))),
        ],
        Kind::ToolResults => vec![
            (
                "tool message",
                called(
                    call.clone(),
                    json!({ "role": "tool", "tool_call_id": "call_1", "content": "§" }),
                ),
            ),
            (
                "text part of a tool message",
                called(
                    call,
                    json!({ "role": "tool", "tool_call_id": "call_1", "content": [{ "type": "text", "text": "§" }] }),
                ),
            ),
            (
                "function message",
                said(json!({ "role": "function", "name": "find", "content": "§" })),
            ),
        ],
        Kind::CallsInHistory => vec![
            (
                "arguments of a call",
                called(
                    json!({ "id": "call_1", "type": "function", "function": { "name": "find", "arguments": "{\"q\":\"§\"}" } }),
                    result.clone(),
                ),
            ),
            (
                "name in arguments",
                called(
                    json!({ "id": "call_1", "type": "function", "function": { "name": "find", "arguments": "{\"§\":1}" } }),
                    result.clone(),
                ),
            ),
            (
                "arguments that are no JSON",
                called(
                    json!({ "id": "call_1", "type": "function", "function": { "name": "find", "arguments": "§" } }),
                    result.clone(),
                ),
            ),
            (
                "name of a called tool",
                called(
                    json!({ "id": "call_1", "type": "function", "function": { "name": "§", "arguments": "{}" } }),
                    result.clone(),
                ),
            ),
            (
                "input of a custom tool",
                called(
                    json!({ "id": "call_1", "type": "custom", "custom": { "name": "find", "input": "§" } }),
                    result,
                ),
            ),
            (
                "legacy function call",
                said(
                    json!({ "role": "assistant", "content": null, "function_call": { "name": "find", "arguments": "{\"q\":\"§\"}" } }),
                ),
            ),
        ],
        Kind::ReasoningInHistory => vec![
            (
                "reasoning_content",
                said(json!({ "role": "assistant", "content": "hi", "reasoning_content": "§" })),
            ),
            (
                "reasoning",
                said(json!({ "role": "assistant", "content": "hi", "reasoning": "§" })),
            ),
            (
                "reasoning_details",
                said(
                    json!({ "role": "assistant", "content": "hi", "reasoning_details": [{ "type": "reasoning.text", "text": "§" }] }),
                ),
            ),
            (
                "refusal",
                said(json!({ "role": "assistant", "content": null, "refusal": "§" })),
            ),
            (
                "refusal part",
                said(
                    json!({ "role": "assistant", "content": [{ "type": "refusal", "refusal": "§" }] }),
                ),
            ),
        ],
        Kind::ToolDefinitions => vec![
            ("tool name", tool("name", json!("§"))),
            ("tool description", tool("description", json!("§"))),
            (
                "property name",
                schema(json!({ "type": "object", "properties": { "§": { "type": "string" } } })),
            ),
            (
                "property description",
                schema(
                    json!({ "type": "object", "properties": { "q": { "type": "string", "description": "§" } } }),
                ),
            ),
            (
                "enum value",
                schema(json!({ "type": "object", "properties": { "q": { "enum": ["§"] } } })),
            ),
            (
                "const",
                schema(json!({ "type": "object", "properties": { "q": { "const": "§" } } })),
            ),
            (
                "default value",
                schema(json!({ "type": "object", "properties": { "q": { "default": "§" } } })),
            ),
            (
                "schema title",
                schema(json!({ "type": "object", "title": "§" })),
            ),
            (
                "schema example",
                schema(json!({ "type": "object", "properties": { "q": { "examples": ["§"] } } })),
            ),
            (
                "schema comment",
                schema(json!({ "type": "object", "$comment": "§" })),
            ),
            (
                "schema pattern",
                schema(
                    json!({ "type": "object", "properties": { "q": { "type": "string", "pattern": "§" } } }),
                ),
            ),
            (
                "definition of a schema",
                schema(json!({ "type": "object", "$defs": { "§": { "type": "string" } } })),
            ),
            (
                "keyword that no schema has",
                schema(json!({ "type": "object", "x-note": "§" })),
            ),
            (
                "legacy function",
                with("functions", json!([{ "name": "find", "description": "§" }])),
            ),
            (
                "custom tool",
                with(
                    "tools",
                    json!([{ "type": "custom", "custom": { "name": "find", "description": "§" } }]),
                ),
            ),
            (
                "grammar of a custom tool",
                with(
                    "tools",
                    json!([{ "type": "custom", "custom": { "name": "find", "format": { "type": "grammar", "grammar": { "syntax": "lark", "definition": "§" } } } }]),
                ),
            ),
        ],
        Kind::OutputFormats => vec![
            (
                "schema name",
                with(
                    "response_format",
                    json!({ "type": "json_schema", "json_schema": { "name": "§", "schema": { "type": "object" } } }),
                ),
            ),
            (
                "schema description",
                with(
                    "response_format",
                    json!({ "type": "json_schema", "json_schema": { "name": "s", "description": "§", "schema": { "type": "object" } } }),
                ),
            ),
            (
                "schema property",
                with(
                    "response_format",
                    json!({ "type": "json_schema", "json_schema": { "name": "s", "schema": { "type": "object", "properties": { "§": { "type": "string" } } } } }),
                ),
            ),
            (
                "text in a schema",
                with(
                    "response_format",
                    json!({ "type": "json_schema", "json_schema": { "name": "s", "schema": { "type": "object", "description": "§" } } }),
                ),
            ),
            ("guided_regex", with("guided_regex", json!("§"))),
            ("guided_choice", with("guided_choice", json!(["§"]))),
            ("grammar", with("grammar", json!("§"))),
            (
                "structured_outputs",
                with("structured_outputs", json!({ "choice": ["§"] })),
            ),
        ],
        Kind::CallerStrings => vec![
            ("user", with("user", json!("§"))),
            ("metadata", with("metadata", json!({ "note": "§" }))),
            ("name in metadata", with("metadata", json!({ "§": "note" }))),
            ("safety_identifier", with("safety_identifier", json!("§"))),
            ("prompt_cache_key", with("prompt_cache_key", json!("§"))),
            ("stop", with("stop", json!("§"))),
            ("second of stop", with("stop", json!(["end", "§"]))),
            (
                "prediction",
                with("prediction", json!({ "type": "content", "content": "§" })),
            ),
            ("logit_bias", with("logit_bias", json!({ "§": 1 }))),
            (
                "web_search_options",
                with(
                    "web_search_options",
                    json!({ "user_location": { "type": "approximate", "approximate": { "city": "§" } } }),
                ),
            ),
            ("service_tier", with("service_tier", json!("§"))),
            ("chat_template", with("chat_template", json!("§"))),
            (
                "chat_template_kwargs",
                with("chat_template_kwargs", json!({ "note": "§" })),
            ),
            (
                "documents",
                with("documents", json!([{ "title": "one", "text": "§" }])),
            ),
            ("extra_body", with("extra_body", json!({ "note": "§" }))),
        ],
        Kind::Unlisted => vec![
            ("in the request", with("x_note", json!("§"))),
            ("as a name", with("x_§", json!(1))),
            (
                "in a message",
                json!({ "messages": [{ "role": "user", "content": "hello", "x_note": "§" }] }),
            ),
            (
                "in a part",
                parts(json!([{ "type": "text", "text": "hello", "x_note": "§" }])),
            ),
            (
                "in a tool",
                with(
                    "tools",
                    json!([{ "type": "function", "x_note": "§", "function": { "name": "find" } }]),
                ),
            ),
            ("in a function", tool("x_note", json!("§"))),
            (
                "in a call",
                called(
                    json!({ "id": "call_1", "type": "function", "x_note": "§", "function": { "name": "find", "arguments": "{}" } }),
                    result,
                ),
            ),
            (
                "in stream_options",
                with("stream_options", json!({ "x_note": "§" })),
            ),
            (
                "deep within",
                with("x_note", json!({ "a": [{ "b": { "c": ["§"] } }] })),
            ),
        ],
        Kind::Unreadable => vec![
            (
                "part of an unknown type",
                parts(json!([text, { "type": "x_note", "x_note": { "text": "§" } }])),
            ),
            ("part without a type", parts(json!([text, { "text": "§" }]))),
            ("part that is a text", parts(json!([text, "§"]))),
            (
                "content that is an object",
                json!({ "messages": [{ "role": "user", "content": { "text": "§" } }] }),
            ),
            (
                "nothing but an unknown part",
                parts(json!([{ "type": "x_note", "x_note": "§" }])),
            ),
            (
                "text of a text part as an object",
                parts(json!([{ "type": "text", "text": { "value": "§" } }])),
            ),
            ("messages that are a text", json!({ "messages": "§" })),
            ("prompt instead of messages", json!({ "prompt": "§" })),
            ("prompt beside messages", with("prompt", json!("§"))),
            (
                "prompt_token_ids",
                with("prompt_token_ids", json!([32, 9125, 5296])),
            ),
        ],
        Kind::Media => vec![
            (
                "picture beside text",
                parts(
                    json!([text, { "type": "image_url", "image_url": { "url": "data:image/png;base64,§" } }]),
                ),
            ),
            (
                "picture alone",
                parts(
                    json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,§" } }]),
                ),
            ),
            (
                "picture elsewhere",
                parts(
                    json!([text, { "type": "image_url", "image_url": { "url": "https://pictures.example/§.png" } }]),
                ),
            ),
            (
                "picture of a tool",
                json!({ "messages": [{ "role": "user", "content": "hello" },
                { "role": "assistant", "content": null, "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "find", "arguments": "{}" } }] },
                { "role": "tool", "tool_call_id": "call_1", "content": [{ "type": "image_url", "image_url": { "url": "data:image/png;base64,§" } }] }] }),
            ),
            (
                "sound",
                parts(
                    json!([text, { "type": "input_audio", "input_audio": { "format": "wav", "data": "§" } }]),
                ),
            ),
            (
                "file",
                parts(
                    json!([text, { "type": "file", "file": { "filename": "a.pdf", "file_data": "data:application/pdf;base64,§" } }]),
                ),
            ),
            (
                "video",
                parts(
                    json!([text, { "type": "video_url", "video_url": { "url": "data:video/mp4;base64,§" } }]),
                ),
            ),
            (
                "earlier sound",
                said(json!({ "role": "assistant", "audio": { "id": "§" } })),
            ),
        ],
    }
}
