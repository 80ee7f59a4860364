//! What an answer has said so far, and which events follow from the next piece of it.
//!
//! Memory is one small record per choice and per tool call, both bounded; texts pass through.

use std::collections::{BTreeMap, VecDeque};

use crate::answer::{Event, FinishReason, Remarks, TextField, Usage};
use crate::error::{Failure, ProtocolFault, UpstreamError, cut};
use crate::openai::decode::Limits;
use crate::openai::decode::shape::{self, Read};

/// The state of one answer.
#[derive(Debug)]
pub(super) struct Assembly {
    limits: Limits,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
    /// Bytes of all texts, tool names and arguments.
    output_bytes: u64,
    stripped: u64,
    model: Option<String>,
}

#[derive(Debug, Default)]
struct Choice {
    finished: Option<FinishReason>,
    calls: BTreeMap<u32, Call>,
}

#[derive(Debug, Default)]
struct Call {
    id: Option<String>,
    name: Option<String>,
}

impl Assembly {
    pub(super) fn new(limits: Limits) -> Assembly {
        Assembly {
            limits,
            choices: BTreeMap::new(),
            usage: None,
            output_bytes: 0,
            stripped: 0,
            model: None,
        }
    }

    /// One chunk of a stream.
    pub(super) fn add_chunk(
        &mut self,
        chunk: Read<shape::Chunk>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        for choice in self.add_envelope(chunk) {
            self.stripped += choice.stripped + u64::from(choice.known.message.is_some());
            let shape::Choice {
                index,
                delta,
                finish_reason,
                ..
            } = choice.known;
            self.add_choice(index.unwrap_or(0), delta, finish_reason, events)?;
        }
        Ok(())
    }

    /// The whole answer in one document.
    pub(super) fn add_document(
        &mut self,
        document: Read<shape::Chunk>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        for choice in self.add_envelope(document) {
            self.stripped += choice.stripped + u64::from(choice.known.delta.is_some());
            let shape::Choice {
                index,
                message,
                finish_reason,
                ..
            } = choice.known;
            let index = index.unwrap_or(0);
            if self.choices.contains_key(&index) {
                return Err(ProtocolFault::UnexpectedChoice.into());
            }
            self.add_choice(index, message, finish_reason, events)?;
        }
        Ok(())
    }

    /// Ends the answer, if its end is proved.
    pub(super) fn close(&mut self, events: &mut VecDeque<Event>) -> Result<(), UpstreamError> {
        if self.choices.is_empty() {
            return Err(ProtocolFault::EmptyAnswer.into());
        }
        if self
            .choices
            .values()
            .any(|choice| choice.finished.is_none())
        {
            return Err(Failure::Incomplete.into());
        }
        events.push_back(Event::Usage(self.usage.unwrap_or_else(|| self.estimate())));
        Ok(())
    }

    pub(super) fn remarks(&self) -> Remarks {
        Remarks {
            stripped: self.stripped,
            model: self.model.clone(),
            ..Remarks::default()
        }
    }

    /// Notes what a chunk says about the answer as a whole, and hands out its choices.
    fn add_envelope(&mut self, chunk: Read<shape::Chunk>) -> Vec<Read<shape::Choice>> {
        self.stripped += chunk.stripped;
        if let (None, Some(model)) = (&self.model, chunk.known.model) {
            self.model = Some(cut(&model, MODEL_BYTES_MAX).to_owned());
        }
        if let Some(usage) = chunk.known.usage {
            self.stripped += usage.stripped;
            // Some servers count on in every chunk: the last one stands.
            self.usage = exact(&usage.known).or(self.usage);
        }
        chunk.known.choices.unwrap_or_default()
    }

    fn add_choice(
        &mut self,
        choice: u32,
        text: Option<Read<shape::Text>>,
        finish_reason: Option<String>,
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        if choice >= self.limits.choices {
            return Err(ProtocolFault::UnexpectedChoice.into());
        }
        self.choices.entry(choice).or_default();
        if let Some(text) = text {
            self.stripped += text.stripped;
            self.add_text(choice, text.known, events)?;
        }
        // Some servers write "" where others write null.
        match finish_reason.filter(|reason| !reason.is_empty()) {
            Some(reason) => self.finish(choice, finish_reason_of(&reason), events),
            None => Ok(()),
        }
    }

