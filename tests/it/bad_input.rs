//! Bad input gets a clear refusal in one shape, an audit entry, and nothing else: the model never hears of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::gateway_under_test::{CHAT, question};
use tests::{AuditLog, FakeLlama, Reply, TestGateway, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A request that is wrong, and how it is told.
struct Case {
    name: &'static str,
    /// Request line and headers, without the credential and the length.
    head: &'static str,
    body: Vec<u8>,
    expected: (u16, &'static str),
}

const POST: &str = "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json";

fn case(name: &'static str, body: impl Into<Vec<u8>>, expected: (u16, &'static str)) -> Case {
    Case {
        name,
        head: POST,
        body: body.into(),
        expected,
    }
}

/// A valid request with one field set to something else.
fn with(name: &'static str, path: &str, value: Value, expected: (u16, &'static str)) -> Case {
    let mut body = question("hello");
    *body
        .pointer_mut(path)
        .unwrap_or_else(|| panic!("no {path}")) = value;
    case(name, body.to_string(), expected)
}

/// A valid request with one more field.
fn and(name: &'static str, key: &str, value: Value, expected: (u16, &'static str)) -> Case {
    let mut body = question("hello");
    body[key] = value;
    case(name, body.to_string(), expected)
}

const INVALID_JSON: (u16, &str) = (400, "invalid_json");
const INVALID_TYPE: (u16, &str) = (400, "invalid_type");
const INVALID_VALUE: (u16, &str) = (400, "invalid_value");
const MISSING: (u16, &str) = (400, "missing_required_parameter");
const UNSUPPORTED: (u16, &str) = (400, "unsupported_parameter");
const CONTENT: (u16, &str) = (400, "unsupported_content");
const NO_MODEL: (u16, &str) = (404, "model_not_found");
const NO_URL: (u16, &str) = (404, "unknown_url");

fn json_that_is_none() -> Vec<Case> {
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(
            r#"{{"model":"llama-3.3-70b","messages":[{{"role":"user","content":"hi"}}],"x":{open}{close}}}"#
        )
    };
    let twice = r#"{"model":"llama-3.3-70b","model":"llama-guard-internal","messages":[]}"#;
    let twice_inside =
        r#"{"model":"llama-3.3-70b","messages":[{"role":"user","content":"a","content":"b"}]}"#;
    let twice_escaped =
        r#"{"model":"llama-3.3-70b","mod\u0065l":"llama-guard-internal","messages":[]}"#;
    vec![
        case("empty", "", INVALID_JSON),
        case("only spaces", "  \n ", INVALID_JSON),
        case(
            "cut off",
            r#"{"model":"llama-3.3-70b","messages":["#,
            INVALID_JSON,
        ),
        case(
            "two values",
            format!("{0}{0}", question("hello")),
            INVALID_JSON,
        ),
        case(
            "text after",
            format!("{} x", question("hello")),
            INVALID_JSON,
        ),
        case(
            "a comment",
            format!("/* */{}", question("hello")),
            INVALID_JSON,
        ),
        case(
            "a trailing comma",
            r#"{"model":"llama-3.3-70b",}"#,
            INVALID_JSON,
        ),
        case("single quotes", "{'model':'llama-3.3-70b'}", INVALID_JSON),
        case(
            "not a number",
            r#"{"model":"llama-3.3-70b","temperature":NaN}"#,
            INVALID_JSON,
        ),
        case(
            "a number beyond all",
            r#"{"model":"llama-3.3-70b","temperature":1e999}"#,
            INVALID_JSON,
        ),
        case(
            "half a surrogate pair",
            r#"{"model":"\ud800"}"#,
            INVALID_JSON,
        ),
        case(
            "a raw control character",
            "{\"model\":\"a\nb\"}",
            INVALID_JSON,
        ),
        case(
            "a byte order mark",
            format!("\u{feff}{}", question("hello")),
            INVALID_JSON,
        ),
        case(
            "invalid UTF-8",
            b"{\"model\":\"\xff\xfe\"}".to_vec(),
            INVALID_JSON,
        ),
        case(
            "overlong UTF-8",
            b"{\"model\":\"\xc0\xaf\"}".to_vec(),
            INVALID_JSON,
        ),
        case(
            "UTF-16",
            b"{\0\"\0m\0\"\0:\x001\0}\0".to_vec(),
            INVALID_JSON,
        ),
        case("a key twice", twice, INVALID_JSON),
        case("a key twice in a message", twice_inside, INVALID_JSON),
        case("a key twice, once escaped", twice_escaped, INVALID_JSON),
        case("too deep", deep(65), INVALID_JSON),
        case("far too deep", deep(100_000), INVALID_JSON),
        case("an array", "[]", INVALID_TYPE),
        case("a string", "\"hello\"", INVALID_TYPE),
        case("null", "null", INVALID_TYPE),
    ]
}

