//! Streams: released as they grow, held at their end until the outcome is durable, and never cut silently.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use audit::{DiskStorage, Fault};
use serde_json::{Value, json};
use tests::gateway_under_test::{CHAT, question};
use tests::llama::{delta, sse_chunk, stop, stream_end, stream_head};
use tests::{AuditLog, FakeLlama, Reply, Script, TestGateway, Witness, beside, until, within};

const ME: &str = "svc:benefits-app";

/// Long enough to be sure that nothing comes, short enough to wait for.
const MOMENT: Duration = Duration::from_millis(150);

fn streamed(text: &str) -> Value {
    let mut body = question(text);
    body["stream"] = true.into();
    body
}

fn outcome(log: &AuditLog, id: &str) -> Value {
    let about = log.about(id);
    assert_eq!(about.len(), 2, "an intent and an outcome: {about:#?}");
    about[1].clone()
}

/// The lines of a stream keep to the protocol, and its chunks to the API; the chunks, for more to be asked of them.
fn check_chunks(reply: &Reply, model: &str) -> Vec<Value> {
    let text = reply.text();
    for line in text.lines() {
        let known = line.is_empty() || line.starts_with("data: ") || line.starts_with(':');
        assert!(known, "no id: or other fields: {line}");
    }
    assert_eq!(text.matches("data: [DONE]").count(), 1, "one end: {text}");
    assert!(
        reply.done() && reply.complete,
        "it ends with [DONE]: {text}"
    );
    assert!(
        reply
            .header("content-type")
            .starts_with("text/event-stream")
    );
    let chunks = reply.events();
    let mut begun: BTreeMap<u64, bool> = BTreeMap::new();
    for chunk in &chunks {
        assert_eq!(
            (&chunk["object"], &chunk["model"]),
            (&json!("chat.completion.chunk"), &json!(model))
        );
        assert_eq!(
            (&chunk["id"], &chunk["created"]),
            (&chunks[0]["id"], &chunks[0]["created"])
        );
        for choice in chunk["choices"].as_array().unwrap() {
            let index = choice["index"].as_u64().unwrap();
            let finished = begun.get(&index);
            assert_ne!(
                finished,
                Some(&true),
                "nothing after the finish of choice {index}: {text}"
            );
            let role = choice["delta"].get("role");
            assert_eq!(
                role,
                finished.is_none().then_some(&json!("assistant")),
                "the role comes first, once: {text}"
            );
            begun.insert(index, !choice["finish_reason"].is_null());
        }
    }
    assert!(
        begun.values().all(|finished| *finished),
        "every choice has finished: {text}"
    );
    chunks
}

#[tokio::test]
async fn the_status_is_held_until_something_may_be_shown() {
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = Arc::new(TestGateway::new().backend(&llama).start().await);
    let asking = gateway.clone();
    let mut live = beside(async move { asking.open(ME, &streamed("hello")).await });
    llama.has_seen(1).await;
    hand.gives([stream_head(), sse_chunk(&delta("Half"))].concat())
        .await;
    assert!(
        tokio::time::timeout(MOMENT, &mut live).await.is_err(),
        "half a word is not judged, so nothing is told"
    );
    hand.gives(sse_chunk(&delta(" of it is here now, and some more ")))
        .await;
    let mut live = within("the head", live).await.unwrap();
    assert!(live.until("Half").await);
    hand.gives([sse_chunk(&stop()), stream_end()].concat())
        .await;
    drop(hand);
    let reply = live.rest().await;
    assert_eq!(
        (reply.status(), reply.content().as_str()),
        (200, "Half of it is here now, and some more ")
    );
    Arc::into_inner(gateway).unwrap().stop().await.check();
}

