//! What a model answers and a client must not get.

use serde_json::{Value, json};

use super::prompts::filler;
use super::{Case, Law, Probe, case};
use crate::answer::{Answer, FINE, Field, Oddity};
use crate::asked::Asked;
use crate::disguise::{self, Disguise};
use crate::endpoint::{Endpoint, Way};
use crate::target::Target;

/// Where windows of peers end, in bytes and characters.
const WINDOWS: [usize; 6] = [64, 256, 500, 1000, 1024, 4096];

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "answers-unscanned",
            "answers are not scanned, or only without streaming",
            "Portkey and Cloudflare on streams; AEGIS refuses streams",
            plain,
        ),
        case(
            "split-across-deltas",
            "a text is sent before the check has seen its end; what lies across two deltas is in neither",
            "aisix#466; LiteLLM's default; AegisFlow",
            cut,
        ),
        case(
            "windows-of-an-answer",
            "a text that lies across two windows is in neither",
            "agentgateway: 1,024 bytes with 256 of overlap",
            windows,
        ),
        case(
            "tail-of-a-long-answer",
            "only the first bytes are scanned",
            "aisix#448",
            tail,
        ),
        case(
            "reasoning",
            "what the model thinks is not scanned",
            "aisix#448; LiteLLM's chat handler",
            |t| fields(t, &[("reasoning", Field::Reasoning)]),
        ),
        case(
            "refusals",
            "what the model refuses with is not scanned",
            "suspected",
            |t| fields(t, &[("refusal", Field::Refusal)]),
        ),
        case(
            "tool-call-arguments",
            "arguments of tool calls are not scanned",
            "aisix#448, #546; litellm#35999",
            |t| fields(t, &[("arguments", Field::ToolArguments)]),
        ),
        case(
            "tool-call-names",
            "names and ids of tool calls are not scanned",
            "suspected",
            |t| fields(t, &[("name", Field::ToolName), ("id", Field::ToolId)]),
        ),
        case(
            "other-choices",
            "only the first choice is scanned",
            "agentgateway, Higress, AgentSentry",
            choices,
        ),
        case(
            "texts-that-take-turns",
            "pieces of several texts in turn confuse the scan",
            "suspected",
            turns,
        ),
        case(
            "log-probabilities",
            "`logprobs` spell the answer once more",
            "suspected",
            |t| fields(t, &[("tokens", Field::Logprobs)]),
        ),
        case(
            "fields-nobody-scans",
            "other fields of an answer are forwarded as they are",
            "suspected",
            |t| fields(t, &OTHERS),
        ),
        case(
            "lookalikes-in-answers",
            "letters that look alike are other letters to the scanner",
            "AgentSentry",
            |t| disguised(t, &disguise::LOOKALIKES),
        ),
        case(
            "hidden-characters-in-answers",
            "characters that nobody sees divide a text for the scanner",
            "suspected",
            |t| disguised(t, &disguise::HIDDEN),
        ),
        case(
            "encodings-in-answers",
            "the scanner does not decode what a client does",
            "suspected",
            |t| disguised(t, &disguise::ENCODED),
        ),
        case(
            "error-bodies",
            "bodies of errors are forwarded as they are",
            "suspected",
            errors,
        ),
        case(
            "errors-within-a-stream",
            "an error in the middle of a stream is forwarded as it is, or what cannot be decoded ends the scan",
            "agentgateway: a decode error flushes unscanned",
            stream_errors,
        ),
        case(
            "headers-and-trailers",
            "the model server's headers and trailers are forwarded",
            "suspected",
            headers,
        ),
        case(
            "lines-that-are-no-data",
            "comments, names and ids of events are forwarded as they are",
            "suspected",
            lines,
        ),
        case(
            "after-the-end",
            "what comes behind the end of a stream is forwarded unscanned",
            "suspected",
            after,
        ),
        case(
            "answers-that-are-not-utf-8",
            "an answer that the scanner cannot decode is forwarded",
            "suspected",
            not_utf8,
        ),
        case(
            "names-that-are-there-twice-in-answers",
            "the scanner reads the first field of that name, the client the last",
            "suspected",
            twice,
        ),
        case(
            "answers-of-another-kind",
            "an answer of another content type, or a stream where none was asked for, is not scanned",
            "suspected",
            kinds,
        ),
        case(
            "answered-again",
            "the second time comes from a cache that no guard sees",
            "aisix#448",
            again,
        ),
    ]
}

