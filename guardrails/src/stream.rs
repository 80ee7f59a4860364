//! Judging an answer while it grows, and releasing of it what has been judged.
//!
//! The promise: **no byte leaves before every detector of the profile has judged it, and which bytes leave depends on
//! the text alone**, not on how it was cut into chunks, nor on time. How it is kept:
//!
//! 1. *Cuts* ([`cuts`]) are places that the content decides: the ends of words. Judgement happens only at cuts, and sees
//!    only the text before the cut. So the state at a cut is a function of the text before it.
//! 2. At a cut, deterministic detectors have *settled* everything before the first place where a candidate is still open
//!    ([`crate::scan`]): whatever may follow, nothing before that place changes. That much may leave, redacted.
//! 3. If a classifier may block, nothing leaves beyond the last window that it has judged ([`windows`]).
//! 4. When something blocks at a cut, what had been settled at the cut before has left, and nothing more ever does.
//!
//! Several cuts in one chunk are judged at once, at the last of them: settled hits only ever grow in number, so if nothing
//! blocks there, nothing blocked before. If something does, the chunk is judged again cut by cut, so that rule 4 gives
//! the same bytes as it would have given one cut at a time.
//!
//! Tool arguments are JSON that means nothing until it is whole: they are held until their end (bounded by
//! [`HELD_MAX`](crate::HELD_MAX)) and judged by [`crate::arguments`].
//!
//! Bounds per channel: the text of one open candidate (at most the longest `max_span`, 8 KiB) plus one classifier window
//! plus one word; over all channels [`CHANNELS_MAX`](crate::CHANNELS_MAX) times that.
//!
//! *Escapes*: an answer's text may be JSON (asked for with `response_format`, or not), but it is not known to be before
//! its end, so it is judged as it is written and, from its first backslash on, once more with its escapes read (see
//! [`crate::growing`]; a classifier's window that holds a backslash is scored in both readings, and the higher score
//! counts). So `\n078-05-1120`, `\u0030\u0037\u0038-05-1120` and the same in JSON inside JSON are found, in a whole answer
//! as in a stream, and a mask replaces whole escapes. At most one escape is held back for its end.
//!
//! What it cannot do: in an answer's text (not in tool arguments) hidden characters that are spelled as escapes are not
//! reported, a number that is masked is no longer JSON, and a hit that only looks like one because `\n` is the beginning
//! of a folder's name is a hit. A secret that is spread over two channels, or over several strings of a JSON answer, is
//! not put together; a classifier sees a window, never the whole answer.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::arguments;
use crate::engine::{Chosen, Inner};
use crate::judge::Where;
use crate::screen;
use crate::tally::Tally;
use crate::{
    Action, CHANNELS_MAX, Channel, Field, HELD_MAX, Released, Report, Stage, StopReason, Stopped,
    Undecided,
};

mod channel;
mod cuts;
mod windows;

use channel::TextChannel;

#[cfg(test)]
mod tests;

/// The judgement of one answer: all its choices and fields, each as it grows.
pub struct AnswerScreen {
    inner: Arc<Inner>,
    profile: Chosen,
    channels: HashMap<Channel, State>,
    tally: Tally,
    /// Set while a call is under way too, so that a dropped call stops the stream.
    stopped: Option<StopReason>,
}

enum State {
    /// Released as it grows.
    Text(Box<TextChannel>),
    /// Held until its end.
    Whole(String),
    Finished,
}

impl AnswerScreen {
    pub(crate) fn new(inner: Arc<Inner>, profile: Chosen) -> AnswerScreen {
        AnswerScreen {
            inner,
            profile,
            channels: HashMap::new(),
            tally: Tally::new(Stage::Answer, profile.strict),
            stopped: None,
        }
    }

    /// Takes more text of a channel and gives what may leave of it now: often nothing.
    ///
    /// Not cancel safe: dropping the future stops the stream ([`Undecided::Abandoned`]), since nobody can say how much
    /// of the text was judged.
    ///
    /// # Errors
    /// [`Stopped`] when a rule blocks or no verdict can be reached; every later call fails for the same reason.
    pub async fn push(
        &mut self,
        channel: Channel,
        text: &str,
        deadline: Instant,
    ) -> Result<Released, Stopped> {
        self.guarded(channel, text, false, deadline).await
    }

    /// Ends a channel and gives the rest of its text. Finishing twice, or a channel that never began, gives nothing.
    ///
    /// Not cancel safe, as [`AnswerScreen::push`].
    ///
    /// # Errors
    /// As [`AnswerScreen::push`].
    pub async fn finish(
        &mut self,
        channel: Channel,
        deadline: Instant,
    ) -> Result<Released, Stopped> {
        if self.stopped.is_none()
            && matches!(self.channels.get(&channel), None | Some(State::Finished))
        {
            return Ok(Released::default());
        }
        self.guarded(channel, "", true, deadline).await
    }

