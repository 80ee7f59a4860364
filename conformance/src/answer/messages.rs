//! As Anthropic's messages.

use serde_json::{Value, json};

use super::{Answer, FINE, Field, Part, arguments, merge, named, nested};

pub(super) fn whole(answer: &Answer, model: &str) -> Option<Value> {
    let mut body = head(model);
    let mut content = Vec::new();
    for part in &answer.parts {
        content.push(block(part, &mut body)?);
    }
    merge(
        &mut body,
        json!({ "content": content, "stop_reason": "end_turn" }),
    );
    Some(body)
}

pub(super) fn stream(answer: &Answer, model: &str) -> Option<Vec<String>> {
    let mut message = head(model);
    let mut blocks = Vec::new();
    for (index, part) in answer.parts.iter().enumerate() {
        let whole = block(part, &mut message)?;
        let (start, deltas) = pieces(part, &whole);
        blocks
            .push(json!({ "type": "content_block_start", "index": index, "content_block": start }));
        let delta =
            |delta| json!({ "type": "content_block_delta", "index": index, "delta": delta });
        blocks.extend(deltas.into_iter().map(delta));
        blocks.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let start = json!({ "type": "message_start", "message": message });
    let end = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 5 } });
    let all = [start]
        .into_iter()
        .chain(blocks)
        .chain([end, json!({ "type": "message_stop" })]);
    Some(all.map(|event| named(&event)).collect())
}

/// One part as a whole block, or the message's own field.
fn block(part: &Part, top: &mut Value) -> Option<Value> {
    let text = part.text();
    let fine = json!({ "type": "text", "text": FINE });
    Some(match part.field {
        Field::Content => json!({ "type": "text", "text": text }),
        Field::Reasoning => json!({ "type": "thinking", "thinking": text, "signature": "x" }),
        Field::ToolArguments => {
            json!({ "type": "tool_use", "id": "toolu_1", "name": "find", "input": { "q": text } })
        }
        Field::ToolName => {
            json!({ "type": "tool_use", "id": "toolu_1", "name": text, "input": {} })
        }
        Field::ToolId => json!({ "type": "tool_use", "id": text, "name": "find", "input": {} }),
        Field::InMessage(path) => {
            let mut block = fine;
            merge(&mut block, nested(path, text.into()));
            block
        }
        Field::AtTop(path) => {
            merge(top, nested(path, text.into()));
            fine
        }
        Field::Refusal | Field::Logprobs | Field::InChoice(_) => return None,
    })
}

/// How a block begins, and the deltas that fill it.
fn pieces(part: &Part, whole: &Value) -> (Value, Vec<Value>) {
    let pieces = part.pieces.iter();
    let empty = |field: &str, value: Value| {
        let mut start = whole.clone();
        merge(&mut start, json!({ field: value }));
        start
    };
    match part.field {
        Field::Content => {
            let delta = |piece| json!({ "type": "text_delta", "text": piece });
            (empty("text", "".into()), pieces.map(delta).collect())
        }
        Field::Reasoning => {
            let delta = |piece| json!({ "type": "thinking_delta", "thinking": piece });
            (empty("thinking", "".into()), pieces.map(delta).collect())
        }
        Field::ToolArguments => {
            let delta = |(at, piece): (usize, &String)| json!({ "type": "input_json_delta", "partial_json": arguments(part, at, piece) });
            let start = json!({ "type": "tool_use", "id": "toolu_1", "name": "find", "input": {} });
            (start, pieces.enumerate().map(delta).collect())
        }
        _ => (whole.clone(), Vec::new()),
    }
}

fn head(model: &str) -> Value {
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": null,
            "stop_sequence": null, "usage": { "input_tokens": 3, "output_tokens": 5 } })
}
