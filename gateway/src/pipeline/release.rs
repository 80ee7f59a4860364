//! May the answer go out? Text leaves only after every detector of the permit's profile has judged it.
//!
//! [`Screened`] turns the upstream's events into [`Piece`]s that may be shown. The last window of every choice, every
//! tool call, the finish reasons and the usage are not pieces of a step but of the [`Ending`], which the caller holds
//! until the outcome is durable.
//!
//! A blocked answer is an answer: it ends with `content_filter` for every choice that had not finished, after a sentence
//! of the operator's if there is one. A guard that
//! cannot decide, or an upstream that fails, ends it with a fault; what was judged before stays judged.
//!
//! Tool-call ids and model names of the upstream are never shown: ids are minted here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use backends::{Event, FinishReason, TextField, UpstreamError, Usage};
use guardrails::{AnswerScreen, Channel, Field, Finding, Report, StopReason, Stopped, Under};
use tokio::time::{Instant, timeout_at};

use crate::Gateway;
use crate::deadline::Deadline;
use crate::pipeline::forward::Asked;
use crate::pipeline::trail::Trail;
use crate::refusal::Refusal;

/// How long the status is held for the first window; then a stream begins with a comment.
pub const STATUS_HELD_MAX: Duration = Duration::from_secs(10);

/// An answer of which every piece that leaves has been judged.
pub struct Screened {
    asked: Asked,
    screen: AnswerScreen,
    choices: BTreeMap<u32, Choice>,
    /// What the model server said, channel by channel, as it said it; if anything of it is kept.
    said: Option<BTreeMap<Channel, String>>,
    usage: Option<Usage>,
    /// Judged while the status was held.
    waiting: Option<Step>,
    deadline: Deadline,
    guard_timeout: Duration,
    /// What is said where the answer is blocked.
    notice: Option<String>,
}

/// Something that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// More text of a choice.
    Text {
        /// which choice
        choice: u32,
        /// which of its texts
        field: TextField,
        /// the text
        text: String,
    },
    /// A whole tool call.
    ToolCall {
        /// which choice
        choice: u32,
        /// which call of that choice
        index: u32,
        /// the function
        name: String,
        /// its arguments, usually JSON
        arguments: String,
    },
    /// A choice is complete.
    Finish {
        /// which choice
        choice: u32,
        /// why
        reason: Reason,
    },
}

impl Piece {
    /// Which choice it belongs to.
    pub fn choice(&self) -> u32 {
        match self {
            Piece::Text { choice, .. }
            | Piece::ToolCall { choice, .. }
            | Piece::Finish { choice, .. } => *choice,
        }
    }
}

/// Why a choice ended, as it is told downstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was done.
    Stop,
    /// It reached its token limit.
    Length,
    /// It wants tools to be called.
    ToolCalls,
    /// A rule of ours, or the upstream's own filter, ended it.
    ContentFilter,
}

/// What happened next.
pub enum Step {
    /// These may go out now.
    Release(Vec<Piece>),
    /// Nothing until the asked moment.
    Silence,
    /// It is over.
    End(Ending),
}

/// The end of an answer: to be shown only once its outcome is durable.
pub struct Ending {
    /// The last windows, the tool calls and the finish reasons. Empty after a fault.
    pub tail: Vec<Piece>,
    /// Tokens spent, if the upstream got that far.
    pub usage: Option<Usage>,
    /// How it ended.
    pub how: How,
}

/// How an answer ended.
pub enum How {
    /// The upstream proved its end, and all of it may be shown.
    Complete,
    /// A rule blocked the rest.
    Blocked(Finding),
    /// The upstream failed, or a guard could not decide.
    Fault(Refusal),
}

/// One choice on its way.
#[derive(Default)]
struct Choice {
    texts: Vec<TextField>,
    calls: BTreeSet<u32>,
    /// Judged, and held until the end.
    held: Vec<Piece>,
    finished: bool,
    /// Words of it have been released.
    shown: bool,
    /// The model server's own word for why it ended, where it is none that we know.
    odd_reason: Option<String>,
}

