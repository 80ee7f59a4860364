//! The answer decoder, streams and documents: never panics, does not care how the bytes are cut, and
//! never calls an answer complete without a finish reason for every choice and one usage at the end.
//! The first byte of the input is the size of the pieces; its lowest bit chooses the format.

#![no_main]

use std::collections::{BTreeSet, VecDeque};

use backends::decode::{Decoder, Format, Limits};
use backends::{Event, UpstreamError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((head, bytes)) = input.split_first() else {
        return;
    };
    let format = if head % 2 == 0 {
        Format::Stream
    } else {
        Format::Document
    };
    let whole = decode(format, [bytes].into_iter());
    let size = usize::from(head / 2).max(1);
    assert_eq!(decode(format, bytes.chunks(size)), whole);
    check(&whole.0, whole.1.is_none());
});

fn decode<'a>(
    format: Format,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (VecDeque<Event>, Option<UpstreamError>) {
    let limits = Limits {
        choices: 2,
        event_bytes_max: 512,
        answer_bytes_max: 2048,
        input_tokens_at_most: 1,
    };
    let mut decoder = Decoder::new(format, limits);
    let mut events = VecDeque::new();
    let mut result = Ok(());
    for piece in pieces {
        result = result.and_then(|()| decoder.push(piece, &mut events));
    }
    let result = result.and_then(|()| decoder.finish(&mut events));
    assert!(result.is_err() || decoder.is_complete());
    (events, result.err())
}

fn check(events: &VecDeque<Event>, complete: bool) {
    let (mut open, mut finished) = (BTreeSet::new(), BTreeSet::new());
    let mut usages = 0;
    for event in events {
        assert_eq!(usages, 0, "usage is the last event");
        match event {
            Event::Text { choice, text, .. } => {
                assert!(!text.is_empty() && !finished.contains(choice));
                open.insert(*choice);
            }
            Event::ToolCall { choice, .. } => {
                assert!(!finished.contains(choice));
                open.insert(*choice);
            }
            Event::Finish { choice, .. } => assert!(finished.insert(*choice), "one finish"),
            Event::Usage(_) => usages += 1,
        }
    }
    if complete {
        assert_eq!(usages, 1);
        assert!(!finished.is_empty() && open.is_subset(&finished));
    }
}
