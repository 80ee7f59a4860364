//! The event-stream parser: never panics, keeps its limit, and does not care how the bytes are cut.
//! The first byte of the input is the size of the pieces.

#![no_main]

use std::collections::VecDeque;

use backends::sse::{Fault, Frame, Parser};
use libfuzzer_sys::fuzz_target;

const EVENT_BYTES_MAX: usize = 64;

fuzz_target!(|input: &[u8]| {
    let Some((size, bytes)) = input.split_first() else {
        return;
    };
    let whole = parse([bytes].into_iter());
    assert_eq!(parse(bytes.chunks(usize::from(*size).max(1))), whole);
    assert!(
        whole
            .0
            .iter()
            .all(|frame| frame.data.len() <= EVENT_BYTES_MAX)
    );
});

fn parse<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (VecDeque<Frame>, Option<Fault>) {
    let mut parser = Parser::new(EVENT_BYTES_MAX);
    let mut frames = VecDeque::new();
    let mut result = Ok(());
    for piece in pieces {
        result = result.and_then(|()| parser.push(piece, &mut frames));
    }
    let result = result.and_then(|()| parser.finish(&mut frames));
    (frames, result.err())
}
