//! What a content rule masks is masked wherever it stands: in every field that reaches the model, and in every byte
//! that reaches the client, however the model cuts it.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tests::client::Session;
use tests::gateway_under_test::{CHAT, question};
use tests::{FakeLlama, Reply, Script, TestGateway};

const ME: &str = "svc:benefits-app";

/// A number that was never issued; documentation values are hits like any other.
const SSN: &str = "078-05-1120";
const SSN_MASK: &str = "[REDACTED:us_ssn]";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// A request with the number in every guarded field, and how many times.
fn personal_everywhere() -> (Value, usize) {
    let said = format!("It is {SSN}.");
    let schema = json!({
        "type": "object", "description": said, "required": [SSN],
        "properties": { "number": { "type": "string", "enum": [SSN, "none"], "default": said, "title": said } },
    });
    let call = json!({ "id": "call_1", "type": "function",
                       "function": { "name": "lookup", "arguments": json!({ "ssn": SSN, "why": [said] }).to_string() } });
    let body = json!({
        "model": "llama-3.3-70b",
        "messages": [
            { "role": "system", "content": said },
            { "role": "developer", "content": said },
            { "role": "user", "content": said, "name": SSN },
            { "role": "assistant", "content": said, "refusal": said, "reasoning_content": said, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "call_1", "content": [{ "type": "text", "text": said }] },
            { "role": "assistant", "content": [{ "type": "refusal", "refusal": said }], "reasoning": said },
            { "role": "user", "content": [{ "type": "text", "text": said }, { "type": "text", "text": "and" }, { "type": "text", "text": said }] },
        ],
        "tools": [{ "type": "function", "function": { "name": "lookup", "description": said, "parameters": schema } }],
        "stop": ["END", SSN],
        "response_format": { "type": "json_schema", "json_schema": { "name": "answer", "description": said, "schema": schema } },
    });
    let count = body.to_string().matches(SSN).count();
    (body, count)
}

#[tokio::test]
async fn personal_data_is_masked_in_every_field_that_reaches_the_model() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let (mut body, count) = personal_everywhere();
    for stream in [false, true] {
        body["stream"] = stream.into();
        let reply = gateway.ask(ME, &body).await;
        assert_eq!(
            (reply.status(), reply.header("x-portcullis-decision")),
            (200, "redact"),
            "{}",
            reply.text()
        );
    }
    for asked in llama.requests() {
        let text = asked.to_string();
        assert!(!text.contains(SSN) && !text.contains("1120"), "{text}");
        assert_eq!(
            text.matches(SSN_MASK).count(),
            count,
            "each is masked, and none is lost: {text}"
        );
        assert_eq!(asked["stop"], json!(["END", SSN_MASK]));
        let schema = &asked["tools"][0]["function"]["parameters"];
        assert_eq!(
            schema["properties"]["number"]["enum"],
            json!([SSN_MASK, "none"]),
            "{schema}"
        );
    }
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains(SSN));
}

#[tokio::test]
async fn a_name_that_is_masked_is_masked_wherever_it_is_named() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = question("hello");
    body["tools"] = json!([{ "type": "function", "function": { "name": KEY } }]);
    body["tool_choice"] = json!({ "type": "function", "function": { "name": KEY } });
    let reply = gateway.ask(ME, &body).await;
    for asked in llama.requests() {
        assert!(!asked.to_string().contains(KEY), "{asked}");
    }
    assert!([200, 400].contains(&reply.status()), "{}", reply.text());
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_number_in_a_schema_is_masked_or_refused_but_not_a_fault() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = question("hello");
    let schema =
        json!({ "type": "object", "properties": { "card": { "default": 4111111111111111_u64 } } });
    body["tools"] =
        json!([{ "type": "function", "function": { "name": "pay", "parameters": schema } }]);
    let reply = gateway.ask(ME, &body).await;
    for asked in llama.requests() {
        assert!(!asked.to_string().contains("4111111111111111"), "{asked}");
    }
    assert!(
        [200, 400].contains(&reply.status()),
        "the checks did decide: {}",
        reply.text()
    );
    gateway.stop().await.check();
}