#[tokio::test]
async fn an_upstream_that_fails_before_the_first_window_gets_its_true_status() {
    let fault = b"data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n";
    let bytes = [
        stream_head(),
        sse_chunk(&delta("Half")),
        tests::llama::http_chunk(fault),
    ]
    .concat();
    let llama = FakeLlama::scripted(Script::Raw(bytes)).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway.ask(ME, &streamed("hello")).await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (502, "upstream_error"),
        "{}",
        reply.text()
    );
    assert!(!reply.text().contains("Half"));
    gateway.stop().await.check();
}

#[tokio::test]
async fn words_are_released_long_before_the_end() {
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let ask = async {
        let mut live = gateway.open(ME, &streamed("hello")).await;
        for number in 0..20 {
            assert!(
                live.until(&format!("word{number}")).await,
                "released while the model waits"
            );
        }
        live
    };
    let model = async {
        hand.gives(stream_head()).await;
        for number in 0..21 {
            hand.gives(sse_chunk(&delta(&format!("word{number} "))))
                .await;
        }
    };
    let (live, ()) = tokio::join!(ask, model);
    hand.gives([sse_chunk(&stop()), stream_end()].concat())
        .await;
    drop(hand);
    let reply = live.rest().await;
    assert_eq!(reply.finish(0), "stop");
    check_chunks(&reply, "llama-3.3-70b");
    gateway.stop().await.check();
}

/// Two choices that grow in turns, with reasoning, a refusal and tool calls in pieces.
fn a_bit_of_everything() -> Vec<Value> {
    let of = |index: u64, delta: Value| json!([{ "index": index, "delta": delta, "finish_reason": null }]);
    let call = |index: u64, id: Value, name: Value, arguments: &str| {
        let function = json!({ "name": name, "arguments": arguments });
        json!({ "tool_calls": [{ "index": index, "id": id, "type": "function", "function": function }] })
    };
    let finish = |index: u64, reason: &str| json!([{ "index": index, "delta": {}, "finish_reason": reason }]);
    vec![
        of(0, json!({ "role": "assistant", "content": "" })),
        of(
            1,
            json!({ "role": "assistant", "reasoning_content": "Let me think " }),
        ),
        of(0, json!({ "content": "The answer " })),
        of(1, json!({ "reasoning_content": "about it." })),
        of(0, json!({ "content": "is nine." })),
        of(
            1,
            call(0, json!("vendor_id_1"), json!("get_weather"), "{\"city\":"),
        ),
        finish(0, "stop"),
        of(1, call(0, json!(null), json!(null), "\"Paris\"}")),
        of(1, call(1, json!("vendor_id_2"), json!("get_time"), "{}")),
        finish(1, "tool_calls"),
    ]
}

