//! The acts of the tour, in order. A file per group of beats.

use super::beat::Act;

mod answers;
mod crash;
mod faults;
mod prompts;
mod proof;

/// The whole tour.
pub(super) const ACTS: [&Act; 2] = [&BUILD, &SIGN];

const BUILD: Act = Act {
    title: "You build an app",
    beats: &[
        prompts::STREAMED,
        prompts::DENIED,
        prompts::MASKED,
        prompts::TOOL_RESULT,
        answers::LEAKED_KEY,
        answers::TOOL_CALL,
    ],
};

const SIGN: Act = Act {
    title: "You must sign for it",
    beats: &[
        faults::DISK_FULL,
        faults::CLASSIFIER_HANGS,
        crash::KILLED,
        proof::FLIPPED,
        proof::PROVED,
    ],
};