#[tokio::test]
async fn the_kept_copy_of_a_prompt_is_the_masked_one() {
    let llama = FakeLlama::replying(&format!("You said {SSN}."))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway
        .chat(
            ME,
            &format!("My number is {SSN}, and the word is pomegranate."),
        )
        .await;
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let bodies: Vec<_> = log.opened(&id).iter().map(Value::to_string).collect();
    assert_eq!(
        bodies.len(),
        2,
        "what went up and what came down: {bodies:?}"
    );
    assert!(bodies[0].contains("pomegranate"), "{bodies:?}");
    for body in bodies {
        assert!(body.contains(SSN_MASK) && !body.contains(SSN), "{body}");
    }
}

/// Something that must not leave, between two words.
#[derive(Debug, Clone, Copy)]
struct Secret {
    before: &'static str,
    text: &'static str,
    after: &'static str,
}

const SECRETS: [Secret; 9] = [
    Secret {
        before: "the key ",
        text: KEY,
        after: " is yours",
    },
    Secret {
        before: "(",
        text: "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
        after: ")",
    },
    Secret {
        before: "number: ",
        text: SSN,
        after: ".",
    },
    Secret {
        before: "card ",
        text: "4111 1111 1111 1111",
        after: " ok",
    },
    Secret {
        before: "mail ",
        text: "jane.roe@agency.example",
        after: ", please",
    },
    Secret {
        before: "call ",
        text: "(202) 555-0143",
        after: " now",
    },
    Secret {
        before: "pay to ",
        text: "DE89370400440532013000",
        after: " today",
    },
    Secret {
        before: "password = \"",
        text: "hunter2Xy9Zq",
        after: "\" ok",
    },
    Secret {
        before: "naïve — ",
        text: "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcw\n-----END PRIVATE KEY-----",
        after: "\nfin",
    },
];

/// Where a model can put text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Content,
    Reasoning,
    Refusal,
    Arguments,
    SecondContent,
    SecondArguments,
}

const PLACES: [Place; 6] = [
    Place::Content,
    Place::Reasoning,
    Place::Refusal,
    Place::Arguments,
    Place::SecondContent,
    Place::SecondArguments,
];

impl Place {
    fn choice(self) -> u64 {
        u64::from(matches!(
            self,
            Place::SecondContent | Place::SecondArguments
        ))
    }

    fn is_arguments(self) -> bool {
        matches!(self, Place::Arguments | Place::SecondArguments)
    }

    fn field(self) -> &'static str {
        match self {
            Place::Reasoning => "reasoning_content",
            Place::Refusal => "refusal",
            _ => "content",
        }
    }

    /// The text of a secret as this place has it: arguments are JSON.
    fn wrapped(self, text: &str) -> String {
        match self.is_arguments() {
            true => json!({ "note": text, "n": 1 }).to_string(),
            false => text.to_owned(),
        }
    }

    /// A chunk that brings this text.
    fn chunk(self, text: &str) -> Value {
        let delta = match self.is_arguments() {
            true => json!({ "tool_calls": [{ "index": 0, "function": { "arguments": text } }] }),
            false => json!({ self.field(): text }),
        };
        json!([{ "index": self.choice(), "delta": delta, "finish_reason": null }])
    }

    /// Everything that a client can put together of this place.
    fn received(self, reply: &Reply) -> String {
        match self.is_arguments() {
            true => reply
                .calls()
                .into_iter()
                .map(|(_, arguments)| arguments)
                .collect(),
            false => reply.field(self.choice(), self.field()),
        }
    }
}

/// The chunks of an answer of two choices in which this place comes in these pieces.
fn chunks(pieces: &[(Place, String)]) -> Vec<Value> {
    let begin = |choice: u64| {
        let function = json!({ "name": "note", "arguments": "" });
        let call = json!({ "index": 0, "id": format!("call_{choice}"), "type": "function", "function": function });
        json!([{ "index": choice, "delta": { "role": "assistant", "tool_calls": [call] }, "finish_reason": null }])
    };
    let calls = |choice| {
        pieces
            .iter()
            .any(|(place, _)| place.is_arguments() && place.choice() == choice)
    };
    let begun = (0..2).filter(|choice| calls(*choice)).map(begin);
    let grown = pieces.iter().map(|(place, text)| place.chunk(text));
    let ended =
        (0..2).map(|choice| json!([{ "index": choice, "delta": {}, "finish_reason": "stop" }]));
    begun.chain(grown).chain(ended).collect()
}

