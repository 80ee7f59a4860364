//! From bytes to events: tool calls, reasoning, several choices, and the law that cuts do not matter.

use proptest::prelude::*;

use super::*;
use crate::answer::{FinishReason, TextField, Usage};

#[test]
fn tool_calls_in_fragments_interleave_by_index() {
    let call = |json: &str| format!(r#"{{"index":0,"delta":{{"tool_calls":[{json}]}}}}"#);
    let events = decoded(&[
        &call(r#"{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}"#),
        &call(r#"{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}"#),
        &call(r#"{"index":0,"function":{"arguments":"{\"x\":"}}"#),
        &call(r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1}"}}"#),
        r#"{"index":0,"delta":{},"finish_reason":"tool_calls"}"#,
    ]);
    begins(
        &events,
        &[
            call_event(0, Some("a"), Some("f"), ""),
            call_event(1, Some("b"), Some("g"), "{"),
            call_event(0, None, None, "{\"x\":"),
            call_event(0, None, None, "1}"),
            Event::Finish {
                choice: 0,
                reason: FinishReason::ToolCalls,
            },
        ],
    );
}

#[test]
fn tool_calls_in_a_document_are_numbered_by_place() {
    let document = br#"{"choices":[{"index":0,"message":{"content":null,"tool_calls":[
        {"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},
        {"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}
    ]},"finish_reason":"tool_calls"}]}"#;
    let (events, error) = decode(Format::Document, &[document]);
    assert_eq!(error, None);
    begins(
        &events,
        &[
            call_event(0, Some("a"), Some("f"), "{}"),
            call_event(1, Some("b"), Some("g"), "{}"),
        ],
    );
}

#[test]
fn confused_tool_calls_are_faults() {
    let confused = [
        // Two calls under one index, as one server did: their arguments would run together.
        r#"[{"index":0,"id":"a"},{"index":0,"id":"b"}]"#,
        r#"[{"index":0,"function":{"name":"f"}},{"index":0,"function":{"name":"g"}}]"#,
        r#"[{"index":128,"id":"a"}]"#,
        r#"[{"index":0,"id":"with space"}]"#,
        r#"[{"index":0,"id":"caf\u00e9"}]"#,
    ];
    for calls in confused {
        let choice = format!(r#"{{"index":0,"delta":{{"tool_calls":{calls}}}}}"#);
        let (_, error) = decode(Format::Stream, &[stream(&[&choice]).as_bytes()]);
        let fault = Failure::Protocol(ProtocolFault::BadToolCall);
        assert_eq!(
            error.as_ref().map(UpstreamError::failure),
            Some(&fault),
            "{calls}"
        );
    }
}

#[test]
fn reasoning_under_either_name_once() {
    let events = decoded(&[
        r#"{"index":0,"delta":{"reasoning_content":"a"}}"#,
        r#"{"index":0,"delta":{"reasoning":"b"}}"#,
        r#"{"index":0,"delta":{"reasoning":"c","reasoning_content":"c"}}"#,
        r#"{"index":0,"delta":{"refusal":"no"}}"#,
        r#"{"index":0,"delta":{},"finish_reason":"stop"}"#,
    ]);
    let text = |field, text: &str| Event::Text {
        choice: 0,
        field,
        text: text.to_owned(),
    };
    begins(
        &events,
        &[
            text(TextField::Reasoning, "a"),
            text(TextField::Reasoning, "b"),
            text(TextField::Reasoning, "c"),
            text(TextField::Refusal, "no"),
        ],
    );
}

#[test]
fn an_empty_choice_is_an_answer() {
    let events = decoded(&[r#"{"index":0,"delta":{"content":""},"finish_reason":"stop"}"#]);
    assert!(matches!(
        events[..],
        [Event::Finish { .. }, Event::Usage(_)]
    ));
}

#[test]
fn an_empty_finish_reason_is_none() {
    let open = stream(&[r#"{"index":0,"delta":{"content":"a"},"finish_reason":""}"#]);
    let (_, error) = decode(Format::Stream, &[open.as_bytes()]);
    assert_eq!(error.unwrap().failure(), &Failure::Incomplete);
}

#[test]
fn the_last_usage_stands_and_comes_once() {
    let usage =
        |n| format!(r#"{{"choices":[],"usage":{{"prompt_tokens":3,"completion_tokens":{n}}}}}"#);
    let stream = format!(
        "data: {}\n\ndata: {}\n\ndata: {}\n\ndata: [DONE]\n\n",
        usage(1),
        r#"{"choices":[{"index":0,"finish_reason":"stop"}],"usage":null}"#,
        usage(2)
    );
    let (events, error) = decode(Format::Stream, &[stream.as_bytes()]);
    let last = Event::Usage(Usage {
        input: 3,
        output: 2,
        estimated: false,
    });
    assert_eq!((events.len(), events.last(), error), (2, Some(&last), None));
}

#[test]
fn deep_json_is_refused_not_recursed_into() {
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    let (_, error) = decode(Format::Document, &[deep.as_bytes()]);
    let fault = Failure::Protocol(ProtocolFault::BadJson);
    assert_eq!(error.unwrap().failure(), &fault);
}

proptest! {
    #[test]
    fn cuts_do_not_matter(chunks in chunks(), end in "(data: \\[DONE\\]\n\n)?[a-z: \n]{0,8}", size in 1_usize..40) {
        let bytes = format!("{}{end}", chunks.concat()).into_bytes();
        let whole = decode(Format::Stream, &[&bytes]);
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(decode(Format::Stream, &pieces), whole);
    }

    #[test]
    fn what_a_server_writes_comes_out_in_order(texts in prop::collection::vec("[a-z\"\\\\\u{e9}\u{1f600}\n]{1,6}", 1..8)) {
        let choice = |text: &String| serde_json::json!({"index": 0, "delta": {"content": text}}).to_string();
        let mut choices: Vec<String> = texts.iter().map(choice).collect();
        choices.push(r#"{"index":0,"finish_reason":"stop"}"#.to_owned());
        let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
        let read: Vec<String> = decoded(&choices).into_iter().filter_map(|event| match event {
            Event::Text { text, .. } => Some(text),
            _ => None,
        }).collect();
        prop_assert_eq!(read, texts);
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [Format::Stream, Format::Document] {
            let (_, error) = decode(format, &[&bytes]);
            prop_assert!(error.is_some(), "random bytes prove nothing");
        }
    }
}

/// Events of a stream, right and wrong.
fn chunks() -> impl Strategy<Value = Vec<String>> {
    let choice = prop_oneof![
        8 => (0..2_u32, "[a-z ]{0,5}").prop_map(|(index, text)| format!(r#"{{"index":{index},"delta":{{"content":"{text}"}}}}"#)),
        3 => (0..3_u32).prop_map(|index| format!(r#"{{"index":{index},"delta":{{}},"finish_reason":"stop"}}"#)),
        2 => "[ab]".prop_map(|id| format!(r#"{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"{id}"}}]}}}}"#)),
        1 => Just(r#"{"index":"x"}"#.to_owned()),
    ];
    let event = prop_oneof![
        12 => choice.prop_map(|choice| format!("data: {{\"choices\":[{choice}]}}\n\n")),
        1 => Just(": ping\n\n".to_owned()),
        1 => Just("data: {\"error\":1}\n\n".to_owned()),
        1 => Just("data: [DONE]\r\n\r\n".to_owned()),
        1 => Just("noise\n".to_owned()),
    ];
    prop::collection::vec(event, 0..8)
}

/// A stream of chunks with one choice each.
fn stream(choices: &[&str]) -> String {
    let chunk = |choice: &&str| format!("data: {{\"choices\":[{choice}]}}\n\n");
    let chunks: String = choices.iter().map(chunk).collect();
    format!("{chunks}data: [DONE]\n\n")
}

fn decoded(choices: &[&str]) -> Vec<Event> {
    let (events, error) = decode(Format::Stream, &[stream(choices).as_bytes()]);
    assert_eq!(error, None);
    events
}

fn decode(format: Format, pieces: &[&[u8]]) -> (Vec<Event>, Option<UpstreamError>) {
    let limits = Limits {
        choices: 2,
        event_bytes_max: 1000,
        answer_bytes_max: 200_000,
        input_tokens_at_most: 5,
    };
    let mut decoder = Decoder::new(format, limits);
    let mut events = VecDeque::new();
    let mut result = Ok(());
    for piece in pieces {
        result = result.and_then(|()| decoder.push(piece, &mut events));
    }
    let result = result.and_then(|()| decoder.finish(&mut events));
    (events.into(), result.err())
}

fn begins(events: &[Event], expected: &[Event]) {
    assert!(events.starts_with(expected), "{events:?}");
}

fn call_event(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Event {
    Event::ToolCall {
        choice: 0,
        index,
        id: id.map(str::to_owned),
        name: name.map(str::to_owned),
        arguments: arguments.to_owned(),
    }
}