    fn add_text(
        &mut self,
        choice: u32,
        text: shape::Text,
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        // Some servers write the same thinking under both names.
        let second = text
            .reasoning
            .filter(|text_2| text.reasoning_content.as_ref() != Some(text_2));
        let pieces = [
            (TextField::Reasoning, text.reasoning_content),
            (TextField::Reasoning, second),
            (TextField::Refusal, text.refusal),
            (TextField::Content, text.content),
        ];
        for (field, text) in pieces {
            let Some(text) = text.filter(|text| !text.is_empty()) else {
                continue;
            };
            self.check_unfinished(choice)?;
            self.output_bytes += text.len() as u64;
            events.push_back(Event::Text {
                choice,
                field,
                text,
            });
        }
        for (place, call) in text.tool_calls.into_iter().flatten().enumerate() {
            self.check_unfinished(choice)?;
            self.stripped += call.stripped;
            self.add_call(choice, place, call.known, events)?;
        }
        Ok(())
    }

    /// A piece of a tool call; documents, and some servers, leave the index to the place in the list.
    fn add_call(
        &mut self,
        choice: u32,
        place: usize,
        piece: shape::Call,
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let index = piece.index.unwrap_or(place);
        if index >= TOOL_CALLS_MAX {
            return Err(ProtocolFault::BadToolCall.into());
        }
        let calls = &mut self.choices.entry(choice).or_default().calls;
        let call = calls.entry(index).or_default();
        let function = piece.function.unwrap_or_default();
        self.stripped += function.stripped;
        let id = told_once(&mut call.id, piece.id)?;
        if id.as_deref().is_some_and(|id| !is_tool_call_id(id)) {
            return Err(ProtocolFault::BadToolCall.into());
        }
        let name = told_once(&mut call.name, function.known.name)?;
        let arguments = function.known.arguments.unwrap_or_default();
        let name_bytes = name.as_ref().map_or(0, String::len);
        self.output_bytes += (name_bytes + arguments.len()) as u64;
        if id.is_some() || name.is_some() || !arguments.is_empty() {
            events.push_back(Event::ToolCall {
                choice,
                index,
                id,
                name,
                arguments,
            });
        }
        Ok(())
    }

    fn finish(
        &mut self,
        choice: u32,
        reason: FinishReason,
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        let state = self.choices.entry(choice).or_default();
        match &state.finished {
            // Some servers say it again beside the usage.
            Some(before) if *before == reason => Ok(()),
            Some(_) => Err(ProtocolFault::AfterFinish.into()),
            None => {
                state.finished = Some(reason.clone());
                events.push_back(Event::Finish { choice, reason });
                Ok(())
            }
        }
    }

    fn check_unfinished(&self, choice: u32) -> Result<(), UpstreamError> {
        let state = self.choices.get(&choice);
        match state.and_then(|state| state.finished.as_ref()) {
            Some(_) => Err(ProtocolFault::AfterFinish.into()),
            None => Ok(()),
        }
    }

    /// Upper bounds: a byte-level tokenizer makes at most one token of a byte, and each choice ends
    /// with one more.
    fn estimate(&self) -> Usage {
        Usage {
            input: self.limits.input_tokens_at_most,
            output: self.output_bytes + self.choices.len() as u64,
            estimated: true,
        }
    }
}

/// A value that some servers repeat in every chunk: it comes out the first time, and must not change.
fn told_once(
    known: &mut Option<String>,
    told: Option<String>,
) -> Result<Option<String>, UpstreamError> {
    let Some(told) = told.filter(|told| !told.is_empty()) else {
        return Ok(None);
    };
    match known {
        Some(known) if *known == told => Ok(None),
        Some(_) => Err(ProtocolFault::BadToolCall.into()),
        None => {
            *known = Some(told.clone());
            Ok(Some(told))
        }
    }
}

fn exact(usage: &shape::Usage) -> Option<Usage> {
    Some(Usage {
        input: usage.prompt_tokens?,
        output: usage.completion_tokens?,
        estimated: false,
    })
}

fn finish_reason_of(reason: &str) -> FinishReason {
    match reason {
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        other => FinishReason::Other(cut(other, FINISH_REASON_BYTES_MAX).to_owned()),
    }
}

fn is_tool_call_id(id: &str) -> bool {
    id.len() <= TOOL_CALL_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// As many as OpenAI's API lets a request declare.
const TOOL_CALLS_MAX: u32 = 128;
const TOOL_CALL_ID_BYTES_MAX: usize = 128;
const FINISH_REASON_BYTES_MAX: usize = 64;
const MODEL_BYTES_MAX: usize = 128;