fn fields_that_are_wrong() -> Vec<Case> {
    let part = |part: Value| json!([part]);
    let content = "/messages/0/content";
    vec![
        with("model is a number", "/model", json!(7), INVALID_TYPE),
        with("model is null", "/model", json!(null), MISSING),
        with(
            "messages is a string",
            "/messages",
            json!("hello"),
            INVALID_TYPE,
        ),
        with("messages is empty", "/messages", json!([]), INVALID_VALUE),
        with(
            "a message is a string",
            "/messages/0",
            json!("hello"),
            INVALID_TYPE,
        ),
        with(
            "a role nobody has",
            "/messages/0/role",
            json!("root"),
            INVALID_VALUE,
        ),
        with(
            "a role in capitals",
            "/messages/0/role",
            json!("System"),
            INVALID_VALUE,
        ),
        with("no content", content, json!(null), MISSING),
        with("content is a number", content, json!(1), INVALID_TYPE),
        with(
            "content is an object",
            content,
            json!({"text": "hi"}),
            INVALID_TYPE,
        ),
        with(
            "a part without a type",
            content,
            part(json!({"text": "hi"})),
            MISSING,
        ),
        with(
            "an image",
            content,
            part(json!({"type": "image_url", "image_url": {"url": "data:,"}})),
            CONTENT,
        ),
        with(
            "audio",
            content,
            part(json!({"type": "input_audio", "input_audio": {}})),
            CONTENT,
        ),
        with(
            "a file",
            content,
            part(json!({"type": "file", "file": {}})),
            CONTENT,
        ),
        with(
            "a part of tomorrow",
            content,
            part(json!({"type": "hologram", "text": "hi"})),
            CONTENT,
        ),
        with(
            "a part's text is a list",
            content,
            part(json!({"type": "text", "text": ["hi"]})),
            INVALID_TYPE,
        ),
        and("stream is a string", "stream", json!("yes"), INVALID_TYPE),
        and("stream is a number", "stream", json!(1), INVALID_TYPE),
        and("n is zero", "n", json!(0), INVALID_VALUE),
        and("n is too many", "n", json!(1000), INVALID_VALUE),
        and("n is half", "n", json!(1.5), INVALID_TYPE),
        and("too hot", "temperature", json!(2.5), INVALID_VALUE),
        and("hot in words", "temperature", json!("hot"), INVALID_TYPE),
        and("less than nothing", "max_tokens", json!(-1), INVALID_VALUE),
        and(
            "more than anything",
            "max_tokens",
            json!(u64::MAX),
            INVALID_TYPE,
        ),
        and("stop is a number", "stop", json!(5), INVALID_VALUE),
        and("stop holds a number", "stop", json!(["a", 5]), INVALID_TYPE),
        and(
            "a hundred stops",
            "stop",
            json!(vec!["a"; 100]),
            INVALID_VALUE,
        ),
        and("logprobs", "logprobs", json!(true), UNSUPPORTED),
        and("logit_bias", "logit_bias", json!({"5": 100}), UNSUPPORTED),
        and("store", "store", json!(true), UNSUPPORTED),
        and("functions", "functions", json!([]), UNSUPPORTED),
        and("speech", "modalities", json!(["text", "audio"]), CONTENT),
        and(
            "a tool of another kind",
            "tools",
            json!([{"type": "retrieval"}]),
            INVALID_VALUE,
        ),
        and(
            "a tool without a name",
            "tools",
            json!([{"type": "function", "function": {}}]),
            MISSING,
        ),
        and(
            "a tool nobody declared",
            "tool_choice",
            json!({"type": "function", "function": {"name": "x"}}),
            INVALID_VALUE,
        ),
        and(
            "a choice of words",
            "tool_choice",
            json!("perhaps"),
            INVALID_VALUE,
        ),
        and(
            "a format of tomorrow",
            "response_format",
            json!({"type": "xml"}),
            INVALID_VALUE,
        ),
        and(
            "a schema that is a string",
            "response_format",
            json!({"type": "json_schema", "json_schema": {"name": "x", "schema": "y"}}),
            INVALID_TYPE,
        ),
        and(
            "effort in numbers",
            "reasoning_effort",
            json!(11),
            INVALID_TYPE,
        ),
        with(
            "a model that does not exist",
            "/model",
            json!("llama-9"),
            NO_MODEL,
        ),
        with(
            "a model that is hidden",
            "/model",
            json!("llama-guard-internal"),
            NO_MODEL,
        ),
        with(
            "a model in capitals",
            "/model",
            json!("LLAMA-3.3-70B"),
            NO_MODEL,
        ),
        with(
            "a model with a space",
            "/model",
            json!("llama-3.3-70b "),
            NO_MODEL,
        ),
    ]
}

