//! A request body on its way in: parsing never panics; JSON that we read means to us what it means to serde_json; and
//! every text of what would be forwarded is one that the guardrails are shown, at a path that an entry can name, and
//! one that can be put back.

#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use backends::{Chat, Embed, Message, ResponseFormat, Sampling, Tool, ToolCall, ToolChoice};
use gateway::dialect::Dialect;
use gateway::pipeline::ingest::{self, Prompt};
use gateway::pipeline::texts::{self, Question, Vectors};
use gateway::{Limits, json};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    same_as_serde_json(body);
    for dialect in Dialect::ALL {
        if let Ok(prompt) = ingest::parse(body, ingest::of(dialect), &LIMITS) {
            every_text_is_shown(&prompt.question);
            every_text_goes_back(prompt);
        }
    }
    if let Ok(prompt) = ingest::parse(body, ingest::COUNT, &LIMITS) {
        every_text_is_shown(&prompt.question);
        assert!(!prompt.question.stream);
    }
    if let Ok(prompt) = ingest::parse(body, ingest::EMBED, &LIMITS) {
        let Vectors { embed, base64: _ } = &prompt.question;
        let Embed {
            model: _, // replaced by the configured name
            input,
            dimensions: _,
        } = embed;
        assert_eq!(shown(&prompt.question), *input);
        every_text_goes_back(prompt);
    }
    if let Ok(prompt) = ingest::parse(body, ingest::MODERATE, &LIMITS) {
        every_text_goes_back(prompt);
    }
});

fn shown(question: &impl Question) -> Vec<String> {
    question
        .texts()
        .into_iter()
        .map(|text| text.text.into_owned())
        .collect()
}

const LIMITS: Limits = Limits {
    body_bytes_max: 1 << 20,
    body_timeout: Duration::from_secs(1),
    in_flight_max: 1,
    in_flight_per_principal_max: 1,
    request_timeout: Duration::from_secs(1),
    choices_max: 8,
    unauthenticated_per_second_max: 1,
};

/// A backend reads what we forward with a parser of its own. Where ours accepts, the ordinary one must agree.
fn same_as_serde_json(body: &[u8]) {
    if let Ok(ours) = json::parse(body) {
        let theirs: serde_json::Value = serde_json::from_slice(body).expect("we are the stricter");
        assert_eq!(ours.into_value(), theirs);
    }
}

fn every_text_is_shown(chat: &Chat) {
    let found = chat.texts();
    let shown: BTreeSet<&str> = found.iter().map(|text| text.text.as_ref()).collect();
    for text in forwarded(chat) {
        assert!(
            shown.contains(text.as_str()),
            "forwarded, but not shown: {text}"
        );
    }
    for text in &found {
        assert!(
            audit::FieldPath::new(&text.path).is_some(),
            "no contract path: {}",
            text.path
        );
    }
}

/// Each text has a place that an entry can name; putting every text back where it was changes nothing, and a clearance
/// would still fit.
fn every_text_goes_back<Q: Question>(prompt: Prompt<Q>) {
    let Prompt {
        mut question,
        places,
        dropped,
        ..
    } = prompt;
    assert!(dropped.names.len() <= dropped.count as usize);
    for text in question.texts() {
        let place = places.in_request(text.path);
        assert!(audit::FieldPath::new(&place).is_some(), "no path: {place}");
    }
    let (before, digest) = (shown(&question), texts::digest(&question));
    let same = before.iter().cloned().map(Some).collect();
    question.rewrite(same).expect("the same texts fit");
    assert_eq!(shown(&question), before);
    assert_eq!(texts::digest(&question).as_ref(), digest.as_ref());
}

/// Every text of a chat that reaches a backend. No `..`: a field that `backends` adds does not compile here until
/// somebody decides whether it is text.
fn forwarded(chat: &Chat) -> Vec<String> {
    let Chat {
        model: _, // replaced by the configured name
        messages,
        tools,
        tool_choice,
        parallel_tool_calls: _,
        sampling,
        response_format,
        reasoning_effort: _,
        stream: _,
    } = chat;
    let Sampling {
        temperature: _,
        top_p: _,
        frequency_penalty: _,
        presence_penalty: _,
        max_tokens: _,
        seed: _,
        n: _,
        stop,
    } = sampling;
    let mut all = stop.clone();
    messages
        .iter()
        .for_each(|message| of_message(&mut all, message));
    for Tool {
        name,
        description,
        parameters,
        strict: _,
    } in tools
    {
        all.push(name.clone());
        all.extend(description.clone());
        all.extend(parameters.as_ref().map(ToString::to_string));
    }
    if let Some(ToolChoice::Function(name)) = tool_choice {
        all.push(name.clone());
    }
    if let Some(ResponseFormat::JsonSchema {
        name,
        description,
        schema,
        strict: _,
    }) = response_format
    {
        all.push(name.clone());
        all.extend(description.clone());
        all.extend(schema.as_ref().map(ToString::to_string));
    }
    all
}

fn of_message(all: &mut Vec<String>, message: &Message) {
    let Message {
        role: _,
        content,
        name,
        tool_calls,
        tool_call_id,
        refusal,
        reasoning,
    } = message;
    all.extend(content.iter().cloned());
    for text in [name, tool_call_id, refusal, reasoning] {
        all.extend(text.clone());
    }
    for ToolCall {
        id,
        name,
        arguments,
    } in tool_calls
    {
        all.extend([id.clone(), name.clone(), arguments.clone()]);
    }
}
