//! What a server says about a failure, in the many shapes that servers say it.
//!
//! ```text
//! {"error": {"message", "type", "code"}}          OpenAI, llama.cpp (code is a number), newer vLLM
//! {"object": "error", "message", "type", "code"}  older vLLM
//! {"error": {"detail"}}                           Llama Stack
//! {"detail": "…"}                                 FastAPI
//! {"error": "…"}                                  Ollama
//! ```

use serde_json::Value;

use crate::error::{Failure, ProtocolFault, UpstreamError};

/// A server's error, read as far as it can be.
pub(super) struct VendorError {
    /// Its code, or its type where the code is missing or a number.
    code: Option<String>,
    message: String,
    /// The body as it came.
    raw: String,
}

impl VendorError {
    /// Reads an error body; anything is accepted.
    pub(super) fn read(body: &[u8]) -> VendorError {
        let raw = String::from_utf8_lossy(body).into_owned();
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let inner = json.get("error").unwrap_or(&json);
        let text = |key: &str| inner.get(key).and_then(Value::as_str);
        let code = [text("code"), text("type")];
        VendorError {
            code: code
                .into_iter()
                .flatten()
                .find(|code| is_code(code))
                .map(str::to_owned),
            message: text("message")
                .or_else(|| text("detail"))
                .or_else(|| inner.as_str())
                .unwrap_or_default()
                .to_lowercase(),
            raw,
        }
    }

    /// The failure, if this came with an HTTP status other than 200.
    pub(super) fn under_status(self, status: u16) -> UpstreamError {
        let told = matches!(status, 400 | 413 | 422)
            .then(|| self.told())
            .flatten();
        let failure = told.unwrap_or(match status {
            401 | 403 => Failure::Auth,
            429 => Failure::Throttled { retry_after: None },
            _ => Failure::Status {
                status,
                vendor_code: self.code,
            },
        });
        UpstreamError::new(failure, &self.raw)
    }

    /// The failure, if this came with status 200 in an answer's place.
    pub(super) fn under_status_200(self) -> UpstreamError {
        let failure = self
            .told()
            .unwrap_or(Failure::Protocol(ProtocolFault::ErrorInBody));
        UpstreamError::new(failure, &self.raw)
    }

    /// The failures that servers tell by code, type or (older ones) message only.
    fn told(&self) -> Option<Failure> {
        let code = self.code.as_deref().unwrap_or_default();
        let too_long = CONTEXT_CODES.contains(&code)
            || CONTEXT_MESSAGES
                .iter()
                .any(|words| self.message.contains(words));
        if too_long {
            return Some(Failure::ContextLength);
        }
        (code == "content_filter").then_some(Failure::ContentFilter)
    }
}

/// Short and plain enough to be shown in a log.
fn is_code(code: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !code.is_empty() && code.len() <= CODE_BYTES_MAX && code.bytes().all(plain)
}

/// OpenAI and its imitators; llama.cpp.
const CONTEXT_CODES: [&str; 2] = ["context_length_exceeded", "exceed_context_size_error"];

/// vLLM and llama_cpp.server; SGLang; llama.cpp before it had a type for it.
const CONTEXT_MESSAGES: [&str; 3] = [
    "maximum context length",
    "longer than the model's context length",
    "exceeds the available context size",
];

const CODE_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests;
