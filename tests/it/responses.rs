//! The Responses API without its memory: the same promises as chat, in other words.

use serde_json::{Value, json};
use tests::{FakeLlama, Reply, Script, TestGateway};

const RESPONSES: &str = "/v1/responses";
const ME: &str = "svc:benefits-app";
const SSN: &str = "078-05-1120";
const SSN_MASK: &str = "[REDACTED:us_ssn]";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fn asking(input: impl Into<Value>) -> Value {
    json!({ "model": "llama-3.3-70b", "input": input.into() })
}

async fn respond(gateway: &TestGateway, body: &Value) -> Reply {
    let key = gateway.key(ME).to_owned();
    gateway.post(Some(&key), RESPONSES, &body.to_string()).await
}

/// The names of a stream's events.
fn kinds(reply: &Reply) -> Vec<String> {
    let events = reply.events().into_iter();
    let kinds = events.map(|event| event["type"].as_str().unwrap_or_default().to_owned());
    kinds.collect()
}

#[tokio::test]
async fn a_question_is_asked_as_a_chat_and_recorded_as_what_it_is() {
    let llama = FakeLlama::replying("The office opens at nine.")
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = asking("When does the office open?");
    body["instructions"] = "Be brief.".into();
    body["max_output_tokens"] = 16.into();
    body["store"] = false.into();
    body["include"] = json!(["reasoning.encrypted_content"]);
    let reply = respond(&gateway, &body).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let answer = reply.json();
    assert!(
        answer["id"].as_str().unwrap().starts_with("resp_"),
        "{answer}"
    );
    assert_eq!(
        (&answer["object"], &answer["status"], &answer["store"]),
        (&json!("response"), &json!("completed"), &json!(false))
    );
    let item = &answer["output"][0];
    assert_eq!(
        (&item["type"], &item["role"]),
        (&json!("message"), &json!("assistant"))
    );
    assert_eq!(
        item["content"],
        json!([{ "type": "output_text", "text": "The office opens at nine.", "annotations": [], "logprobs": [] }])
    );
    assert_eq!(answer["usage"]["total_tokens"], 8);
    let asked = &llama.requests()[0];
    assert_eq!(
        asked["messages"],
        json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "When does the office open?" }])
    );
    assert_eq!(asked["max_tokens"], 16);
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let entries = log.about(&id);
    assert_eq!(entries[0]["op"], "responses");
    assert_eq!(entries[1]["status"], "completed");
}

#[tokio::test]
async fn a_stream_is_a_story_with_numbers_that_ends_with_the_whole_answer() {
    let words = ["The office ", "opens at nine ", "and closes at five."];
    let llama = FakeLlama::scripted(Script::saying(words)).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = asking("When?");
    body["stream"] = true.into();
    let reply = respond(&gateway, &body).await;
    assert_eq!(reply.status(), 200);
    assert!(reply.complete && !reply.done(), "there is no [DONE] here");
    let events = reply.events();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let kinds = kinds(&reply);
    let outline: Vec<_> = kinds
        .iter()
        .filter(|kind| !kind.ends_with("text.delta"))
        .collect();
    assert_eq!(
        outline,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let deltas = events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta");
    let text: String = deltas.filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, words.concat());
    let last = &events.last().unwrap()["response"];
    assert_eq!(last["output"][0]["content"][0]["text"], words.concat());
    assert_eq!(last["output"][0]["id"], events[2]["item"]["id"]);
    assert_eq!(last["usage"]["total_tokens"], 8);
    gateway.stop().await.check();
}

#[tokio::test]
async fn tools_and_their_results_go_round() {
    let gateway = TestGateway::new().start().await;
    let tool =
        json!({ "type": "function", "name": "get_weather", "parameters": { "type": "object" } });
    for stream in [false, true] {
        let mut body = asking("weather please");
        body["tools"] = json!([tool]);
        body["tool_choice"] = json!({ "type": "function", "name": "get_weather" });
        body["stream"] = stream.into();
        let reply = respond(&gateway, &body).await;
        let answer = match stream {
            true => reply.events().last().unwrap()["response"].clone(),
            false => reply.json(),
        };
        let call = &answer["output"][0];
        assert_eq!(
            (&call["type"], &call["name"]),
            (&json!("function_call"), &json!("get_weather"))
        );
        assert_eq!(call["arguments"], "{\"city\": \"Paris\"}");
        body["stream"] = false.into();
        body["input"] = json!([
            { "role": "user", "content": [{ "type": "input_text", "text": "weather please" }] },
            call,
            { "type": "function_call_output", "call_id": call["call_id"], "output": "sunny" },
        ]);
        let reply = respond(&gateway, &body).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        let text = &reply.json()["output"][0]["content"][0]["text"];
        assert!(text.as_str().unwrap().contains("sunny in Paris"), "{text}");
    }
    gateway.stop().await.check();
}

