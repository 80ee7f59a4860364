//! From the bytes of a response body to events. Pure: no clock, no socket, no allocation that the
//! limits do not bound.
//!
//! Invariants: events, and the failure after them, do not depend on how the bytes are cut. An answer
//! is complete only once its end is proved:
//!
//! - a stream by `data: [DONE]`, a document by being one complete JSON object, and
//! - by at least one choice, and a finish reason for every choice that appeared.
//!
//! A server that answers with fewer choices than were asked for is taken at its word; one that
//! answers with others is not. Nothing after the proof is ever turned into an event.

use std::collections::VecDeque;

use crate::answer::{Event, Remarks};
use crate::error::{Failure, ProtocolFault, UpstreamError};
use crate::openai::vendor::VendorError;
use crate::sse::{self, Frame};

mod assembly;
mod shape;

use assembly::Assembly;
use shape::Chunk;

/// How a response body is framed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// `text/event-stream`: chunks with deltas.
    Stream,
    /// `application/json`: one document with messages.
    Document,
}

/// What an answer must keep to.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many choices were asked for.
    pub choices: u32,
    /// Longest event of a stream.
    pub event_bytes_max: usize,
    /// Longest body.
    pub answer_bytes_max: u64,
    /// What to report as input tokens if the server reports none.
    pub input_tokens_at_most: u64,
}

/// Decodes one answer.
#[derive(Debug)]
pub struct Decoder {
    input: Input,
    bytes_left: u64,
    /// Chunks or documents understood so far.
    chunks: u64,
    complete: bool,
    spoke_after_end: bool,
    assembly: Assembly,
}

#[derive(Debug)]
enum Input {
    Stream {
        parser: sse::Parser,
        frames: VecDeque<Frame>,
        /// Frames taken out of the parser.
        taken: u64,
    },
    Document(Vec<u8>),
}

impl Decoder {
    /// A decoder for one answer.
    pub fn new(format: Format, limits: Limits) -> Decoder {
        let input = match format {
            Format::Stream => Input::Stream {
                parser: sse::Parser::new(limits.event_bytes_max),
                frames: VecDeque::new(),
                taken: 0,
            },
            Format::Document => Input::Document(Vec::new()),
        };
        Decoder {
            input,
            bytes_left: limits.answer_bytes_max,
            chunks: 0,
            complete: false,
            spoke_after_end: false,
            assembly: Assembly::new(limits),
        }
    }

    /// Reads more of the body and appends the events in it.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer, after the events before that were appended. The decoder is of
    /// no use afterwards.
    pub fn push(
        &mut self,
        bytes: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        let fitting =
            usize::try_from(self.bytes_left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (bytes, rest) = bytes.split_at(fitting);
        self.bytes_left -= fitting as u64;
        match &mut self.input {
            Input::Document(document) => document.extend_from_slice(bytes),
            Input::Stream { parser, frames, .. } => {
                let parsed = parser.push(bytes, frames);
                self.take_frames(events)?;
                self.unless_complete(parsed.map_err(UpstreamError::from))?;
            }
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.unless_complete(Err(ProtocolFault::Oversized.into()))
    }

    /// Says that the body is over.
    ///
    /// # Errors
    ///
    /// As [`Decoder::push`]; [`Failure::Incomplete`] if the end is not proved.
    pub fn finish(&mut self, events: &mut VecDeque<Event>) -> Result<(), UpstreamError> {
        match &mut self.input {
            Input::Document(document) => {
                let document = std::mem::take(document);
                self.take_document(&document, events)
            }
            Input::Stream { parser, frames, .. } => {
                let parsed = parser.finish(frames);
                self.take_frames(events)?;
                self.unless_complete(parsed.map_err(UpstreamError::from))?;
                if self.complete {
                    return Ok(());
                }
                Err(Failure::Incomplete.into())
            }
        }
    }

    /// Whether the end is proved; no more events follow.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many chunks were understood so far: the sign of life that the clocks go by.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// What was noticed so far.
    pub fn remarks(&self) -> Remarks {
        Remarks {
            spoke_after_end: self.spoke_after_end,
            ..self.assembly.remarks()
        }
    }

    /// Once the end is proved, nothing can spoil the answer any more; it is only noted.
    fn unless_complete(&mut self, result: Result<(), UpstreamError>) -> Result<(), UpstreamError> {
        if self.complete && result.is_err() {
            self.spoke_after_end = true;
            return Ok(());
        }
        result
    }

    fn take_frames(&mut self, events: &mut VecDeque<Event>) -> Result<(), UpstreamError> {
        while let Some(frame) = self.next_frame() {
            if self.complete {
                self.spoke_after_end = true;
            } else {
                self.take_frame(&frame, events)?;
            }
        }
        if let Input::Stream { parser, taken, .. } = &self.input {
            let noise_after_all = parser.last_noise().is_some_and(|frames| frames >= *taken);
            self.spoke_after_end |= self.complete && noise_after_all;
        }
        Ok(())
    }

    fn next_frame(&mut self) -> Option<Frame> {
        let Input::Stream { frames, taken, .. } = &mut self.input else {
            return None;
        };
        let frame = frames.pop_front()?;
        *taken += 1;
        Some(frame)
    }

    fn take_frame(
        &mut self,
        frame: &Frame,
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        let data = frame.data.trim();
        if data.is_empty() {
            return Ok(());
        }
        if data == "[DONE]" {
            self.assembly.close(events)?;
            self.complete = true;
            return Ok(());
        }
        if frame.event == "error" {
            return Err(VendorError::read(data.as_bytes()).under_status_200());
        }
        let chunk = parse(data.as_bytes())?;
        self.assembly.add_chunk(chunk, events)?;
        self.chunks += 1;
        Ok(())
    }

    fn take_document(
        &mut self,
        document: &[u8],
        events: &mut VecDeque<Event>,
    ) -> Result<(), UpstreamError> {
        if document.is_empty() {
            return Err(Failure::Incomplete.into());
        }
        std::str::from_utf8(document).map_err(|_| ProtocolFault::NotUtf8)?;
        let chunk = parse(document)?;
        self.assembly.add_document(chunk, events)?;
        self.assembly.close(events)?;
        self.chunks += 1;
        self.complete = true;
        Ok(())
    }
}

/// One JSON object of an answer, or the error that it holds instead.
fn parse(json: &[u8]) -> Result<shape::Read<Chunk>, UpstreamError> {
    let chunk: shape::Read<Chunk> = serde_json::from_slice(json).map_err(|error| {
        let words = format!("{error}: {}", String::from_utf8_lossy(json));
        UpstreamError::new(Failure::Protocol(ProtocolFault::BadJson), &words)
    })?;
    if chunk.known.is_error() {
        return Err(VendorError::read(json).under_status_200());
    }
    Ok(chunk)
}

impl From<sse::Fault> for UpstreamError {
    fn from(fault: sse::Fault) -> UpstreamError {
        match fault {
            sse::Fault::Oversized => ProtocolFault::Oversized.into(),
            sse::Fault::NotUtf8 => ProtocolFault::NotUtf8.into(),
        }
    }
}

#[cfg(test)]
mod tests;
