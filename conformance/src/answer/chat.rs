//! As OpenAI's chat completions.

use serde_json::{Value, json};

use super::{Answer, FINE, Field, Part, arguments, data, merge, nested};

pub(super) fn whole(answer: &Answer, model: &str) -> Value {
    let mut body = head("chat.completion", model);
    let choices = answer
        .parts
        .iter()
        .map(|part| part.choice)
        .max()
        .unwrap_or_default();
    let mut list = Vec::new();
    for index in 0..=choices {
        let message = json!({ "role": "assistant", "content": FINE });
        let mut choice = json!({ "index": index, "message": message, "finish_reason": "stop" });
        for part in answer.parts.iter().filter(|part| part.choice == index) {
            let text = part.text();
            let whole = Part {
                pieces: vec![text.clone()],
                ..part.clone()
            };
            put(&whole, 0, &text, &mut choice, "message", &mut body);
        }
        list.push(choice);
    }
    merge(&mut body, json!({ "choices": list, "usage": usage() }));
    body
}

pub(super) fn stream(answer: &Answer, model: &str) -> Vec<String> {
    let mut events = Vec::new();
    let role = json!({ "index": 0, "delta": { "role": "assistant", "content": "" }, "finish_reason": null });
    events.push(chunk(role, head("chat.completion.chunk", model)));
    for (part, at, piece) in answer.turns() {
        let mut choice = json!({ "index": part.choice, "delta": {}, "finish_reason": null });
        let mut body = head("chat.completion.chunk", model);
        put(part, at, piece, &mut choice, "delta", &mut body);
        events.push(chunk(choice, body));
    }
    let last = answer
        .parts
        .iter()
        .map(|part| part.choice)
        .max()
        .unwrap_or_default();
    for index in 0..=last {
        let stop = json!({ "index": index, "delta": {}, "finish_reason": "stop" });
        events.push(chunk(stop, head("chat.completion.chunk", model)));
    }
    let mut end = head("chat.completion.chunk", model);
    merge(&mut end, json!({ "choices": [], "usage": usage() }));
    events.push(data(&end));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// Puts a piece of a part where it belongs.
fn put(part: &Part, at: usize, piece: &str, choice: &mut Value, message: &str, top: &mut Value) {
    let said = |value: Value| json!({ message: value });
    let call = |function: Value| {
        let mut call = json!({ "index": 0, "function": function });
        if at == 0 {
            merge(&mut call, json!({ "id": "call_1", "type": "function" }));
        }
        said(json!({ "tool_calls": [call] }))
    };
    match part.field {
        Field::Content => merge(choice, said(json!({ "content": piece }))),
        Field::Reasoning => merge(choice, said(json!({ "reasoning_content": piece }))),
        Field::Refusal => merge(choice, said(json!({ "refusal": piece }))),
        Field::ToolArguments => {
            let mut function = json!({ "arguments": arguments(part, at, piece) });
            if at == 0 {
                merge(&mut function, json!({ "name": "find" }));
            }
            merge(choice, call(function));
        }
        Field::ToolName => merge(choice, call(json!({ "name": piece, "arguments": "{}" }))),
        Field::ToolId => {
            let function = json!({ "name": "find", "arguments": "{}" });
            let call = json!({ "index": 0, "id": piece, "type": "function", "function": function });
            merge(choice, said(json!({ "tool_calls": [call] })));
        }
        Field::Logprobs => {
            let bytes: Vec<u8> = piece.bytes().collect();
            let other = json!({ "token": piece, "logprob": -2.5, "bytes": bytes });
            let token =
                json!({ "token": piece, "logprob": -0.5, "bytes": bytes, "top_logprobs": [other] });
            merge(choice, said(json!({ "content": FINE })));
            merge(choice, json!({ "logprobs": { "content": [token] } }));
        }
        Field::InMessage(path) => {
            merge(choice, said(json!({ "content": FINE })));
            merge(choice, said(nested(path, piece.into())));
        }
        Field::InChoice(path) => {
            merge(choice, said(json!({ "content": FINE })));
            merge(choice, nested(path, piece.into()));
        }
        Field::AtTop(path) => {
            merge(choice, said(json!({ "content": FINE })));
            merge(top, nested(path, piece.into()));
        }
    }
}

fn chunk(choice: Value, mut body: Value) -> String {
    merge(&mut body, json!({ "choices": [choice] }));
    data(&body)
}

fn head(object: &str, model: &str) -> Value {
    json!({ "id": "chatcmpl-1", "object": object, "created": 1_700_000_000, "model": model })
}

fn usage() -> Value {
    json!({ "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8 })
}