fn heads_that_are_wrong() -> Vec<Case> {
    let valid = || question("hello").to_string();
    let head = |name, head, expected| Case {
        name,
        head,
        body: valid().into(),
        expected,
    };
    vec![
        head("no such path", "POST /v1/nothing HTTP/1.1", NO_URL),
        head("the root", "POST / HTTP/1.1", NO_URL),
        head(
            "two slashes before",
            "POST //v1/chat/completions HTTP/1.1",
            NO_URL,
        ),
        head(
            "two slashes within",
            "POST /v1//chat/completions HTTP/1.1",
            NO_URL,
        ),
        head(
            "a slash after",
            "POST /v1/chat/completions/ HTTP/1.1",
            NO_URL,
        ),
        head("capitals", "POST /V1/chat/completions HTTP/1.1", NO_URL),
        head("percent", "POST /v1/%63hat/completions HTTP/1.1", NO_URL),
        head(
            "an encoded slash",
            "POST /v1/chat%2fcompletions HTTP/1.1",
            NO_URL,
        ),
        head("dots", "POST /v1/chat/../chat/completions HTTP/1.1", NO_URL),
        head("one dot", "POST /v1/./chat/completions HTTP/1.1", NO_URL),
        head(
            "a parameter",
            "POST /v1/chat/completions;x=1 HTTP/1.1",
            NO_URL,
        ),
        head(
            "a suffix",
            "POST /v1/chat/completions.json HTTP/1.1",
            NO_URL,
        ),
        head(
            "the legacy engine path",
            "POST /v1/engines/llama-3.3-70b/completions HTTP/1.1",
            NO_URL,
        ),
        head(
            "an endpoint of tomorrow",
            "POST /v1/realtime HTTP/1.1",
            NO_URL,
        ),
        head("an admin path", "GET /metrics HTTP/1.1", NO_URL),
        head("the star", "OPTIONS * HTTP/1.1", NO_URL),
        head(
            "the wrong method",
            "GET /v1/chat/completions HTTP/1.1",
            (405, "method_not_allowed"),
        ),
        head(
            "another wrong method",
            "PUT /v1/chat/completions HTTP/1.1",
            (405, "method_not_allowed"),
        ),
        head(
            "a method of one's own",
            "FROBNICATE /v1/chat/completions HTTP/1.1",
            (405, "method_not_allowed"),
        ),
        head(
            "a method in small letters",
            "post /v1/chat/completions HTTP/1.1",
            (405, "method_not_allowed"),
        ),
        head(
            "posting a list",
            "POST /v1/models HTTP/1.1",
            (405, "method_not_allowed"),
        ),
        head(
            "gzip",
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-encoding: gzip",
            (415, "unsupported_encoding"),
        ),
        head(
            "br",
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-encoding: br",
            (415, "unsupported_encoding"),
        ),
        head(
            "gzip behind identity",
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-encoding: identity\r\n\
              content-encoding: gzip",
            (415, "unsupported_encoding"),
        ),
        head(
            "a label that is none",
            "POST /v1/chat/completions HTTP/1.1\r\nx-portcullis-label: BANANA",
            INVALID_VALUE,
        ),
    ]
}