/// Fields of answers that carry text. Sources: OpenAI's API reference, and what servers add.
const OTHERS: [(&str, Field); 17] = [
    (
        "annotation",
        Field::InMessage("annotations.[].url_citation.title"),
    ),
    ("transcript", Field::InMessage("audio.transcript")),
    (
        "reasoning, in another spelling",
        Field::InMessage("reasoning"),
    ),
    (
        "reasoning_details",
        Field::InMessage("reasoning_details.[].text"),
    ),
    (
        "legacy function call",
        Field::InMessage("function_call.arguments"),
    ),
    ("role", Field::InMessage("role")),
    ("name", Field::InMessage("name")),
    ("unlisted, in a message", Field::InMessage("x_note")),
    ("unlisted, in a choice", Field::InChoice("x_note")),
    ("finish_reason", Field::InChoice("finish_reason")),
    ("stop_reason", Field::InChoice("stop_reason")),
    (
        "result of a filter",
        Field::InChoice("content_filter_results.note"),
    ),
    ("unlisted, at the top", Field::AtTop("x_note")),
    ("id", Field::AtTop("id")),
    ("model", Field::AtTop("model")),
    ("system_fingerprint", Field::AtTop("system_fingerprint")),
    ("usage", Field::AtTop("usage.note")),
];

/// A harmless question, this answer, and a text that must not come back.
fn answered(target: &Target, way: Way, place: &str, answer: Answer, text: &str) -> Probe {
    let mut fields = way.endpoint.question("Hello");
    if let Some(fields) = fields.as_object_mut() {
        fields.extend(invitations(way.endpoint));
    }
    Probe {
        way,
        place: place.to_owned(),
        asked: Asked::new(way, &target.model, fields),
        twin: None,
        answer,
        law: Law::KeptFromClient(text.to_owned()),
    }
}

/// What lets a model call tools, where one can.
fn invitations(endpoint: Endpoint) -> Option<(String, Value)> {
    let schema = json!({ "type": "object", "properties": { "q": { "type": "string" } } });
    let tool = match endpoint {
        Endpoint::Chat => {
            json!({ "type": "function", "function": { "name": "find", "parameters": schema } })
        }
        Endpoint::Responses => json!({ "type": "function", "name": "find", "parameters": schema }),
        Endpoint::Messages => json!({ "name": "find", "input_schema": schema }),
        _ => return None,
    };
    Some(("tools".to_owned(), json!([tool])))
}

/// One probe for each way to be answered.
fn everywhere(target: &Target, place: &str, answer: &Answer) -> Vec<Probe> {
    let probe = |way| answered(target, way, place, answer.clone(), &target.forbidden);
    Way::answering().map(probe).collect()
}

fn streamed(target: &Target, place: &str, answer: &Answer) -> Vec<Probe> {
    let probes = everywhere(target, place, answer).into_iter();
    probes.filter(|probe| probe.way.streamed).collect()
}

fn plain(target: &Target) -> Vec<Probe> {
    let text = format!("It is {} and no other.", target.forbidden);
    everywhere(target, "the text", &Answer::saying(&text))
}

fn cut(target: &Target) -> Vec<Probe> {
    let text = format!("It is {} and no other.", target.forbidden);
    let within = 6..6 + target.forbidden.len();
    let mut probes = Vec::new();
    for at in within.filter(|&at| text.is_char_boundary(at)) {
        let (first, second) = text.split_at(at);
        let answer = Answer::of(0, Field::Content, [first, second]);
        probes.extend(streamed(target, &format!("cut at {at}"), &answer));
    }
    for size in [1, 2, 3, 5] {
        let letters: Vec<char> = text.chars().collect();
        let pieces: Vec<String> = letters
            .chunks(size)
            .map(|piece| piece.iter().collect())
            .collect();
        let answer = Answer::of(0, Field::Content, pieces.iter().map(String::as_str));
        probes.extend(streamed(target, &format!("pieces of {size}"), &answer));
    }
    let empty = ["It is ", "", &target.forbidden, "", " and no other."];
    let answer = Answer::of(0, Field::Content, empty);
    probes.extend(streamed(target, "between empty pieces", &answer));
    probes
}

