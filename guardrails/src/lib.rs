//! guardrails.