/// What an assistant thought, said and called in a row is one message of the chat.
#[tokio::test]
async fn a_turn_of_several_items_becomes_one_message() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let body = asking(json!([
        { "role": "developer", "content": "Be kind." },
        { "role": "user", "content": "one" },
        { "type": "reasoning", "id": "rs_1", "summary": [{ "type": "summary_text", "text": "hm" }],
          "content": [{ "type": "reasoning_text", "text": "well" }], "encrypted_content": "sealed elsewhere" },
        { "type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
          "content": [{ "type": "output_text", "text": "two", "annotations": [], "logprobs": [] }] },
        { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" },
        { "type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}" },
        { "type": "function_call_output", "call_id": "c1", "output": [{ "type": "input_text", "text": "r1" }] },
        { "type": "function_call_output", "call_id": "c2", "output": "r2" },
        { "role": "user", "content": "three" },
    ]));
    let reply = respond(&gateway, &body).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let call = |id: &str, name: &str| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": "{}" } });
    assert_eq!(
        llama.requests()[0]["messages"],
        json!([
            { "role": "system", "content": "Be kind." },
            { "role": "user", "content": "one" },
            { "role": "assistant", "content": "two", "reasoning_content": "hm\nwell",
              "tool_calls": [call("c1", "f"), call("c2", "g")] },
            { "role": "tool", "tool_call_id": "c1", "content": "r1" },
            { "role": "tool", "tool_call_id": "c2", "content": "r2" },
            { "role": "user", "content": "three" },
        ])
    );
    assert!(!llama.requests()[0].to_string().contains("sealed elsewhere"));
    gateway.stop().await.check();
}

#[tokio::test]
async fn what_a_content_rule_masks_or_blocks_is_named_where_it_stands() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let hidden = "two\u{e0041}";
    let output = |text: &str| {
        json!([{ "role": "user", "content": "x" }, { "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" },
               { "type": "function_call_output", "call_id": "c", "output": text }])
    };
    let call = json!([{ "role": "user", "content": "x" },
                      { "type": "function_call", "call_id": "c", "name": hidden, "arguments": "{}" }]);
    let arguments = json!([{ "role": "user", "content": "x" },
                           { "type": "function_call", "call_id": "c", "name": "f", "arguments": hidden }]);
    let thought = json!([{ "role": "user", "content": "x" },
                         { "type": "reasoning", "summary": [{ "type": "summary_text", "text": hidden }] }]);
    for (input, place) in [
        (json!(hidden), "input"),
        (
            json!([{ "role": "user", "content": hidden }]),
            "input[0].content",
        ),
        (output(hidden), "input[2].output"),
        (call, "input[1].name"),
        (arguments, "input[1].arguments"),
        (thought, "input[1].summary"),
    ] {
        for stream in [false, true] {
            let mut body = asking(input.clone());
            body["stream"] = stream.into();
            let reply = respond(&gateway, &body).await;
            assert_eq!(
                (reply.status(), reply.code().as_str()),
                (400, "content_filter"),
                "{place}"
            );
            assert_eq!(reply.json()["error"]["param"], place);
        }
    }
    for (field, value, place) in [
        ("instructions", json!(hidden), "instructions"),
        (
            "tools",
            json!([{ "type": "function", "name": "f", "description": hidden }]),
            "tools[0].description",
        ),
        (
            "text",
            json!({ "format": { "type": "json_schema", "name": "n", "schema": { "title": hidden } } }),
            "text.format.schema",
        ),
    ] {
        let mut body = asking("x");
        body[field] = value;
        let reply = respond(&gateway, &body).await;
        assert_eq!(
            (reply.status(), &reply.json()["error"]["param"]),
            (400, &json!(place))
        );
    }
    assert_eq!(llama.requests_seen(), 0);
    let masked = respond(&gateway, &asking(output(&format!("It is {SSN}.")))).await;
    assert_eq!(
        (masked.status(), masked.header("x-portcullis-decision")),
        (200, "redact")
    );
    assert_eq!(
        llama.requests()[0]["messages"][2]["content"],
        format!("It is {SSN_MASK}.")
    );
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains(SSN));
}