/// A guard's stop, and the channel it was about.
struct Stop {
    channel: Channel,
    stopped: Stopped,
}

/// Waits, at most [`STATUS_HELD_MAX`], until something may be shown, so that a failure before that has a true status.
/// What had been checked by then is noted on the trail.
///
/// # Errors
/// The failure, if it came first.
pub async fn screened(
    gw: &Gateway,
    asked: Asked,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Screened, Refusal> {
    let rules = trail.rules();
    let screen = rules
        .guardrails
        .stream(
            Under::profile(asked.permit.profile())
                .blocking_what_it_flags(trail.wanted().blocks_answer()),
        )
        .map_err(Refusal::GuardrailUnavailable)?;
    let guard_timeout = gw.guard_timeout;
    let screened = Screened {
        asked,
        screen,
        choices: BTreeMap::new(),
        said: trail.keeps_answers().then(BTreeMap::new),
        usage: None,
        waiting: None,
        deadline,
        guard_timeout,
        notice: trail.notice(),
    };
    let mut held = Held {
        screened: Some(screened),
        trail,
    };
    let mut failed = Refusal::ShuttingDown;
    if let Some(screened) = &mut held.screened {
        match screened.step(Instant::now() + STATUS_HELD_MAX).await {
            Step::End(Ending {
                how: How::Fault(refusal),
                ..
            }) => failed = refusal,
            step => {
                screened.waiting = Some(step);
                return held.screened.take().ok_or(failed);
            }
        }
    }
    Err(failed)
}

/// An answer whose status is held. Whatever ends that but its beginning to show, the client's leaving included, what had
/// been checked by then is noted.
struct Held<'t> {
    screened: Option<Screened>,
    trail: &'t mut Trail,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(screened) = &self.screened {
            self.trail.note_checks(screened);
        }
    }
}

impl Screened {
    /// The next thing that happens, or [`Step::Silence`] at `until`. After [`Step::End`] there is nothing more.
    ///
    /// Not cancel safe: dropping the future may lose text that had been judged. Whoever drops it drops the answer.
    pub async fn step(&mut self, until: Instant) -> Step {
        if let Some(step) = self.waiting.take() {
            return step;
        }
        loop {
            let event = match timeout_at(
                until.min(self.deadline.instant()),
                self.asked.answer.next(),
            )
            .await
            {
                Ok(event) => event,
                Err(_) if until < self.deadline.instant() => return Step::Silence,
                Err(_) => return self.fault(backends::Failure::Timeout(backends::Clock::Whole)),
            };
            match self.judge(event).await {
                Ok(None) => {}
                Ok(Some(step)) => return step,
                Err(stopped) => return self.stop(stopped),
            }
        }
    }

    /// Every check that ran on this answer so far.
    pub fn report(&self) -> Report {
        self.screen.report()
    }

    /// What the model server said so far, as it said it; nothing, if nothing of it is kept.
    pub fn said(&self) -> impl Iterator<Item = (&Channel, &String)> {
        self.said.iter().flatten()
    }

    /// The model server's own words for why choices ended, where they are none that we know.
    pub fn odd_reasons(&self) -> BTreeMap<u32, String> {
        let odd = |(at, choice): (&u32, &Choice)| Some((*at, choice.odd_reason.clone()?));
        self.choices.iter().filter_map(odd).collect()
    }

    /// The id that the model server gave the request.
    pub fn vendor_id(&self) -> Option<&str> {
        self.asked.answer.vendor_request_id()
    }

    /// What the upstream said that nobody asked for.
    pub fn remarks(&self) -> backends::Remarks {
        self.asked.answer.remarks()
    }