fn credentials_that_are_wrong() -> Vec<Case> {
    let head = |name, head| Case {
        name,
        head,
        body: question("hello").to_string().into(),
        expected: (401, "invalid_api_key"),
    };
    vec![
        head(
            "a second key",
            "POST /v1/chat/completions HTTP/1.1\r\nx-api-key: pc_another",
        ),
        head(
            "a second bearer",
            "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer pc_another",
        ),
        head(
            "another scheme",
            "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Basic YTpi",
        ),
        head(
            "no scheme",
            "POST /v1/chat/completions HTTP/1.1\r\nauthorization: pc_another",
        ),
    ]
}

impl Case {
    async fn send(&self, gateway: &TestGateway) -> Reply {
        let length = self.body.len();
        let key = gateway.key("svc:benefits-app");
        let head = format!(
            "{}\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
            self.head
        );
        let answer = gateway
            .client()
            .raw(&[head.as_bytes(), &self.body].concat())
            .await;
        let reply = Reply::parse(&answer);
        reply.unwrap_or_else(|| {
            panic!(
                "{}: no response: {}",
                self.name,
                String::from_utf8_lossy(&answer)
            )
        })
    }
}

/// The refusal as a reader of the snapshot wants it: what is the same every time.
fn told(name: &str, reply: &Reply) -> String {
    let body = reply.text().replace(reply.header("x-request-id"), "ID");
    let shown = ["x-should-retry", "retry-after", "allow", "www-authenticate"].into_iter();
    let headers = shown
        .filter(|h| !reply.header(h).is_empty())
        .map(|h| format!("\n  {h}: {}", reply.header(h)));
    format!(
        "{name}: {}{}\n  {body}\n",
        reply.status(),
        headers.collect::<String>()
    )
}

fn assert_shape(name: &str, reply: &Reply) {
    let body = reply.json();
    let keys: Vec<_> = body["error"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["message", "type", "param", "code"], "{name}");
    assert_eq!(body.as_object().unwrap().len(), 1, "{name}");
    assert!(
        body["error"]["param"].is_null() || body["error"]["param"].is_string(),
        "{name}"
    );
    let id = reply.header("x-request-id");
    assert_eq!((id.len(), reply.header("request-id")), (36, id), "{name}");
    assert_eq!(reply.header("x-portcullis-decision"), "refuse", "{name}");
    assert!(
        body["error"]["message"].as_str().unwrap().contains(id),
        "{name}: a sentence with the request id"
    );
}

/// One entry, a denial, with the same status and code, and nothing else.
fn assert_recorded(log: &AuditLog, name: &str, id: &str, expected: (u16, &str)) {
    let about = log.about(id);
    assert_eq!(about.len(), 1, "{name}: one entry: {about:#?}");
    assert_eq!(about[0]["type"], "req.deny", "{name}");
    assert_eq!(
        (&about[0]["http"], &about[0]["code"]),
        (&json!(expected.0), &json!(expected.1)),
        "{name}"
    );
}

