//! What the demo says to what.
//!
//! The first trigger word in the newest user message decides, upper or lower case. A conversation
//! that ends with a tool's result gets the closing sentence, so that tool loops end.
//!
//! | word | answer |
//! |---|---|
//! | (none known) | says that it is a script, and which words it knows |
//! | `weather` | a tool call of `get_weather` |
//! | `person` | made-up personal data: an SSN never issued, a reserved mail domain, a 555 number |
//! | `secret` | the AWS documentation key, in one piece |
//! | `unicode` | characters of one to four bytes, one per chunk |
//! | `nothing` | an empty answer |
//! | `repeat` | the newest user message, as it arrived here |
//! | `slow` | 40 words, 25 ms apart |
//! | `forever` | words without end, 2 ms apart |
//! | `leak` | the AWS documentation key, three characters at a time; in the *second* choice if there are several, in the reasoning, the refusal or the arguments of a tool call if the message also says `reasoning`, `refusal` or `arguments` |
//! | `erase` | a tool call of `run_sql` whose arguments, in fragments, drop a table |
//! | `upstream-down` | no answer: status 503 |
//! | `upstream-silent` | no answer: the first-byte clock runs out |
//! | `upstream-cut` | half an answer, then an end without proof |
//!
//! The words that `make_tiny_gguf.py` knows mean the same here, so one test suite can run against
//! this script and against a real server.

use std::time::Duration;

use crate::answer::{FinishReason, TextField};
use crate::chat::{Chat, Message, Role};
use crate::error::Failure;

/// How to answer one chat.
pub(super) struct Script {
    pub(super) start: Start,
    /// One per choice.
    pub(super) tracks: Vec<Track>,
}

/// What happens before the first event.
pub(super) enum Start {
    AtOnce,
    Silent,
    Refused(Failure),
}

/// One choice.
#[derive(Clone)]
pub(super) struct Track {
    pieces: Vec<Piece>,
    /// Begins anew when it is through.
    endless: bool,
    /// Between two pieces.
    pub(super) pause: Duration,
    pub(super) ending: Ending,
}

/// One chunk.
#[derive(Clone)]
pub(super) enum Piece {
    Text(TextField, String),
    CallBegins { id: String, name: String },
    CallGoesOn(String),
}

/// What happens after the last piece.
#[derive(Clone)]
pub(super) enum Ending {
    Finish(FinishReason),
    Cut,
}

/// The script for this chat.
pub(super) fn choose(chat: &Chat) -> Script {
    let asked = newest_user_text(chat);
    let words = words(&asked);
    let trigger = first_trigger(&words);
    let start = start_of(trigger);
    let choices = chat.sampling.n.clamp(1, CHOICES_MAX);
    let tracks = match trigger {
        _ if ends_with_tool_result(chat) => same_for_all(choices, text(CLOSING)),
        Some(Trigger::Leak) => leaks(choices, &words),
        Some(trigger) => same_for_all(choices, trigger.track(&asked)),
        None => same_for_all(choices, text(PLAIN)),
    };
    Script { start, tracks }
}

/// What happens first, when these words are asked.
pub(super) fn start(asked: &str) -> Start {
    start_of(first_trigger(&words(asked)))
}

fn start_of(trigger: Option<Trigger>) -> Start {
    match trigger {
        Some(Trigger::Down) => Start::Refused(Failure::Status {
            status: 503,
            vendor_code: None,
        }),
        Some(Trigger::Silent) => Start::Silent,
        _ => Start::AtOnce,
    }
}

fn first_trigger(words: &[String]) -> Option<Trigger> {
    words.iter().find_map(|word| Trigger::named(word))
}

/// What this prompt costs, in words.
pub(super) fn words_of_prompt(chat: &Chat) -> u64 {
    let texts = chat.messages.iter().flat_map(|message| &message.content);
    texts
        .map(|text| text.split_whitespace().count() as u64)
        .sum()
}

#[derive(Clone, Copy)]
enum Trigger {
    Weather,
    Person,
    Secret,
    Unicode,
    Nothing,
    Repeat,
    Slow,
    Forever,
    Leak,
    Erase,
    Down,
    Silent,
    Cut,
}

impl Trigger {
    fn named(word: &str) -> Option<Trigger> {
        Some(match word {
            "weather" => Trigger::Weather,
            "person" => Trigger::Person,
            "secret" => Trigger::Secret,
            "unicode" => Trigger::Unicode,
            "nothing" => Trigger::Nothing,
            "repeat" => Trigger::Repeat,
            "slow" => Trigger::Slow,
            "forever" => Trigger::Forever,
            "leak" => Trigger::Leak,
            "erase" => Trigger::Erase,
            "upstream-down" => Trigger::Down,
            "upstream-silent" => Trigger::Silent,
            "upstream-cut" => Trigger::Cut,
            _ => return None,
        })
    }

