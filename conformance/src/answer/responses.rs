//! As OpenAI's Responses.

use serde_json::{Value, json};

use super::{Answer, FINE, Field, Part, arguments, merge, named, nested};

pub(super) fn whole(answer: &Answer, model: &str) -> Option<Value> {
    let mut body = head(model, "completed");
    let mut output = Vec::new();
    for part in &answer.parts {
        output.push(item(part, &mut body)?);
    }
    merge(&mut body, json!({ "output": output }));
    Some(body)
}

pub(super) fn stream(answer: &Answer, model: &str) -> Option<Vec<String>> {
    let mut events =
        vec![json!({ "type": "response.created", "response": head(model, "in_progress") })];
    let mut top = head(model, "completed");
    let mut output = Vec::new();
    for (index, part) in answer.parts.iter().enumerate() {
        let item = item(part, &mut top)?;
        let delta = |kind: &str, delta: &str| json!({ "type": kind, "output_index": index, "content_index": 0, "item_id": "it_1", "delta": delta });
        for (at, piece) in part.pieces.iter().enumerate() {
            events.push(match part.field {
                Field::Content => delta("response.output_text.delta", piece),
                Field::Reasoning => delta("response.reasoning_text.delta", piece),
                Field::Refusal => delta("response.refusal.delta", piece),
                Field::ToolArguments => delta(
                    "response.function_call_arguments.delta",
                    &arguments(part, at, piece),
                ),
                _ => delta("response.output_text.delta", FINE),
            });
        }
        events.push(
            json!({ "type": "response.output_item.done", "output_index": index, "item": item.clone() }),
        );
        output.push(item);
    }
    merge(&mut top, json!({ "output": output }));
    events.push(json!({ "type": "response.completed", "response": top }));
    for (number, event) in events.iter_mut().enumerate() {
        merge(event, json!({ "sequence_number": number }));
    }
    Some(events.iter().map(named).collect())
}

fn item(part: &Part, top: &mut Value) -> Option<Value> {
    let text = part.text();
    let message = |content: Value| json!({ "type": "message", "id": "it_1", "role": "assistant", "status": "completed", "content": [content] });
    let fine = json!({ "type": "output_text", "text": FINE, "annotations": [] });
    let call = |name: &str, id: &str, arguments: &str| json!({ "type": "function_call", "id": "it_1", "call_id": id, "name": name, "arguments": arguments, "status": "completed" });
    Some(match part.field {
        Field::Content => {
            message(json!({ "type": "output_text", "text": text, "annotations": [] }))
        }
        Field::Reasoning => {
            json!({ "type": "reasoning", "id": "it_1", "summary": [], "content": [{ "type": "reasoning_text", "text": text }] })
        }
        Field::Refusal => message(json!({ "type": "refusal", "refusal": text })),
        Field::ToolArguments => call("find", "call_1", &json!({ "q": text }).to_string()),
        Field::ToolName => call(&text, "call_1", "{}"),
        Field::ToolId => call("find", &text, "{}"),
        Field::InMessage(path) => {
            let mut part = fine;
            merge(&mut part, nested(path, text.into()));
            message(part)
        }
        Field::AtTop(path) => {
            merge(top, nested(path, text.into()));
            message(fine)
        }
        Field::Logprobs | Field::InChoice(_) => return None,
    })
}

fn head(model: &str, status: &str) -> Value {
    json!({ "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": status, "model": model, "output": [],
            "error": null, "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
            "usage": { "input_tokens": 3, "output_tokens": 5, "total_tokens": 8 } })
}