    /// What was asked for.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// When all of it must be over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    async fn judge(
        &mut self,
        event: Option<Result<Event, UpstreamError>>,
    ) -> Result<Option<Step>, Stop> {
        match event {
            Some(Ok(Event::Text {
                choice,
                field,
                text,
            })) => {
                let state = self.choices.entry(choice).or_default();
                if !state.texts.contains(&field) {
                    state.texts.push(field);
                }
                let released = self
                    .push(
                        Channel {
                            choice,
                            field: channel_of(field),
                        },
                        &text,
                    )
                    .await?;
                if field == TextField::Content && !released.is_empty() {
                    self.choices.entry(choice).or_default().shown = true;
                }
                Ok((!released.is_empty()).then(|| {
                    Step::Release(vec![Piece::Text {
                        choice,
                        field,
                        text: released,
                    }])
                }))
            }
            Some(Ok(Event::ToolCall {
                choice,
                index,
                id: _,
                name,
                arguments,
            })) => {
                self.choices.entry(choice).or_default().calls.insert(index);
                // Nothing of a call leaves before its end: a call is acted upon whole.
                if let Some(name) = name {
                    self.push_call(choice, index, Field::ToolName(index), &name)
                        .await?;
                }
                self.push_call(choice, index, Field::ToolArguments(index), &arguments)
                    .await?;
                Ok(None)
            }
            Some(Ok(Event::Finish { choice, reason })) => {
                self.finish(choice, &reason).await?;
                Ok(None)
            }
            Some(Ok(Event::Usage(usage))) => {
                self.usage = Some(usage);
                Ok(None)
            }
            Some(Err(error)) => Ok(Some(Step::End(Ending::fault(error.into())))),
            None => Ok(Some(self.complete())),
        }
    }

    /// The upstream proved its end: what was held may go, once the outcome is durable.
    fn complete(&mut self) -> Step {
        let tail = self
            .choices
            .values_mut()
            .flat_map(|choice| std::mem::take(&mut choice.held))
            .collect();
        Step::End(Ending {
            tail,
            usage: self.usage,
            how: How::Complete,
        })
    }

    async fn push(&mut self, channel: Channel, text: &str) -> Result<String, Stop> {
        if let Some(said) = &mut self.said {
            said.entry(channel).or_default().push_str(text);
        }
        let until = self.guard_deadline();
        let pushed = self.screen.push(channel, text, until).await;
        pushed
            .map(|released| released.text)
            .map_err(|stopped| Stop { channel, stopped })
    }

    /// Text of a tool call is collected by the screen; what a name releases early is kept.
    async fn push_call(
        &mut self,
        choice: u32,
        index: u32,
        field: Field,
        text: &str,
    ) -> Result<(), Stop> {
        let released = self.push(Channel { choice, field }, text).await?;
        if !released.is_empty() {
            self.keep_call(choice, index, field, released);
        }
        Ok(())
    }

    /// Judges what is left of a choice, and holds it until the end.
    async fn finish(&mut self, choice: u32, reason: &FinishReason) -> Result<(), Stop> {
        let (texts, calls) = match self.choices.get(&choice) {
            Some(state) => (state.texts.clone(), state.calls.clone()),
            None => Default::default(),
        };
        for field in texts {
            let text = self
                .end(Channel {
                    choice,
                    field: channel_of(field),
                })
                .await?;
            if !text.is_empty() {
                self.choices
                    .entry(choice)
                    .or_default()
                    .held
                    .push(Piece::Text {
                        choice,
                        field,
                        text,
                    });
            }
        }
        for index in calls {
            for field in [Field::ToolName(index), Field::ToolArguments(index)] {
                let text = self.end(Channel { choice, field }).await?;
                self.keep_call(choice, index, field, text);
            }
        }
        let state = self.choices.entry(choice).or_default();
        state.finished = true;
        if let FinishReason::Other(word) = reason {
            state.odd_reason = Some(word.clone());
        }
        state.held.push(Piece::Finish {
            choice,
            reason: told(reason),
        });
        Ok(())
    }

    async fn end(&mut self, channel: Channel) -> Result<String, Stop> {
        let until = self.guard_deadline();
        let finished = self.screen.finish(channel, until).await;
        finished
            .map(|released| released.text)
            .map_err(|stopped| Stop { channel, stopped })
    }

    fn keep_call(&mut self, at: u32, call: u32, field: Field, more: String) {
        let held = &mut self.choices.entry(at).or_default().held;
        let same =
            |piece: &&mut Piece| matches!(piece, Piece::ToolCall { index, .. } if *index == call);
        if held.iter_mut().find(same).is_none() {
            held.push(Piece::ToolCall {
                choice: at,
                index: call,
                name: String::new(),
                arguments: String::new(),
            });
        }
        if let Some(Piece::ToolCall {
            name, arguments, ..
        }) = held.iter_mut().find(same)
        {
            match field {
                Field::ToolName(_) => name.push_str(&more),
                _ => arguments.push_str(&more),
            }
        }
    }

    /// A guard said stop. A block is an answer; not being able to decide is a fault.
    fn stop(&mut self, Stop { channel, stopped }: Stop) -> Step {
        match stopped.reason {
            StopReason::Blocked(finding) => self.block(channel, stopped.released, finding),
            StopReason::Undecided(undecided) => {
                Step::End(Ending::fault(Refusal::GuardrailUnavailable(undecided)))
            }
        }
    }

    /// Every choice that has not finished ends here; choices that had finished keep what was judged. What the stopped
    /// channel had passed before the hit still goes out, so that the bytes do not depend on how the upstream cut them.
    fn block(&mut self, channel: Channel, passed: String, finding: Finding) -> Step {
        let mut tail = Vec::new();
        if let (Some(field), false) = (text_of(channel.field), passed.is_empty()) {
            tail.push(Piece::Text {
                choice: channel.choice,
                field,
                text: passed,
            });
        }
        let blocked = self.choices.entry(channel.choice).or_default();
        blocked.shown |= channel.field == Field::Content && !tail.is_empty();
        for (at, choice) in &mut self.choices {
            if choice.finished {
                tail.append(&mut choice.held);
            } else {
                tail.extend(self.notice.as_deref().map(|notice| Piece::Text {
                    choice: *at,
                    field: TextField::Content,
                    text: format!("{}{notice}", if choice.shown { "\n\n" } else { "" }),
                }));
                tail.push(Piece::Finish {
                    choice: *at,
                    reason: Reason::ContentFilter,
                });
            }
        }
        Step::End(Ending {
            tail,
            usage: self.usage,
            how: How::Blocked(finding),
        })
    }

    fn fault(&self, failure: backends::Failure) -> Step {
        Step::End(Ending::fault(UpstreamError::from(failure).into()))
    }

    fn guard_deadline(&self) -> Instant {
        self.deadline
            .instant()
            .min(Instant::now() + self.guard_timeout)
    }
}