fn windows(target: &Target) -> Vec<Probe> {
    let mut probes = Vec::new();
    for window in WINDOWS {
        let before = filler(window.saturating_sub(target.forbidden.len() / 2 + 1));
        let text = format!("{before} {} {}", target.forbidden, filler(2000));
        let letters: Vec<char> = text.chars().collect();
        let pieces: Vec<String> = letters
            .chunks(7)
            .map(|piece| piece.iter().collect())
            .collect();
        let answer = Answer::of(0, Field::Content, pieces.iter().map(String::as_str));
        probes.extend(everywhere(
            target,
            &format!("across character {window}"),
            &answer,
        ));
    }
    probes
}

fn tail(target: &Target) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (place, size) in [
        ("behind 64 KiB", 64 << 10),
        ("behind 300 KiB", 300 << 10),
        ("behind 2 MiB", 2 << 20),
    ] {
        let long = filler(size);
        let answer = Answer::of(
            0,
            Field::Content,
            [long.as_str(), " ", &target.forbidden, " ", FINE],
        );
        probes.extend(everywhere(target, place, &answer));
    }
    probes
}

fn fields(target: &Target, fields: &[(&str, Field)]) -> Vec<Probe> {
    let mut probes = Vec::new();
    for &(place, field) in fields {
        probes.extend(everywhere(
            target,
            place,
            &Answer::with(field, &target.forbidden),
        ));
        if matches!(
            field,
            Field::Reasoning | Field::Refusal | Field::ToolArguments
        ) {
            let letters: Vec<String> = target.forbidden.chars().map(String::from).collect();
            let answer = Answer::of(0, field, letters.iter().map(String::as_str));
            probes.extend(streamed(
                target,
                &format!("{place}, letter by letter"),
                &answer,
            ));
        }
    }
    probes
}

fn choices(target: &Target) -> Vec<Probe> {
    let mut probes = Vec::new();
    let ways = Way::answering()
        .filter(|way| matches!(way.endpoint, Endpoint::Chat | Endpoint::Completions));
    for way in ways {
        for (choice, n) in [(1, 2), (3, 4), (1, 1)] {
            let said = Answer::of(choice, Field::Content, ["It is ", &target.forbidden]);
            let answer = (0..choice).map(|other| Answer::of(other, Field::Content, [FINE]));
            let answer = answer
                .reduce(Answer::and)
                .map_or(said.clone(), |others| others.and(said));
            let place = match n {
                1 => "choice 1, which nobody asked for".to_owned(),
                n => format!("choice {choice} of {n}"),
            };
            let mut probe = answered(target, way, &place, answer, &target.forbidden);
            let mut fields = way.endpoint.question("Hello");
            if n > 1
                && let Some(fields) = fields.as_object_mut()
            {
                fields.insert("n".to_owned(), n.into());
            }
            probe.asked = Asked::new(way, &target.model, fields);
            probes.push(probe);
        }
    }
    probes
}

fn turns(target: &Target) -> Vec<Probe> {
    let letters: Vec<String> = target.forbidden.chars().map(String::from).collect();
    let of = |choice, field| Answer::of(choice, field, letters.iter().map(String::as_str));
    let mut probes = Vec::new();
    for (place, other) in [
        ("thought and said", of(0, Field::Reasoning)),
        ("said and called", of(0, Field::ToolArguments)),
        ("two choices", of(1, Field::Content)),
    ] {
        probes.extend(streamed(target, place, &of(0, Field::Content).and(other)));
    }
    probes
}

