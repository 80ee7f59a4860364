//! The demo adapter: a deterministic script in this process. No model is involved, and its plain
//! answer says so. It exists so that the whole path can be watched, and tested, with nothing
//! installed; [`script`] lists the words that trigger its answers, good and planted bad ones.
//!
//! It keeps the contract of a real server: several small chunks, tool calls in fragments, a finish
//! reason for each choice, token counts (one token is one chunk; a prompt token is one word),
//! `max_tokens`, and the caller's deadline. The same chat always gets the same events, whether it
//! asks for a stream or not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::answer::{Answer, Event, EventSource, FinishReason, Remarks, Usage};
use crate::chat::Chat;
use crate::embed::{Embed, Embedded};
use crate::error::{Clock, Failure, ProtocolFault, UpstreamError};
use crate::upstream::{BoxFuture, Upstream};

mod script;
mod vectors;

use script::{Ending, Piece, Script, Start, Track};

/// Answers from a script. Cannot fail to be built, needs nothing.
#[derive(Clone, Debug)]
pub struct Demo {
    name: String,
}

impl Demo {
    /// A demo upstream called `name` in logs and metrics.
    pub fn new(name: impl Into<String>) -> Demo {
        Demo { name: name.into() }
    }
}

impl Upstream for Demo {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(
        &'a self,
        chat: Chat,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, UpstreamError>> {
        Box::pin(begin(chat, deadline))
    }

    fn embed<'a>(
        &'a self,
        embed: Embed,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Embedded, UpstreamError>> {
        Box::pin(embedded(embed, deadline))
    }

    fn count<'a>(&'a self, chat: Chat, _: Instant) -> BoxFuture<'a, Result<Usage, UpstreamError>> {
        Box::pin(async move { Ok(counted(script::words_of_prompt(&chat))) })
    }
}

async fn embedded(embed: Embed, deadline: Instant) -> Result<Embedded, UpstreamError> {
    let asked = embed.input.join("\n");
    match script::start(&asked) {
        Start::AtOnce => vectors::of(&embed).ok_or_else(|| ProtocolFault::Oversized.into()),
        Start::Refused(failure) => Err(failure.into()),
        Start::Silent => Err(silence(deadline).await.into()),
    }
}

/// The token counts of a prompt of so many words.
fn counted(words: u64) -> Usage {
    Usage {
        input: words,
        output: 0,
        estimated: false,
    }
}

async fn begin(chat: Chat, deadline: Instant) -> Result<Answer, UpstreamError> {
    let Script { start, tracks } = script::choose(&chat);
    match start {
        Start::AtOnce => {}
        Start::Refused(failure) => return Err(failure.into()),
        Start::Silent => return Err(silence(deadline).await.into()),
    }
    let player = Player::new(tracks, &chat, deadline);
    Ok(Answer::new(None, Box::new(player)))
}

/// Waits as a hung server would make a real adapter wait.
async fn silence(deadline: Instant) -> Failure {
    let first_byte = Instant::now() + FIRST_BYTE;
    sleep_until(first_byte.min(deadline)).await;
    let clock = if deadline < first_byte {
        Clock::Whole
    } else {
        Clock::FirstByte
    };
    Failure::Timeout(clock)
}

/// Plays the tracks of all choices in turns, one piece each.
struct Player {
    tracks: Vec<Playing>,
    /// Whose turn it is.
    turn: usize,
    tokens_max: u64,
    usage: Usage,
    usage_told: bool,
    /// Runs out when the next piece is due; `None` when it is due at once.
    due: Option<Pin<Box<Sleep>>>,
    whole: Pin<Box<Sleep>>,
}

struct Playing {
    track: Track,
    played: u64,
    finished: bool,
}

impl Player {
    fn new(tracks: Vec<Track>, chat: &Chat, deadline: Instant) -> Player {
        let playing = |track| Playing {
            track,
            played: 0,
            finished: false,
        };
        Player {
            tracks: tracks.into_iter().map(playing).collect(),
            turn: 0,
            tokens_max: chat.sampling.max_tokens.map_or(u64::MAX, u64::from),
            usage: counted(script::words_of_prompt(chat)),
            usage_told: false,
            due: None,
            whole: Box::pin(sleep_until(deadline)),
        }
    }

    /// What happens next; `None` at the end.
    fn step(&mut self) -> Option<Result<Event, UpstreamError>> {
        let count = self.tracks.len();
        let turns = (self.turn..self.turn + count).map(|turn| turn % count);
        for turn in turns {
            let Some(playing) = self.tracks.get_mut(turn).filter(|one| !one.finished) else {
                continue;
            };
            self.turn = (turn + 1) % count;
            let choice = u32::try_from(turn).unwrap_or(u32::MAX);
            let event = playing.step(choice, self.tokens_max);
            if matches!(event, Ok(Event::Text { .. } | Event::ToolCall { .. })) {
                self.usage.output += 1;
                let pause = playing.track.pause;
                self.due = (!pause.is_zero()).then(|| Box::pin(sleep(pause)));
            }
            return Some(event);
        }
        if self.usage_told {
            return None;
        }
        self.usage_told = true;
        Some(Ok(Event::Usage(self.usage)))
    }
}

impl Playing {
    fn step(&mut self, choice: u32, tokens_max: u64) -> Result<Event, UpstreamError> {
        if self.played >= tokens_max {
            return Ok(self.finish(choice, FinishReason::Length));
        }
        let Some(piece) = self.track.piece(self.played) else {
            return match &self.track.ending {
                Ending::Finish(reason) => {
                    let reason = reason.clone();
                    Ok(self.finish(choice, reason))
                }
                Ending::Cut => Err(Failure::Incomplete.into()),
            };
        };
        self.played += 1;
        Ok(piece.into_event(choice))
    }

    fn finish(&mut self, choice: u32, reason: FinishReason) -> Event {
        self.finished = true;
        Event::Finish { choice, reason }
    }
}

impl EventSource for Player {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, UpstreamError>>> {
        if self.whole.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Failure::Timeout(Clock::Whole).into())));
        }
        if let Some(due) = &mut self.due {
            ready!(due.as_mut().poll(context));
        }
        Poll::Ready(self.step())
    }

    fn remarks(&self) -> Remarks {
        remarks()
    }
}

fn remarks() -> Remarks {
    Remarks {
        model: Some("demo".to_owned()),
        attempts: 1,
        ..Remarks::default()
    }
}

impl Piece {
    fn into_event(self, choice: u32) -> Event {
        match self {
            Piece::Text(field, text) => Event::Text {
                choice,
                field,
                text,
            },
            Piece::CallBegins { id, name } => Event::ToolCall {
                choice,
                index: 0,
                id: Some(id),
                name: Some(name),
                arguments: String::new(),
            },
            Piece::CallGoesOn(arguments) => Event::ToolCall {
                choice,
                index: 0,
                id: None,
                name: None,
                arguments,
            },
        }
    }
}

/// What the adapters for real servers allow by default.
const FIRST_BYTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