    /// What has run and been found so far; also after a stop.
    pub fn report(&self) -> Report {
        self.tally.report().clone()
    }

    /// Bytes of original text taken but not yet judged to the end, over all channels.
    pub fn held_bytes(&self) -> usize {
        let held = self.channels.values().map(|state| match state {
            State::Text(channel) => channel.held_bytes(),
            State::Whole(text) => text.len(),
            State::Finished => 0,
        });
        held.sum()
    }

    async fn guarded(
        &mut self,
        channel: Channel,
        text: &str,
        last: bool,
        deadline: Instant,
    ) -> Result<Released, Stopped> {
        if let Some(reason) = &self.stopped {
            return Err(Stopped {
                released: String::new(),
                reason: reason.clone(),
            });
        }
        self.stopped = Some(StopReason::Undecided(Undecided::Abandoned));
        let outcome = self.grow(channel, text, last, deadline).await;
        self.stopped = outcome.as_ref().err().map(|stopped| stopped.reason.clone());
        outcome.map(|text| Released { text })
    }

    async fn grow(
        &mut self,
        channel: Channel,
        text: &str,
        last: bool,
        deadline: Instant,
    ) -> Result<String, Stopped> {
        self.open(channel)?;
        let path = channel.to_string();
        let place = Where {
            span: 0,
            path: &path,
        };
        match self.channels.get_mut(&channel) {
            Some(State::Text(state)) => {
                let plan = self
                    .inner
                    .plan(self.profile, Stage::Answer, channel.origin())?;
                let released = state
                    .grow(
                        &self.inner,
                        plan,
                        text,
                        last,
                        place,
                        deadline,
                        &mut self.tally,
                    )
                    .await?;
                if last {
                    self.channels.insert(channel, State::Finished);
                }
                Ok(released)
            }
            Some(State::Whole(held)) => {
                let bytes = held.len() + text.len();
                if bytes > HELD_MAX {
                    return Err(Undecided::HeldTooLong {
                        bytes,
                        max: HELD_MAX,
                    }
                    .into());
                }
                held.push_str(text);
                if !last {
                    return Ok(String::new());
                }
                let held = std::mem::take(held);
                self.channels.insert(channel, State::Finished);
                self.judge_arguments(channel, held, place, deadline).await
            }
            Some(State::Finished) | None => Err(Undecided::AfterEnd.into()),
        }
    }

    /// Begins a channel that has not been seen yet.
    fn open(&mut self, channel: Channel) -> Result<(), Undecided> {
        if self.channels.contains_key(&channel) {
            return Ok(());
        }
        if self.channels.len() >= CHANNELS_MAX {
            return Err(Undecided::TooManyChannels { max: CHANNELS_MAX });
        }
        let state = match channel.field {
            Field::ToolArguments(_) => State::Whole(String::new()),
            _ => {
                let plan = self
                    .inner
                    .plan(self.profile, Stage::Answer, channel.origin())?;
                State::Text(Box::new(TextChannel::new(&self.inner, plan)))
            }
        };
        self.channels.insert(channel, state);
        Ok(())
    }

    async fn judge_arguments(
        &mut self,
        channel: Channel,
        text: String,
        place: Where<'_>,
        deadline: Instant,
    ) -> Result<String, Stopped> {
        let inner = Arc::clone(&self.inner);
        let plan = inner.plan(self.profile, Stage::Answer, channel.origin())?;
        let mut judged = arguments::Judged::default();
        if !plan.detectors.is_empty() && !text.is_empty() {
            judged = arguments::judge(&inner, plan, &text, place, deadline).await?;
            inner.record(
                &mut self.tally,
                &plan.detectors,
                place.path,
                text.len(),
                judged.micros,
            );
            inner.record_findings(&mut self.tally, &judged.judgement);
        }
        if let Some(finding) = judged.judgement.blocking() {
            return Err(StopReason::Blocked(finding.clone()).into());
        }
        let readings = match plan.classifiers.is_empty() {
            true => Vec::new(),
            false => screen::readings(&text, || true),
        };
        for classifier in &plan.classifiers {
            let passages = inner.passages(classifier, &text, &readings);
            let findings = screen::score(
                &inner,
                classifier,
                &text,
                &readings,
                passages,
                place,
                deadline,
                &mut self.tally,
            )
            .await?;
            if let Some(finding) = findings
                .into_iter()
                .find(|finding| finding.action == Action::Block)
            {
                return Err(StopReason::Blocked(finding).into());
            }
        }
        Ok(judged.rewritten.unwrap_or(text))
    }
}

impl From<StopReason> for Stopped {
    fn from(reason: StopReason) -> Stopped {
        Stopped {
            released: String::new(),
            reason,
        }
    }
}

impl From<Undecided> for Stopped {
    fn from(undecided: Undecided) -> Stopped {
        StopReason::Undecided(undecided).into()
    }
}
