//! What is asked and answered: about 1 KB of everyday office prose each way, in which no detector finds anything, so
//! that every answer is the whole answer.

use serde_json::{Value, json};

use crate::plan::Mode;

/// The last word of every answer: one that has it is whole.
pub(crate) const LAST_WORD: &str = "Sincerely";

/// The model that the demo policies let the benefits application use.
pub(crate) const MODEL: &str = "llama-3.3-70b";

/// The body of the request.
pub(crate) fn question(mode: Mode) -> String {
    json!({
        "model": MODEL,
        "messages": [
            { "role": "system", "content": "You draft letters for the benefits office, in plain words." },
            { "role": "user", "content": PROMPT },
        ],
        "temperature": 0.2,
        "max_tokens": 512,
        "stream": mode == Mode::Streamed,
    })
    .to_string()
}

/// The body of a plain answer.
pub(crate) fn document() -> String {
    let choice = json!({ "index": 0, "message": { "role": "assistant", "content": ANSWER }, "finish_reason": "stop" });
    json!({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1, "model": MODEL,
        "choices": [choice], "usage": usage(),
    })
    .to_string()
}

/// The events of a streamed answer, the text in `chunks` deltas cut after words.
pub(crate) fn events(chunks: usize) -> Vec<String> {
    let words: Vec<_> = ANSWER.split_inclusive(' ').collect();
    let each = words.len().div_ceil(chunks.max(1));
    let deltas = words
        .chunks(each)
        .map(|some| delta(&json!({ "content": some.concat() }), Value::Null));
    let ends = [
        delta(&json!({}), "stop".into()),
        event(&chunk(json!([]), usage())),
        "data: [DONE]\n\n".to_owned(),
    ];
    deltas.chain(ends).collect()
}

fn delta(delta: &Value, finish: Value) -> String {
    event(&chunk(
        json!([{ "index": 0, "delta": delta, "finish_reason": finish }]),
        Value::Null,
    ))
}

fn chunk(choices: Value, usage: Value) -> Value {
    json!({
        "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
        "choices": choices, "usage": usage,
    })
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn usage() -> Value {
    json!({ "prompt_tokens": 212, "completion_tokens": 208, "total_tokens": 420 })
}

const PROMPT: &str = "Please draft a short letter to a claimant whose application for housing assistance is missing \
    two documents. The first is the signed lease for the current address, and the second is a statement of income for \
    the last three months, which may be pay slips, a letter from an employer or a bank summary. Explain that the \
    application stays open for thirty days, that nothing has been decided, and that the office can make copies free \
    of charge if the claimant brings the originals to the counter. Mention the opening hours, which are Monday to \
    Thursday from eight in the morning until four in the afternoon, and that an interpreter can be arranged if the \
    claimant calls two days ahead. The tone should be friendly and calm, the sentences short, and no legal terms \
    should appear without an explanation. Please do not promise any outcome. Close with an offer to answer questions, \
    and leave space for the name of the case worker. The letter should fit on a single page and be easy to read aloud \
    over the telephone if needed.";

const ANSWER: &str = "Thank you for your application for housing assistance. We have read it with care, and before we \
    can go on we need two more papers from you. The first is the signed lease for the place where you live now. The \
    second shows what you earned in the last three months; pay slips, a letter from your employer or a summary from \
    your bank will all do. You do not have to hurry: your application stays open for thirty days, and nothing has been \
    decided yet. If you have only the originals, please bring them to our counter. We will make the copies for you, \
    free of charge, and hand the originals back at once. We are open from Monday to Thursday, from eight in the \
    morning until four in the afternoon. If you would like an interpreter to be there, please call us two days ahead, \
    and we will arrange it. We know that forms like these can be tiring, and we are glad to help. If anything in this \
    letter is not clear, please call or visit us, and we will gladly go through it together with you. Sincerely";

#[cfg(test)]
mod tests;
