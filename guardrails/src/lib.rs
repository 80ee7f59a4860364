//! guardrails.

pub mod ngrams;