#[tokio::test]
async fn no_secret_leaves_in_any_item() {
    let gateway = TestGateway::new().start().await;
    for word in ["leak", "leak reasoning", "leak refusal", "leak arguments"] {
        for stream in [false, true] {
            let mut body = asking(word);
            body["stream"] = stream.into();
            let reply = respond(&gateway, &body).await;
            assert_eq!(reply.status(), 200, "{word}: {}", reply.text());
            assert!(!reply.text().contains(KEY), "{word}");
            assert!(!reply.text().contains("AKIA"), "{word}");
            assert!(
                reply.text().contains("[REDACTED:"),
                "{word}: {}",
                reply.text()
            );
        }
    }
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains(KEY));
}

#[tokio::test]
async fn a_blocked_answer_is_incomplete_and_says_why() {
    let gateway = TestGateway::new().start().await;
    for stream in [false, true] {
        let mut body = asking("erase the table");
        body["stream"] = stream.into();
        let reply = respond(&gateway, &body).await;
        assert_eq!(reply.status(), 200);
        let answer = match stream {
            true => {
                assert_eq!(
                    kinds(&reply).last().map(String::as_str),
                    Some("response.incomplete")
                );
                reply.events().last().unwrap()["response"].clone()
            }
            false => reply.json(),
        };
        assert_eq!(answer["status"], "incomplete");
        assert_eq!(
            answer["incomplete_details"],
            json!({ "reason": "content_filter" })
        );
        assert!(!reply.text().contains("DROP"));
    }
    gateway.stop().await.check();
}

#[tokio::test]
async fn an_upstream_that_breaks_off_ends_the_stream_with_an_error() {
    let gateway = TestGateway::new().start().await;
    let mut body = asking("upstream-cut");
    body["stream"] = true.into();
    let reply = respond(&gateway, &body).await;
    let events = reply.events();
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["code"]),
        (&json!("error"), &json!("upstream_error"))
    );
    assert_eq!(last["error"]["code"], "upstream_error");
    assert_eq!(last["sequence_number"], events.len() - 1);
    let log = gateway.stop().await;
    log.check();
    assert_eq!(
        log.of_type("req.outcome")[0]["status"],
        "upstream_incomplete"
    );
}

#[tokio::test]
async fn what_would_be_kept_elsewhere_or_cannot_be_scanned_is_refused() {
    let gateway = TestGateway::new().start().await;
    for (field, value) in [
        ("store", json!(true)),
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("background", json!(true)),
        ("prompt", json!({ "id": "pmpt_1" })),
        ("top_logprobs", json!(2)),
    ] {
        let mut body = asking("x");
        body[field] = value;
        let reply = respond(&gateway, &body).await;
        assert_eq!(
            (reply.status(), reply.code().as_str()),
            (400, "unsupported_parameter"),
            "{field}"
        );
        assert_eq!(reply.json()["error"]["param"], field);
    }
    let image = json!([{ "role": "user", "content": [{ "type": "input_image", "image_url": "https://example.com/x.png" }] }]);
    let file = json!([{ "role": "user", "content": [{ "type": "input_file", "file_id": "f" }] }]);
    for (field, value, param) in [
        ("input", image, "input[0].content[0].type"),
        ("input", file, "input[0].content[0].type"),
        (
            "input",
            json!([{ "type": "item_reference", "id": "x" }]),
            "input[0].type",
        ),
        (
            "input",
            json!([{ "type": "computer_call_output", "output": {} }]),
            "input[0].type",
        ),
        ("tools", json!([{ "type": "web_search" }]), "tools[0].type"),
        (
            "include",
            json!(["message.output_text.logprobs"]),
            "include[0]",
        ),
    ] {
        let mut body = asking("x");
        body[field] = value;
        let reply = respond(&gateway, &body).await;
        assert_eq!(
            (reply.status(), reply.code().as_str()),
            (400, "unsupported_content"),
            "{param}"
        );
        assert_eq!(reply.json()["error"]["param"], param);
    }
    for (input, code) in [
        (json!([]), "invalid_value"),
        (
            json!([{ "role": "system", "content": "x" }]),
            "invalid_value",
        ),
        (
            json!([{ "role": "tool", "content": "x" }]),
            "missing_required_parameter",
        ),
        (json!([{ "role": "user" }]), "missing_required_parameter"),
        (
            json!([{ "type": "function_call_output", "output": "x" }]),
            "missing_required_parameter",
        ),
        (json!([1]), "invalid_type"),
    ] {
        let reply = respond(&gateway, &asking(input.clone())).await;
        assert_eq!(
            (reply.status(), reply.code().as_str()),
            (400, code),
            "{input}"
        );
    }
    let mut body = asking("x");
    body["a_new_field"] = 1.into();
    assert_eq!(
        respond(&gateway, &body)
            .await
            .header("x-portcullis-dropped"),
        "a_new_field"
    );
    gateway.stop().await.check();
}