    fn track(self, asked: &str) -> Track {
        match self {
            Trigger::Weather => call("get_weather", r#"{"city": "Paris"}"#),
            Trigger::Person => text(PERSON),
            Trigger::Secret => text(SECRET),
            Trigger::Unicode => spoken(TextField::Content, split_chars(UNICODE, 1)),
            Trigger::Nothing => text(""),
            Trigger::Repeat => text(asked),
            Trigger::Slow => Track {
                pause: Duration::from_millis(25),
                ..text(&SLOW.repeat(8))
            },
            Trigger::Forever => Track {
                endless: true,
                pause: Duration::from_millis(2),
                ..text(FOREVER)
            },
            Trigger::Leak => spoken(TextField::Content, split_chars(SECRET, LEAK_CHARS)),
            Trigger::Erase => call("run_sql", r#"{"query":"DROP TABLE benefits; --"}"#),
            Trigger::Cut => Track {
                ending: Ending::Cut,
                ..text(CUT)
            },
            Trigger::Down | Trigger::Silent => text(PLAIN),
        }
    }
}

impl Track {
    /// The piece after `played` pieces.
    pub(super) fn piece(&self, played: u64) -> Option<Piece> {
        let count = self.pieces.len() as u64;
        let at = if self.endless {
            played.checked_rem(count)?
        } else {
            played
        };
        self.pieces.get(usize::try_from(at).ok()?).cloned()
    }
}

/// The key in the second choice, or the only one, in the field that the message names.
fn leaks(choices: u32, words: &[String]) -> Vec<Track> {
    let says = |word: &str| words.iter().any(|one| one == word);
    let leak = if says("arguments") {
        call("save_note", &format!(r#"{{"note": "{SECRET}"}}"#))
    } else if says("reasoning") {
        and_then_plain(TextField::Reasoning)
    } else if says("refusal") {
        spoken(TextField::Refusal, split_chars(SECRET, LEAK_CHARS))
    } else {
        spoken(TextField::Content, split_chars(SECRET, LEAK_CHARS))
    };
    let mut tracks = same_for_all(choices - 1, text(PLAIN));
    tracks.insert(tracks.len().min(1), leak);
    tracks
}

/// The key in `field`, then the plain answer.
fn and_then_plain(field: TextField) -> Track {
    let mut track = spoken(field, split_chars(SECRET, LEAK_CHARS));
    track.pieces.extend(text(PLAIN).pieces);
    track
}

fn same_for_all(choices: u32, track: Track) -> Vec<Track> {
    (0..choices).map(|_| track.clone()).collect()
}

fn text(words: &str) -> Track {
    let pieces = words.split_inclusive(' ').map(str::to_owned).collect();
    spoken(TextField::Content, pieces)
}

fn spoken(field: TextField, pieces: Vec<String>) -> Track {
    Track {
        pieces: pieces
            .into_iter()
            .map(|piece| Piece::Text(field, piece))
            .collect(),
        endless: false,
        pause: Duration::ZERO,
        ending: Ending::Finish(FinishReason::Stop),
    }
}

/// One tool call, its arguments in fragments of four characters.
fn call(name: &str, arguments: &str) -> Track {
    let begins = Piece::CallBegins {
        id: format!("call_demo_{name}"),
        name: name.to_owned(),
    };
    let fragments = split_chars(arguments, 4).into_iter();
    Track {
        pieces: std::iter::once(begins)
            .chain(fragments.map(Piece::CallGoesOn))
            .collect(),
        endless: false,
        pause: Duration::ZERO,
        ending: Ending::Finish(FinishReason::ToolCalls),
    }
}

fn split_chars(text: &str, chars: usize) -> Vec<String> {
    let all: Vec<char> = text.chars().collect();
    all.chunks(chars)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn newest_user_text(chat: &Chat) -> String {
    let newest = |message: &&Message| message.role == Role::User;
    let message = chat.messages.iter().rev().find(newest);
    message.map_or_else(String::new, |message| message.content.join("\n"))
}

fn ends_with_tool_result(chat: &Chat) -> bool {
    chat.messages
        .last()
        .is_some_and(|message| message.role == Role::Tool)
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-')
        .map(str::to_lowercase)
        .collect()
}

const PLAIN: &str = "Hello from the Portcullis demo. This is a script, not a model: no Llama is \
    running behind this gateway. It knows a few words, such as weather, person, secret, slow, leak \
    and erase; say one to see what happens.";
const PERSON: &str =
    "Reach Jane Roe at jane.roe@example.com or 202-555-0143; her number is 078-05-1120.";
const SECRET: &str = "The key is AKIAIOSFODNN7EXAMPLE and must never leave.";
const UNICODE: &str = "caf\u{e9} \u{65e5}\u{672c}\u{1f600} ok";
const CLOSING: &str = "Thanks, the tool says it is sunny in Paris today.";
const SLOW: &str = "one word after another ";
const FOREVER: &str = "tick tock round and round again it goes ";
const CUT: &str = "This answer stops in the middle of";

/// What OpenAI's API allows.
const CHOICES_MAX: u32 = 128;

/// So that no chunk holds a recognisable part of the key.
const LEAK_CHARS: usize = 3;

#[cfg(test)]
mod tests;