/// A gateway whose model streams what each request asks for: the user's message holds the pieces, in hexadecimal, since
/// the prompt is judged too.
struct Echo {
    gateway: TestGateway,
    session: Session,
}

impl Echo {
    async fn start() -> (Echo, FakeLlama) {
        let script = Script::depending(|asked| {
            let content = &asked["messages"][0]["content"];
            let text = content
                .as_str()
                .or_else(|| content[0]["text"].as_str())
                .unwrap();
            let pieces: Vec<(usize, String)> = serde_json::from_slice(&unspelled(text)).unwrap();
            Script::Chunks(chunks(
                &pieces
                    .into_iter()
                    .map(|(at, text)| (PLACES[at], text))
                    .collect::<Vec<_>>(),
            ))
        });
        let llama = FakeLlama::scripted(script).start().await;
        let gateway = TestGateway::new()
            .backend(&llama)
            .guard_timeout(std::time::Duration::from_secs(20))
            .start()
            .await;
        let session = gateway.http2().session().await;
        (Echo { gateway, session }, llama)
    }

    /// The answer in which the places come in these pieces.
    async fn stream(&self, pieces: &[(Place, String)]) -> Reply {
        let coded: Vec<_> = pieces
            .iter()
            .map(|(p, text)| (PLACES.iter().position(|q| q == p).unwrap(), text))
            .collect();
        let mut body = question(&spelled(&json!(coded).to_string()));
        (body["stream"], body["n"]) = (true.into(), 2.into());
        let key = self.gateway.key(ME);
        let request =
            self.gateway
                .http2()
                .request(http::Method::POST, CHAT, Some(key), &body.to_string());
        let reply = self.session.send(request).await;
        assert_eq!(reply.status(), 200, "{pieces:?}: {}", reply.text());
        assert!(
            reply.complete && reply.done(),
            "{pieces:?}: {}",
            reply.text()
        );
        reply
    }
}

/// Letters only, so that no detector takes it for anything; in words, so that it is not one long word.
fn spelled(text: &str) -> String {
    let letter = |half: u8| char::from(b'g' + half);
    let words: Vec<String> = text
        .as_bytes()
        .chunks(8)
        .map(|bytes| {
            bytes
                .iter()
                .flat_map(|b| [letter(b >> 4), letter(b & 15)])
                .collect()
        })
        .collect();
    words.join(" ")
}