/// Model servers know no groups of functions: they are told both names in one, and the caller both apart.
#[tokio::test]
async fn functions_of_a_group_are_called_by_both_names() {
    let call = json!({ "role": "assistant", "content": null, "tool_calls": [
        { "id": "a", "type": "function", "function": { "name": "crm__find", "arguments": "{\"who\":\"Roe\"}" } },
        { "id": "b", "type": "function", "function": { "name": "find", "arguments": "{}" } }] });
    let answer = json!({ "id": "x", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": call, "finish_reason": "tool_calls" }] });
    let script = Script::Raw(tests::llama::http_json(&answer.to_string()));
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let schema = json!({ "type": "object" });
    let find = json!({ "type": "function", "name": "find", "description": "by 078-05-1120", "parameters": schema });
    let mut body = asking("who is Roe?");
    body["tools"] = json!([
        { "type": "namespace", "name": "crm", "description": "People.", "tools": [find] },
        { "type": "function", "name": "find", "parameters": schema },
    ]);
    let reply = respond(&gateway, &body).await;
    assert_eq!(
        (reply.status(), reply.header("x-portcullis-dropped")),
        (200, ""),
        "{}",
        reply.text()
    );
    let sent = &llama.requests()[0]["tools"];
    let function = |at: usize| {
        (
            &sent[at]["function"]["name"],
            &sent[at]["function"]["description"],
        )
    };
    assert_eq!(
        function(0),
        (&json!("crm__find"), &json!("People.\nby [REDACTED:us_ssn]"))
    );
    assert_eq!(function(1), (&json!("find"), &Value::Null));
    let output = reply.json()["output"].clone();
    assert_eq!(
        (&output[0]["name"], &output[0]["namespace"]),
        (&json!("find"), &json!("crm"))
    );
    assert_eq!(
        (&output[1]["name"], output[1].get("namespace")),
        (&json!("find"), None)
    );
    // Sent back, a call is what the model knows.
    body["input"] = json!([
        { "role": "user", "content": "who is Roe?" }, output[0],
        { "type": "function_call_output", "namespace": "crm", "call_id": output[0]["call_id"], "output": "nobody" },
    ]);
    let reply = respond(&gateway, &body).await;
    assert_eq!(
        (reply.status(), reply.header("x-portcullis-dropped")),
        (200, ""),
        "{}",
        reply.text()
    );
    let known = &llama.requests()[1]["messages"][1]["tool_calls"][0]["function"]["name"];
    assert_eq!(known, "crm__find");
    // What a rule finds is told where the caller wrote it.
    let hidden = "\u{e0041}\u{e0042}\u{e0043}\u{e0044}\u{e0045}\u{e0046}\u{e0047}\u{e0048}";
    for (place, tools) in [
        (
            "tools[1].tools[0].description",
            json!([
            { "type": "function", "name": "g" },
            { "type": "namespace", "name": "crm", "tools": [{ "type": "function", "name": "f", "description": hidden }] }]),
        ),
        (
            "tools[0].tools[0].description",
            json!([
            { "type": "namespace", "name": "crm", "description": hidden, "tools": [{ "type": "function", "name": "f" }] }]),
        ),
        (
            "tools[0].tools[0].name",
            json!([
            { "type": "namespace", "name": format!("c{hidden}"), "tools": [{ "type": "function", "name": "f" }] }]),
        ),
    ] {
        body["tools"] = tools;
        let reply = respond(&gateway, &body).await;
        assert_eq!(
            (reply.status(), &reply.json()["error"]["param"]),
            (400, &json!(place)),
            "{}",
            reply.text()
        );
    }
    for (param, tools) in [
        (
            "tools[0].tools[0].type",
            json!([{ "type": "namespace", "name": "n", "tools": [{ "type": "custom", "name": "f" }] }]),
        ),
        (
            "tools[1].tools[0].name",
            json!([
            { "type": "function", "name": "n__f" },
            { "type": "namespace", "name": "n", "tools": [{ "type": "function", "name": "f" }] }]),
        ),
        (
            "tools[0].name",
            json!([{ "type": "namespace", "tools": [] }]),
        ),
    ] {
        body["tools"] = tools;
        let reply = respond(&gateway, &body).await;
        assert_eq!(
            (reply.status(), &reply.json()["error"]["param"]),
            (400, &json!(param)),
            "{}",
            reply.text()
        );
    }
}