#[tokio::test]
async fn every_chunk_is_well_formed() {
    let llama = FakeLlama::scripted(Script::Chunks(a_bit_of_everything()))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    for usage in [true, false] {
        let mut body = streamed("hello");
        body["n"] = 2.into();
        if usage {
            body["stream_options"] = json!({ "include_usage": true });
        }
        let reply = gateway.ask(ME, &body).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        let chunks = check_chunks(&reply, "llama-3.3-70b");
        let with_usage = chunks
            .iter()
            .filter(|chunk| chunk.get("usage").is_some_and(|u| !u.is_null()))
            .count();
        assert_eq!(with_usage, usize::from(usage), "usage only if asked for");
        if usage {
            let last = chunks.last().unwrap();
            assert_eq!(
                (&last["choices"], &last["usage"]["total_tokens"]),
                (&json!([]), &json!(8))
            );
            assert!(
                chunks.iter().all(|chunk| chunk.get("usage").is_some()),
                "null until then"
            );
        } else {
            assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
        }
        assert_eq!(
            (reply.content().as_str(), reply.finish(0).as_str()),
            ("The answer is nine.", "stop")
        );
        assert_eq!(
            (
                reply.field(1, "reasoning_content").as_str(),
                reply.finish(1).as_str()
            ),
            ("Let me think about it.", "tool_calls")
        );
        assert_eq!(
            reply.calls(),
            [
                ("get_weather".to_owned(), "{\"city\":\"Paris\"}".to_owned()),
                ("get_time".to_owned(), "{}".to_owned())
            ]
        );
        assert!(!reply.text().contains("vendor_id"), "ids are minted here");
    }
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_block_ends_every_unfinished_choice_and_cancels_the_upstream() {
    let of = |index: u64, delta: Value| {
        sse_chunk(&json!([{ "index": index, "delta": delta, "finish_reason": null }]))
    };
    let call = json!({ "tool_calls": [{ "index": 0, "id": "a", "type": "function",
                       "function": { "name": "run_sql", "arguments": "{\"query\":\"DROP TABLE benefits; --\"}" } }] });
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = streamed("hello");
    body["n"] = 3.into();
    let model = async {
        hand.gives(stream_head()).await;
        hand.gives(of(0, json!({ "content": "Done early." }))).await;
        hand.gives(sse_chunk(&stop())).await;
        hand.gives(of(
            2,
            json!({ "content": "I was about to say something else" }),
        ))
        .await;
        hand.gives(of(1, call)).await;
        let end = json!([{ "index": 1, "delta": {}, "finish_reason": "tool_calls" }]);
        hand.gives(sse_chunk(&end)).await;
        // The model goes on talking; the gateway has hung up.
        llama.was_left(1).await;
    };
    let ((), reply) = tokio::join!(model, gateway.ask(ME, &body));
    assert_eq!(reply.status(), 200);
    check_chunks(&reply, "llama-3.3-70b");
    let finishes: Vec<_> = (0..3).map(|choice| reply.finish(choice)).collect();
    assert_eq!(finishes, ["stop", "content_filter", "content_filter"]);
    assert_eq!(reply.content(), "Done early.");
    assert!(
        !reply.text().contains("DROP") && !reply.text().contains("run_sql"),
        "{}",
        reply.text()
    );
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let outcome = outcome(&log, &id);
    assert_eq!(
        (&outcome["status"], &outcome["http"]),
        (&json!("blocked"), &json!(200))
    );
    assert!(!String::from_utf8_lossy(&log.raw()).contains("DROP TABLE"));
}

#[tokio::test]
async fn a_blocked_plain_answer_is_an_answer_too() {
    let message = json!({ "role": "assistant", "content": null, "tool_calls": [{ "id": "a", "type": "function",
        "function": { "name": "run_sql", "arguments": "{\"query\":\"DROP TABLE benefits; --\"}" } }] });
    let body = json!({ "id": "x", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": message, "finish_reason": "tool_calls" }] });
    let llama = FakeLlama::scripted(Script::Raw(tests::llama::http_json(&body.to_string())))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway.chat(ME, "hello").await;
    assert_eq!(
        (reply.status(), reply.finish(0).as_str()),
        (200, "content_filter"),
        "{}",
        reply.text()
    );
    assert!(
        !reply.text().contains("DROP") && !reply.text().contains("run_sql"),
        "{}",
        reply.text()
    );
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert_eq!(outcome(&log, &id)["status"], "blocked");
}

/// The one request of a log whose client has no reply to show for it.
fn only_outcome(log: &AuditLog) -> Value {
    let outcomes = log.of_type("req.outcome");
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    outcomes[0].clone()
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_cancels_the_upstream() {
    for stream in [true, false] {
        let llama = FakeLlama::scripted(Script::Silent).start().await;
        let gateway = TestGateway::new().backend(&llama).start().await;
        let mut body = question("hello");
        body["stream"] = stream.into();
        tokio::select! {
            _ = gateway.ask(ME, &body) => panic!("nobody answered"),
            () = llama.has_seen(1) => {}
        }
        llama.was_left(1).await;
        until("the outcome", || gateway.log_status().open_intents == 0).await;
        let log = gateway.stop().await;
        log.check();
        assert_eq!(
            only_outcome(&log)["status"],
            "client_gone",
            "stream: {stream}"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_on_the_way_cancels_the_upstream() {
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let model = async {
        hand.gives(stream_head()).await;
        hand.gives(sse_chunk(&delta("The first words of a long story ")))
            .await;
    };
    let body = streamed("hello");
    let (mut live, ()) = tokio::join!(gateway.open(ME, &body), model);
    assert!(live.until("first words").await);
    live.leave();
    llama.was_left(1).await;
    until("the outcome", || gateway.log_status().open_intents == 0).await;
    let log = gateway.stop().await;
    log.check();
    let outcome = only_outcome(&log);
    assert_eq!(outcome["status"], "client_gone");
    assert_eq!(outcome["http"], 200, "its head had gone out");
    let released = outcome["released_bytes"].as_u64().unwrap();
    assert!(
        (1..=32).contains(&released),
        "it says how much was released: {outcome}"
    );
}

#[tokio::test]
async fn a_stream_that_is_reset_over_http2_cancels_the_upstream() {
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let client = gateway.http2();
    let request = client.request(
        http::Method::POST,
        CHAT,
        Some(gateway.key(ME)),
        &streamed("hello").to_string(),
    );
    let model = async {
        hand.gives(stream_head()).await;
        hand.gives(sse_chunk(&delta("The first words of a long story ")))
            .await;
    };
    let ((response, connection), ()) = tokio::join!(client.begin(request), model);
    // Only the stream ends; the connection stays.
    drop(response);
    llama.was_left(1).await;
    until("the outcome", || gateway.log_status().open_intents == 0).await;
    connection.abort();
    let log = gateway.stop().await;
    log.check();
    assert_eq!(only_outcome(&log)["status"], "client_gone");
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive_by_comments() {
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let model = async {
        hand.gives(stream_head()).await;
        hand.gives(sse_chunk(&delta("The first words of a long story ")))
            .await;
    };
    let body = streamed("hello");
    let (mut live, ()) = tokio::join!(gateway.open(ME, &body), model);
    assert!(live.until("first words").await);
    assert!(
        live.is_silent_for(MOMENT).await,
        "no comment before its time"
    );
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(15)).await;
    tokio::time::resume();
    assert!(live.until("\n:").await, "a comment");
    hand.gives(
        [
            sse_chunk(&delta("and its end.")),
            sse_chunk(&stop()),
            stream_end(),
        ]
        .concat(),
    )
    .await;
    drop(hand);
    let reply = live.rest().await;
    check_chunks(&reply, "llama-3.3-70b");
    assert_eq!(
        reply.content(),
        "The first words of a long story and its end."
    );
    gateway.stop().await.check();
}

/// A disk that hangs from the moment at which the model is asked: the intent is durable, the outcome cannot be.
async fn hanging_after_the_intent(
    words: &str,
    config: &'static str,
) -> (TestGateway, audit::Faults, FakeLlama) {
    let (gateway, faults) = TestGateway::new().failing_on_command();
    let (switch, words) = (faults.clone(), words.to_owned());
    let llama = FakeLlama::scripted(Script::depending(move |_| {
        switch.set(Fault::Hang);
        Script::saying([words.as_str()])
    }));
    let llama = llama.start().await;
    let gateway = gateway
        .backend(&llama)
        .setting("audit", config)
        .start()
        .await;
    (gateway, faults, llama)
}

#[tokio::test]
async fn the_end_of_a_stream_waits_for_its_outcome_to_be_durable() {
    let (gateway, faults, _llama) =
        hanging_after_the_intent("early words and the last", "commit_timeout_ms = 60000").await;
    let mut body = streamed("hello");
    body["stream_options"] = json!({ "include_usage": true });
    let mut live = gateway.open(ME, &body).await;
    assert!(live.until("early").await);
    while !live.is_silent_for(MOMENT).await {}
    let so_far = live.so_far();
    let told = so_far.text();
    assert!(
        !told.contains("[DONE]") && !told.contains("total_tokens"),
        "{told}"
    );
    assert_eq!(
        (so_far.finish(0).as_str(), so_far.complete),
        ("", false),
        "{told}"
    );
    assert!(
        !told.contains("last"),
        "the last window is part of the end: {told}"
    );
    faults.clear();
    let reply = live.rest().await;
    check_chunks(&reply, "llama-3.3-70b");
    assert_eq!(
        (reply.content().as_str(), reply.finish(0).as_str()),
        ("early words and the last", "stop")
    );
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_plain_answer_waits_for_its_outcome_to_be_durable() {
    let (gateway, faults, llama) =
        hanging_after_the_intent("all the words", "commit_timeout_ms = 60000").await;
    let gateway = Arc::new(gateway);
    let asking = gateway.clone();
    let mut reply = beside(async move { asking.chat(ME, "hello").await });
    llama.has_seen(1).await;
    assert!(
        tokio::time::timeout(MOMENT, &mut reply).await.is_err(),
        "not even the head"
    );
    faults.clear();
    let reply = within("the answer", reply).await.unwrap();
    assert_eq!(
        (reply.status(), reply.content().as_str()),
        (200, "all the words")
    );
    Arc::into_inner(gateway).unwrap().stop().await.check();
}

#[tokio::test]
async fn an_outcome_that_cannot_be_recorded_in_time_drops_the_end_and_says_so() {
    for stream in [true, false] {
        let (gateway, faults, _llama) =
            hanging_after_the_intent("early words and the last", "commit_timeout_ms = 250").await;
        let mut body = question("hello");
        body["stream"] = stream.into();
        let reply = gateway.ask(ME, &body).await;
        let told = reply.text();
        assert!(
            !told.contains("last") && !told.contains("[DONE]"),
            "the end is dropped: {told}"
        );
        assert_eq!(reply.finish(0), "");
        if stream {
            assert_eq!(reply.status(), 200);
            let last = reply.events().last().unwrap().clone();
            assert_eq!(
                (&last["error"]["code"], &last["error"]["type"]),
                (&json!("audit_unavailable"), &json!("server_error"))
            );
            assert!(reply.complete, "said, not cut");
        } else {
            assert_eq!(
                (reply.status(), reply.code().as_str()),
                (503, "audit_unavailable")
            );
            assert!(!told.contains("early"), "{told}");
        }
        let id = reply.header("x-request-id").to_owned();
        faults.clear();
        until("writing to work again", || {
            !gateway.log_status().is_degraded()
        })
        .await;
        let log = gateway.stop().await;
        log.check();
        let about = log.about(&id);
        let late = about.iter().any(|entry| entry["type"] == "req.late");
        let said = about
            .iter()
            .any(|entry| entry["status"] == "audit_unavailable");
        assert!(
            late || said,
            "the log says that the end was not released: {about:#?}"
        );
    }
}

#[tokio::test]
async fn whatever_the_client_sees_of_an_end_has_been_made_durable_before() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::of(Arc::new(DiskStorage::new(folder.path()).unwrap()));
    let llama = FakeLlama::scripted(Script::saying(["some ", "words ", "and ", "an end"]))
        .start()
        .await;
    let gateway = TestGateway::new()
        .backend(&llama)
        .storage(Arc::new(witness.clone()))
        .log_dir(folder.path());
    let gateway = gateway.start().await;
    for stream in [true, false, true, false, true] {
        let mut body = question("hello");
        body["stream"] = stream.into();
        let mut live = gateway.open(ME, &body).await;
        let id = live.so_far().header("x-request-id").to_owned();
        if stream {
            assert!(live.until("\"finish_reason\":\"stop\"").await);
        }
        assert!(
            witness.requests_with("req.outcome").contains(&id),
            "the outcome is durable, stream: {stream}"
        );
        live.rest().await;
    }
    gateway.stop().await.check();
}
