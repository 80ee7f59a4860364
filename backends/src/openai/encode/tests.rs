//! What goes up, field by field.

use serde_json::json;

use super::*;

#[test]
fn only_what_the_chat_says_is_written() {
    let chat = Chat::new("llama", vec![Message::text(Role::User, "hi")]);
    check(
        &chat,
        json!({"model": "llama", "messages": [{"role": "user", "content": "hi"}], "stream": false}),
    );
}

#[test]
fn everything_the_chat_can_say_is_written() {
    let chat = Chat {
        tools: vec![Tool {
            name: "get_weather".to_owned(),
            description: Some("tells the weather".to_owned()),
            parameters: Some(json!({"type": "object"})),
            strict: Some(true),
        }],
        tool_choice: Some(ToolChoice::Function("get_weather".to_owned())),
        parallel_tool_calls: Some(false),
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.25),
            frequency_penalty: Some(1.0),
            presence_penalty: Some(-1.0),
            max_tokens: Some(9),
            seed: Some(-3),
            n: 2,
            stop: vec!["END".to_owned()],
        },
        response_format: Some(ResponseFormat::JsonSchema {
            name: "answer".to_owned(),
            description: None,
            schema: Some(json!({"type": "object"})),
            strict: Some(true),
        }),
        reasoning_effort: Some(ReasoningEffort::Low),
        stream: true,
        ..Chat::new("llama", Vec::new())
    };
    check(
        &chat,
        json!({
            "model": "llama",
            "messages": [],
            "tools": [{"type": "function", "function": {
                "name": "get_weather",
                "description": "tells the weather",
                "parameters": {"type": "object"},
                "strict": true,
            }}],
            "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
            "parallel_tool_calls": false,
            "temperature": 0.5,
            "top_p": 0.25,
            "frequency_penalty": 1.0,
            "presence_penalty": -1.0,
            "max_tokens": 9,
            "seed": -3,
            "n": 2,
            "stop": ["END"],
            "response_format": {"type": "json_schema", "json_schema": {
                "name": "answer", "schema": {"type": "object"}, "strict": true,
            }},
            "reasoning_effort": "low",
            "stream": true,
            "stream_options": {"include_usage": true},
        }),
    );
}

#[test]
fn a_tool_loop() {
    let call = Message {
        content: Vec::new(),
        tool_calls: vec![ToolCall {
            id: "call_1".to_owned(),
            name: "get_weather".to_owned(),
            arguments: "{\"city\": \"Paris\"}".to_owned(),
        }],
        ..Message::text(Role::Assistant, "")
    };
    let result = Message {
        tool_call_id: Some("call_1".to_owned()),
        ..Message::text(Role::Tool, "sunny")
    };
    let chat = Chat::new("llama", vec![call, result]);
    check(
        &chat,
        json!({"model": "llama", "stream": false, "messages": [
            {"role": "assistant", "content": null, "tool_calls": [{
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"},
            }]},
            {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
        ]}),
    );
}

#[test]
fn roles_parts_and_the_rest_of_a_message() {
    let message = Message {
        content: vec!["a".to_owned(), "b".to_owned()],
        name: Some("ann".to_owned()),
        refusal: Some("no".to_owned()),
        reasoning: Some("hm".to_owned()),
        ..Message::text(Role::Developer, "")
    };
    let chat = Chat::new("llama", vec![message, Message::text(Role::System, "s")]);
    check(
        &chat,
        json!({"model": "llama", "stream": false, "messages": [
            {
                "role": "system",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                "name": "ann",
                "reasoning_content": "hm",
                "refusal": "no",
            },
            {"role": "system", "content": "s"},
        ]}),
    );
}

#[test]
fn formats_and_choices_by_name() {
    let formats = [
        (ResponseFormat::Text, "text"),
        (ResponseFormat::JsonObject, "json_object"),
    ];
    for (format, name) in formats {
        assert_eq!(written(&Format::of(&format)), json!({"type": name}));
    }
    let choices = [
        (ToolChoice::None, "none"),
        (ToolChoice::Auto, "auto"),
        (ToolChoice::Required, "required"),
    ];
    for (choice, name) in choices {
        assert_eq!(written(&Choice::of(&choice)), json!(name));
    }
}

fn written(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

fn check(chat: &Chat, expected: Value) {
    let body: Value = serde_json::from_slice(&body(chat)).expect("JSON");
    assert_eq!(body, expected);
}