fn unspelled(text: &str) -> Vec<u8> {
    let halves: Vec<u8> = text
        .bytes()
        .filter(|b| *b != b' ')
        .map(|b| b - b'g')
        .collect();
    halves.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

/// Neither as it stands, nor in what the client makes of its JSON, nor in parts of any use.
fn assert_nothing_left(secret: &Secret, place: Place, reply: &Reply, how: &str) {
    let raw = reply.text();
    let written = json!(secret.text).to_string();
    let received = place.received(reply);
    let decoded = serde_json::from_str::<Value>(&received)
        .map_or_else(|_| received.clone(), |value| value["note"].to_string());
    for spelled in [secret.text, written.trim_matches('"')] {
        for (what, text) in [
            ("the bytes", &raw),
            ("the text", &received),
            ("the note", &decoded),
        ] {
            assert!(
                !text.contains(spelled),
                "{how}: {what} of {place:?} hold {spelled}: {raw}"
            );
        }
    }
    // Half of a secret is too much as well.
    let (head, tail) = secret.text.split_at(secret.text.len() / 2);
    assert!(
        !received.contains(head) && !received.contains(tail),
        "{how}: {received}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_cut_anywhere_never_leaves() {
    let (echo, _llama) = Echo::start().await;
    for place in PLACES {
        for secret in SECRETS {
            let text = place.wrapped(&format!("{}{}{}", secret.before, secret.text, secret.after));
            let whole = echo.stream(&[(place, text.clone())]).await;
            let expected = place.received(&whole);
            assert_nothing_left(&secret, place, &whole, "in one piece");
            assert!(
                expected.contains("[REDACTED:"),
                "{place:?} {secret:?}: masked, not dropped: {expected}"
            );
            let cuts = (1..text.len()).filter(|at| text.is_char_boundary(*at));
            let cut = async |at: usize| {
                let (one, other) = text.split_at(at);
                let reply = echo
                    .stream(&[(place, one.to_owned()), (place, other.to_owned())])
                    .await;
                let how = format!("{place:?} {one:?} | {other:?}");
                assert_nothing_left(&secret, place, &reply, &how);
                assert_eq!(
                    place.received(&reply),
                    expected,
                    "{how}: the cut changes nothing"
                );
            };
            all_at_once(cuts.map(cut)).await;
        }
    }
    echo.gateway.stop().await.check();
}

/// Runs futures together, so that they share flushes of the disk.
async fn all_at_once(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        running.retain_mut(|future| future.as_mut().poll(context).is_pending());
        match running.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_in_one_character_at_a_time_never_leaves() {
    let (echo, _llama) = Echo::start().await;
    for place in PLACES {
        for secret in SECRETS {
            let text = place.wrapped(&format!("{}{}{}", secret.before, secret.text, secret.after));
            let pieces: Vec<_> = text.chars().map(|c| (place, c.to_string())).collect();
            let reply = echo.stream(&pieces).await;
            assert_nothing_left(&secret, place, &reply, "one at a time");
        }
    }
    echo.gateway.stop().await.check();
}

/// Ways to spell a text inside a JSON string.
fn spellings(text: &str) -> Vec<String> {
    let unit = |c: char| format!("\\u{:04x}", c as u32);
    let capital = |c: char| format!("\\u{:04X}", c as u32);
    let all = text.chars().map(unit).collect();
    let every_other = text
        .chars()
        .enumerate()
        .map(|(at, c)| if at % 2 == 0 { unit(c) } else { c.into() })
        .collect();
    let first = text
        .chars()
        .enumerate()
        .map(|(at, c)| if at == 0 { capital(c) } else { c.into() })
        .collect();
    let last = text.chars().count() - 1;
    let last = text
        .chars()
        .enumerate()
        .map(|(at, c)| if at == last { unit(c) } else { c.into() })
        .collect();
    vec![all, every_other, first, last]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_spelled_in_escapes_and_cut_anywhere_never_leaves() {
    let (echo, _llama) = Echo::start().await;
    for (place, secret) in [
        (Place::Arguments, SECRETS[0]),
        (Place::SecondArguments, SECRETS[2]),
        // An answer's text may be JSON too.
        (Place::Content, SECRETS[2]),
        (Place::Reasoning, SECRETS[4]),
    ] {
        for spelling in spellings(secret.text) {
            let written = [
                format!(r#"{{"note":"{} {spelling} {}"}}"#, "see", "there"),
                format!(r#"{{"note":{{"{spelling}":true}}}}"#),
                format!(
                    r#"{{"note":"{{\"inner\":\"{}\"}}"}}"#,
                    spelling.replace('\\', "\\\\")
                ),
            ];
            for text in written {
                let whole = place.received(&echo.stream(&[(place, text.clone())]).await);
                let cut = async |at: usize| {
                    let (one, other) = text.split_at(at);
                    let reply = echo
                        .stream(&[(place, one.to_owned()), (place, other.to_owned())])
                        .await;
                    assert_nothing_left(&secret, place, &reply, &text);
                    let received = place.received(&reply);
                    assert_eq!(received, whole, "{text} cut at {at}");
                    let unescaped = fully_unescaped(&received);
                    assert!(
                        !unescaped.contains(secret.text),
                        "{text} cut at {at}: {received}"
                    );
                };
                all_at_once((1..text.len()).step_by(7).map(cut)).await;
            }
        }
    }
    echo.gateway.stop().await.check();
}

/// What is left when every string of a JSON text, and every JSON text in a string, is decoded.
fn fully_unescaped(text: &str) -> String {
    fn walk(value: &Value, out: &mut String) {
        match value {
            Value::String(text) => {
                out.push_str(text);
                if let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text)
                {
                    walk(&inner, out);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, out)),
            Value::Object(fields) => fields.iter().for_each(|(key, item)| {
                out.push_str(key);
                walk(item, out);
            }),
            _ => {}
        }
    }
    let mut out = String::new();
    match serde_json::from_str(text) {
        Ok(value) => walk(&value, &mut out),
        Err(_) => out.push_str(text),
    }
    out
}

/// What a model says in each place, and whose turn it is for how many characters.
type Mixture = (Vec<(Place, String)>, Vec<(usize, usize)>);

/// Any mixture of words, secrets and parts of secrets, in any places, cut anywhere and sent in turns.
fn mixtures() -> impl Strategy<Value = Mixture> {
    let secret = prop::sample::select(SECRETS.to_vec());
    let word = prop_oneof![
        3 => "[a-z]{1,9}[ ,.\n]",
        3 => secret.clone().prop_map(|s| format!("{}{}{}", s.before, s.text, s.after)),
        1 => secret.clone().prop_map(|s| s.text[..s.text.len() / 2].to_owned()),
        1 => secret.prop_map(|s| s.text.to_owned()),
        1 => "[0-9@+() -]{1,12}",
        1 => "[äß€😀 ]{1,6}",
    ];
    let text = prop::collection::vec(word, 0..8).prop_map(|words| words.concat());
    let texts = prop::collection::vec((prop::sample::select(PLACES.to_vec()), text), 1..5);
    (texts, prop::collection::vec((0..5usize, 1..12usize), 0..60))
}

/// The texts in pieces, taken in the turns and sizes given; what is left comes at the end.
fn in_pieces(texts: &[(Place, String)], turns: &[(usize, usize)]) -> Vec<(Place, String)> {
    let mut left: Vec<_> = texts
        .iter()
        .map(|(place, text)| (*place, text.as_str()))
        .collect();
    let mut pieces = Vec::new();
    for (turn, chars) in turns {
        let at = turn % left.len();
        let (place, text) = &mut left[at];
        let end = text
            .char_indices()
            .nth(*chars)
            .map_or(text.len(), |(at, _)| at);
        pieces.push((*place, text[..end].to_owned()));
        *text = &text[end..];
    }
    pieces.extend(
        left.into_iter()
            .map(|(place, text)| (place, text.to_owned())),
    );
    pieces
}

/// One text for each place: what a model says in a place is one text.
fn merged(texts: Vec<(Place, String)>) -> Vec<(Place, String)> {
    let of = |place: Place| {
        texts
            .iter()
            .filter(|(p, _)| *p == place)
            .map(|(_, text)| text.as_str())
            .collect::<String>()
    };
    let all = PLACES.into_iter().map(|place| (place, of(place)));
    all.filter(|(_, text)| !text.is_empty())
        .map(|(place, text)| (place, place.wrapped(&text)))
        .collect()
}

#[test]
fn how_a_model_cuts_its_answer_changes_neither_verdict_nor_bytes() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (echo, _llama) = runtime.block_on(Echo::start());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let law = runner.run(&mixtures(), |(texts, turns)| {
        let texts = merged(texts);
        if texts.is_empty() {
            return Ok(());
        }
        runtime.block_on(async {
            let pieces = in_pieces(&texts, &turns);
            let (whole, cut) = tokio::join!(echo.stream(&texts), echo.stream(&pieces));
            for (place, _) in &texts {
                prop_assert_eq!(
                    place.received(&cut),
                    place.received(&whole),
                    "{:?} of {:?}",
                    place,
                    pieces
                );
                prop_assert_eq!(cut.finish(place.choice()), whole.finish(place.choice()));
                let received = place.received(&cut);
                for secret in &SECRETS {
                    let context = format!("{}{}{}", secret.before, secret.text, secret.after);
                    for spelled in [&context, json!(context).to_string().trim_matches('"')] {
                        prop_assert!(
                            !received.contains(spelled),
                            "{:?} left: {}",
                            secret,
                            received
                        );
                    }
                }
            }
            Ok(())
        })
    });
    runtime.block_on(echo.gateway.stop()).check();
    if let Err(broken) = law {
        panic!("{broken}");
    }
}
