//! An incremental parser of event streams (WHATWG HTML, section 9.2, "Server-sent events").
//!
//! ```text
//! : a comment                      ignored
//! event: message                   the event's name
//! data: {"choices":                data lines are joined by one newline
//! data: []}
//!                                  an empty line ends the event
//! ```
//!
//! Invariants: what comes out does not depend on how the bytes are cut into pushes; memory is one
//! line and one event, each of at most `event_bytes_max` bytes, beside what the caller has not yet
//! taken out. Lines end with `\n`, `\r\n` or `\r`; a byte order mark at the start is skipped.
//!
//! Stricter than the standard: data that is not UTF-8 is a fault rather than replaced, since
//! replacing it would show a guardrail other text than the server sent. More lenient: an event whose
//! last line is complete counts when the stream ends without the empty line.
//!
//! `id:` and `retry:` are ignored: nobody resumes a generation.

use std::collections::VecDeque;

use thiserror::Error;

/// One event that carried data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The value of its `event:` line; empty if there was none.
    pub event: String,
    /// Its data lines, joined by `\n`.
    pub data: String,
}

/// Why a stream cannot be read further.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// A line, or the data of one event, is longer than allowed.
    #[error("an event larger than the limit")]
    Oversized,
    /// A data or event line is not UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
}

/// Turns bytes into frames.
#[derive(Debug)]
pub struct Parser {
    event_bytes_max: usize,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// The event whose empty line has not come yet.
    frame: Frame,
    has_data: bool,
    /// The last byte was `\r`: a `\n` right after it belongs to it.
    after_cr: bool,
    /// No line has been seen yet, so a byte order mark may still come.
    at_start: bool,
    /// Events dispatched so far.
    dispatched: u64,
    last_noise: Option<u64>,
    fault: Option<Fault>,
}

impl Parser {
    /// A parser of a stream of which no line and no event may be longer than `event_bytes_max`.
    pub fn new(event_bytes_max: usize) -> Parser {
        Parser {
            event_bytes_max,
            line: Vec::new(),
            frame: Frame::default(),
            has_data: false,
            after_cr: false,
            at_start: true,
            dispatched: 0,
            last_noise: None,
            fault: None,
        }
    }

    /// Reads more bytes and appends the events that they complete to `frames`.
    ///
    /// # Errors
    ///
    /// A [`Fault`], after the events before it were appended; it is final, and told again on every
    /// further call.
    pub fn push(&mut self, bytes: &[u8], frames: &mut VecDeque<Frame>) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let result = self.read(bytes, frames);
        self.fault = result.err();
        result
    }

    /// Says that the stream is over, and takes out an event whose last line is complete. A torn last
    /// line is noise.
    ///
    /// # Errors
    ///
    /// The [`Fault`] that an earlier push met.
    pub fn finish(&mut self, frames: &mut VecDeque<Frame>) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !self.line.is_empty() {
            self.line.clear();
            self.last_noise = Some(self.begun());
        }
        self.dispatch(frames);
        Ok(())
    }

    /// How many frames came before the last line that belongs to no event stream: neither a comment
    /// nor a field that the standard knows. Such lines are ignored, as the standard says.
    pub fn last_noise(&self) -> Option<u64> {
        if is_noise(&self.line) {
            return Some(self.begun());
        }
        self.last_noise
    }

    fn read(&mut self, mut bytes: &[u8], frames: &mut VecDeque<Frame>) -> Result<(), Fault> {
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = bytes.get(1..).unwrap_or_default();
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.keep(bytes);
            };
            let (line, rest) = bytes.split_at(end);
            self.after_cr = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
            self.end_line(line, frames)?;
        }
        Ok(())
    }

    /// Keeps the beginning of a line.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.line.len() + bytes.len() > self.line_bytes_max() {
            return Err(Fault::Oversized);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, end: &[u8], frames: &mut VecDeque<Frame>) -> Result<(), Fault> {
        if self.line.is_empty() {
            if end.len() > self.line_bytes_max() {
                return Err(Fault::Oversized);
            }
            return self.take_line(end, frames);
        }
        self.keep(end)?;
        let mut line = std::mem::take(&mut self.line);
        let result = self.take_line(&line, frames);
        line.clear();
        self.line = line;
        result
    }

    fn take_line(&mut self, line: &[u8], frames: &mut VecDeque<Frame>) -> Result<(), Fault> {
        let line = if std::mem::take(&mut self.at_start) {
            line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            self.dispatch(frames);
            return Ok(());
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => self.take_data(value),
            b"event" => {
                self.frame.event.clear();
                self.frame.event.push_str(text(value)?);
                Ok(())
            }
            b"" | b"id" | b"retry" => Ok(()),
            _ => {
                self.last_noise = Some(self.begun());
                Ok(())
            }
        }
    }

    fn take_data(&mut self, value: &[u8]) -> Result<(), Fault> {
        let value = text(value)?;
        let newline = usize::from(self.has_data);
        if self.frame.data.len() + newline + value.len() > self.event_bytes_max {
            return Err(Fault::Oversized);
        }
        if self.has_data {
            self.frame.data.push('\n');
        }
        self.frame.data.push_str(value);
        self.has_data = true;
        Ok(())
    }

    /// Ends the event; one without data is forgotten, as the standard says.
    fn dispatch(&mut self, frames: &mut VecDeque<Frame>) {
        let frame = std::mem::take(&mut self.frame);
        if std::mem::take(&mut self.has_data) {
            frames.push_back(frame);
            self.dispatched += 1;
        }
    }

    /// Events of which at least one data line was read.
    fn begun(&self) -> u64 {
        self.dispatched + u64::from(self.has_data)
    }

    /// A line may be as long as an event, plus the field's name.
    fn line_bytes_max(&self) -> usize {
        self.event_bytes_max.saturating_add(FIELD_NAME_ROOM)
    }
}

/// Whether the beginning of a line says already that it belongs to no event stream.
fn is_noise(beginning: &[u8]) -> bool {
    let name = beginning
        .split(|byte| *byte == b':')
        .next()
        .unwrap_or_default();
    let fields: [&[u8]; 4] = [b"data", b"event", b"id", b"retry"];
    !fields.iter().any(|field| field.starts_with(name))
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const FIELD_NAME_ROOM: usize = 16;

#[cfg(test)]
mod tests;
