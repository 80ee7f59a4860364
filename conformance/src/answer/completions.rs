//! As OpenAI's text completions.

use serde_json::{Value, json};

use super::{Answer, FINE, Field, data, merge, nested};

pub(super) fn whole(answer: &Answer, model: &str) -> Option<Value> {
    let mut body = head(model);
    let mut list = Vec::new();
    for part in &answer.parts {
        let mut choice = json!({ "index": part.choice, "text": FINE, "finish_reason": "stop" });
        put(part.field, &part.text(), &mut choice, &mut body)?;
        list.push(choice);
    }
    let usage = json!({ "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8 });
    merge(&mut body, json!({ "choices": list, "usage": usage }));
    Some(body)
}

pub(super) fn stream(answer: &Answer, model: &str) -> Option<Vec<String>> {
    let mut events = Vec::new();
    for (part, at, piece) in answer.turns() {
        let finish = part.is_last(at).then_some("stop");
        let mut choice = json!({ "index": part.choice, "text": "", "finish_reason": finish });
        let mut body = head(model);
        put(part.field, piece, &mut choice, &mut body)?;
        merge(&mut body, json!({ "choices": [choice] }));
        events.push(data(&body));
    }
    events.push("data: [DONE]\n\n".to_owned());
    Some(events)
}

fn put(field: Field, piece: &str, choice: &mut Value, top: &mut Value) -> Option<()> {
    match field {
        Field::Content => merge(choice, json!({ "text": piece })),
        Field::Logprobs => {
            let logprobs =
                json!({ "tokens": [piece], "token_logprobs": [-0.5], "text_offset": [0] });
            merge(choice, json!({ "text": FINE, "logprobs": logprobs }));
        }
        Field::InChoice(path) => merge(choice, nested(path, piece.into())),
        Field::AtTop(path) => merge(top, nested(path, piece.into())),
        _ => return None,
    }
    Some(())
}

fn head(model: &str) -> Value {
    json!({ "id": "cmpl-1", "object": "text_completion", "created": 1_700_000_000, "model": model })
}