async fn refuse_all(cases: Vec<Case>, snapshot: &str) {
    let llama = FakeLlama::replying("never").start().await;
    // All of these come within a second; how many a stranger may cause is another test's matter.
    let gateway = TestGateway::new()
        .backend(&llama)
        .setting("limits", "unauthenticated_per_second_max = 1000")
        .start()
        .await;
    let (mut text, mut seen) = (String::new(), Vec::new());
    for case in &cases {
        let reply = within(case.name, case.send(&gateway)).await;
        assert_eq!(
            (reply.status(), reply.code().as_str()),
            case.expected,
            "{}: {}",
            case.name,
            reply.text()
        );
        assert_shape(case.name, &reply);
        text.push_str(&told(case.name, &reply));
        seen.push(reply.header("x-request-id").to_owned());
    }
    assert_eq!(llama.requests_seen(), 0, "the model never hears of it");
    assert_eq!(
        seen.iter().collect::<BTreeSet<_>>().len(),
        seen.len(),
        "every refusal has its own id"
    );
    let log = gateway.stop().await;
    log.check();
    for (case, id) in cases.iter().zip(&seen) {
        assert_recorded(&log, case.name, id, case.expected);
    }
    insta::assert_snapshot!(snapshot, text);
}

#[tokio::test]
async fn json_that_is_not_strict_json_is_refused_with_its_place() {
    refuse_all(json_that_is_none(), "json_that_is_none").await;
}

#[tokio::test]
async fn a_field_that_is_wrong_is_refused_by_its_path() {
    refuse_all(fields_that_are_wrong(), "fields_that_are_wrong").await;
}

#[tokio::test]
async fn a_head_that_is_wrong_is_refused_whatever_the_spelling() {
    refuse_all(heads_that_are_wrong(), "heads_that_are_wrong").await;
}

#[tokio::test]
async fn two_credentials_that_do_not_agree_are_nobodys() {
    refuse_all(credentials_that_are_wrong(), "credentials_that_are_wrong").await;
}

#[tokio::test]
async fn a_hidden_model_cannot_be_told_from_one_that_does_not_exist() {
    let gateway = TestGateway::new().start().await;
    let ask = async |principal: &str, model: &str| {
        let mut body = question("hello");
        body["model"] = model.into();
        let reply = gateway.ask(principal, &body).await;
        let mut headers = reply.headers().clone();
        for name in ["x-request-id", "request-id", "date"] {
            headers.remove(name);
        }
        (
            reply.status(),
            reply.text().replace(reply.header("x-request-id"), "ID"),
            headers,
        )
    };
    let unknown = ask("svc:benefits-app", "llama-guard-extinct1").await;
    assert_eq!(unknown.0, 404);
    assert_eq!(
        ask("svc:benefits-app", "llama-guard-internal").await,
        unknown
    );
    assert_eq!(ask("svc:audit-probe", "llama-3.3-70b").await, unknown);
    gateway.stop().await.check();
}