impl Ending {
    /// The gateway shuts down before the answer is through.
    pub fn cut_off() -> Ending {
        Ending::fault(Refusal::ShuttingDown)
    }

    fn fault(refusal: Refusal) -> Ending {
        Ending {
            tail: Vec::new(),
            usage: None,
            how: How::Fault(refusal),
        }
    }
}

impl Reason {
    /// The word of OpenAI's API.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Stop => "stop",
            Reason::Length => "length",
            Reason::ToolCalls => "tool_calls",
            Reason::ContentFilter => "content_filter",
        }
    }
}

/// A reason that we do not know is never shown as a normal end: SDKs take anything else for success.
fn told(reason: &FinishReason) -> Reason {
    match reason {
        FinishReason::Stop => Reason::Stop,
        FinishReason::Length => Reason::Length,
        FinishReason::ToolCalls => Reason::ToolCalls,
        FinishReason::ContentFilter | FinishReason::Other(_) => Reason::ContentFilter,
    }
}

fn text_of(field: Field) -> Option<TextField> {
    match field {
        Field::Content => Some(TextField::Content),
        Field::Reasoning => Some(TextField::Reasoning),
        Field::Refusal => Some(TextField::Refusal),
        // Half a call is no call.
        Field::ToolArguments(_) | Field::ToolName(_) => None,
    }
}

fn channel_of(field: TextField) -> Field {
    match field {
        TextField::Content => Field::Content,
        TextField::Reasoning => Field::Reasoning,
        TextField::Refusal => Field::Refusal,
    }
}