fn disguised(target: &Target, disguises: &[Disguise]) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (name, disguise) in disguises {
        let text = disguise(&target.forbidden);
        for way in Way::answering() {
            let whole = Answer::saying(&format!("It is {text} and no other."));
            probes.push(answered(target, way, name, whole, &text));
            if way.streamed {
                let letters: Vec<String> = text.chars().map(String::from).collect();
                let pieces = Answer::of(0, Field::Content, letters.iter().map(String::as_str));
                probes.push(answered(
                    target,
                    way,
                    &format!("{name}, letter by letter"),
                    pieces,
                    &text,
                ));
            }
        }
    }
    probes
}

fn errors(target: &Target) -> Vec<Probe> {
    let text = &target.forbidden;
    let mut probes = Vec::new();
    for status in [400, 401, 404, 413, 422, 429, 500, 503] {
        let answer = Answer::odd(Oddity::Error(status, text.clone()));
        probes.extend(everywhere(target, &format!("status {status}"), &answer));
    }
    for status in [400, 502] {
        let answer = Answer::odd(Oddity::PlainError(status, text.clone()));
        probes.extend(everywhere(
            target,
            &format!("status {status}, no JSON"),
            &answer,
        ));
    }
    let answer = Answer::odd(Oddity::Error(200, text.clone()));
    probes.extend(everywhere(target, "an error with status 200", &answer));
    probes
}

fn stream_errors(target: &Target) -> Vec<Probe> {
    let text = &target.forbidden;
    let error = Answer::odd(Oddity::ErrorEvent(text.clone()));
    let broken = Answer::odd(Oddity::BrokenEvent(text.clone()));
    let behind = Answer::saying(text).but(Oddity::BrokenEvent("x".to_owned()));
    let mut probes = streamed(target, "an error", &error);
    probes.extend(streamed(target, "an event that is no JSON", &broken));
    probes.extend(streamed(target, "beside an event that is no JSON", &behind));
    probes
}

fn headers(target: &Target) -> Vec<Probe> {
    let text = &target.forbidden;
    let mut probes = everywhere(target, "header", &Answer::odd(Oddity::Header(text.clone())));
    probes.extend(everywhere(
        target,
        "trailer",
        &Answer::odd(Oddity::Trailer(text.clone())),
    ));
    probes
}

fn lines(target: &Target) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (place, line) in [
        ("comment", ":"),
        ("name of an event", "event:"),
        ("id of an event", "id:"),
        ("unknown line", "note:"),
    ] {
        let line = format!("{line} {}", target.forbidden);
        probes.extend(streamed(target, place, &Answer::odd(Oddity::Line(line))));
    }
    probes
}

fn after(target: &Target) -> Vec<Probe> {
    let answer = Answer::odd(Oddity::AfterTheEnd(target.forbidden.clone()));
    streamed(target, "one more delta", &answer)
}

fn not_utf8(target: &Target) -> Vec<Probe> {
    let answer = Answer::saying(&target.forbidden).but(Oddity::NotUtf8);
    everywhere(target, "a byte that is none", &answer)
}

fn twice(target: &Target) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (place, first) in [("first", true), ("last", false)] {
        let text = target.forbidden.clone();
        let answer = Answer::default().but(Oddity::Twice { text, first });
        probes.extend(everywhere(target, place, &answer));
    }
    probes
}

fn kinds(target: &Target) -> Vec<Probe> {
    let said = Answer::saying(&target.forbidden);
    let mut probes = everywhere(
        target,
        "whole for a stream, stream for a whole",
        &said.clone().but(Oddity::OtherKind),
    );
    for kind in [
        "text/plain",
        "application/octet-stream",
        "text/html",
        "application/x-ndjson",
    ] {
        probes.extend(everywhere(
            target,
            kind,
            &said.clone().but(Oddity::Typed(kind)),
        ));
    }
    probes
}

fn again(target: &Target) -> Vec<Probe> {
    let places = ["once", "twice", "three times"];
    let answer = Answer::saying(&target.forbidden);
    places
        .iter()
        .flat_map(|place| everywhere(target, place, &answer))
        .collect()
}