/// Reading goes on while the body is written, as SDKs do it: a refusal that comes early is not lost.
async fn post_big(gateway: &TestGateway, framing: &str, body: &[u8]) -> Reply {
    let key = gateway.key("svc:benefits-app");
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n{framing}\r\nconnection: close\r\n\r\n"
    );
    let stream = gateway.client().connect().await.unwrap();
    let (mut from, mut to) = tokio::io::split(stream);
    let write = async {
        let _ = to.write_all(&[head.as_bytes(), body].concat()).await;
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = write => unreachable!(),
        _ = within("an answer to a big body", from.read_to_end(&mut answer)) => {}
    }
    Reply::parse(&answer)
        .unwrap_or_else(|| panic!("no response: {}", String::from_utf8_lossy(&answer)))
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_however_it_is_framed() {
    let llama = FakeLlama::replying("never").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let body = question(&"x".repeat(10 << 20)).to_string();
    let chunks = [
        format!("{:x}\r\n", body.len()).as_bytes(),
        body.as_bytes(),
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let length = format!("content-length: {}", body.len());
    let mut ids = Vec::new();
    for (framing, bytes) in [
        (length.as_str(), body.as_bytes()),
        ("transfer-encoding: chunked", &chunks),
    ] {
        let reply = post_big(&gateway, framing, bytes).await;
        assert_eq!(
            (reply.status(), reply.code().as_str()),
            (413, "request_too_large"),
            "{framing}"
        );
        assert_eq!(reply.header("x-should-retry"), "false");
        assert_shape(framing, &reply);
        ids.push(reply.header("x-request-id").to_owned());
    }
    assert_eq!(llama.requests_seen(), 0);
    let log = gateway.stop().await;
    log.check();
    ids.iter()
        .for_each(|id| assert_recorded(&log, "ten megabytes", id, (413, "request_too_large")));
}

#[tokio::test]
async fn a_body_just_within_the_limit_is_read() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new()
        .backend(&llama)
        .setting("limits", "body_bytes_max = 4096")
        .start()
        .await;
    let room = 4096 - question("").to_string().len();
    for (bytes, expected) in [(room, 200), (room + 1, 413)] {
        let reply = gateway
            .chat("svc:benefits-app", &"x ".repeat(bytes)[..bytes])
            .await;
        assert_eq!(reply.status(), expected, "{}", reply.text());
    }
    gateway.stop().await.check();
}

#[tokio::test]
async fn unknown_fields_are_dropped_announced_and_never_forwarded() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = question("hello");
    body["canary_top"] = json!("canary");
    body["messages"][0]["canary_message"] = json!({ "deep": ["canary"] });
    body["tools"] =
        json!([{ "type": "function", "function": { "name": "search", "canary_tool": "canary" } }]);
    body["user"] = json!("canary");
    body["metadata"] = json!({ "canary": "canary" });
    let reply = gateway.ask("svc:benefits-app", &body).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let announced: BTreeSet<_> = reply.header("x-portcullis-dropped").split(", ").collect();
    assert_eq!(
        announced,
        BTreeSet::from(["canary_top", "canary_message", "canary_tool"])
    );
    let forwarded = llama.requests()[0].to_string();
    assert!(!forwarded.contains("canary"), "{forwarded}");
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.about(&id)[0]["dropped"], 3);
}

#[tokio::test]
async fn names_that_could_carry_more_than_a_name_are_not_echoed() {
    let gateway = TestGateway::new().start().await;
    let mut body = question("hello");
    for name in [
        "a\r\nset-cookie: x",
        "ünïcode",
        "with space",
        "evil.admin",
        "",
        &"long".repeat(40),
    ] {
        body[name] = json!(1);
    }
    let reply = gateway.ask("svc:benefits-app", &body).await;
    assert_eq!(
        (reply.status(), reply.header("x-portcullis-dropped")),
        (200, "+6")
    );
    assert!(!reply.headers().contains_key("set-cookie"));
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_query_changes_nothing() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let path = format!("{CHAT}?api-version=1&model=llama-guard-internal&stream=true");
    let reply = gateway
        .post(
            Some(gateway.key("svc:benefits-app")),
            &path,
            &question("hello").to_string(),
        )
        .await;
    assert_eq!((reply.status(), reply.content().as_str()), (200, "fine"));
    assert_eq!(llama.requests()[0]["model"], "llama-3.3-70b");
    gateway.stop().await.check();
}

#[tokio::test]
async fn the_same_key_twice_is_one_key() {
    let gateway = TestGateway::new().start().await;
    let client = gateway.client();
    let key = gateway.key("svc:benefits-app");
    let mut request = client.request(
        http::Method::POST,
        CHAT,
        Some(key),
        &question("hello").to_string(),
    );
    request
        .headers_mut()
        .insert("x-api-key", key.parse().unwrap());
    assert_eq!(gateway.send(&client, request).await.status(), 200);
    gateway.stop().await.check();
}
