//! The endpoints that take text, and how a plain question looks on each.

use serde_json::{Value, json};

/// An endpoint of OpenAI's or Anthropic's protocol that takes text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/messages`, of Anthropic
    Messages,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/messages/count_tokens`, of Anthropic
    CountTokens,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/moderations`
    Moderations,
}

/// One way to ask: an endpoint, streamed or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// Where.
    pub endpoint: Endpoint,
    /// Whether the answer is to come in pieces.
    pub streamed: bool,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Endpoint; 7] = [
        Endpoint::Chat,
        Endpoint::Completions,
        Endpoint::Messages,
        Endpoint::Responses,
        Endpoint::CountTokens,
        Endpoint::Embeddings,
        Endpoint::Moderations,
    ];

    /// The path below the gateway's base URL, which ends with `/v1`.
    pub fn path(self) -> &'static str {
        match self {
            Endpoint::Chat => "/chat/completions",
            Endpoint::Completions => "/completions",
            Endpoint::Messages => "/messages",
            Endpoint::Responses => "/responses",
            Endpoint::CountTokens => "/messages/count_tokens",
            Endpoint::Embeddings => "/embeddings",
            Endpoint::Moderations => "/moderations",
        }
    }

    /// The endpoint at a path, if it is one of these.
    pub fn at(path: &str) -> Option<Endpoint> {
        let path = path.split('?').next()?;
        let below = path.strip_prefix("/v1").unwrap_or(path);
        Endpoint::ALL.into_iter().find(|one| one.path() == below)
    }

    /// Whether a model's words come back.
    pub fn answers(self) -> bool {
        use Endpoint::{Chat, Completions, Messages, Responses};
        matches!(self, Chat | Completions | Messages | Responses)
    }

    /// The ways to ask here.
    pub fn ways(self) -> impl Iterator<Item = Way> {
        let streamed = [false, true].into_iter();
        let streamed = streamed.filter(move |streamed| !streamed || self.answers());
        streamed.map(move |streamed| Way {
            endpoint: self,
            streamed,
        })
    }

    /// What every request here must have, beside the model's name and the text.
    pub fn question(self, text: &str) -> Value {
        match self {
            Endpoint::Completions => json!({ "prompt": text }),
            Endpoint::Responses | Endpoint::Embeddings | Endpoint::Moderations => {
                json!({ "input": text })
            }
            Endpoint::Chat | Endpoint::Messages | Endpoint::CountTokens => {
                json!({ "messages": [{ "role": "user", "content": text }] })
            }
        }
    }
}

impl Way {
    /// Every way there is.
    pub fn all() -> impl Iterator<Item = Way> {
        Endpoint::ALL.into_iter().flat_map(Endpoint::ways)
    }

    /// The ways by which a model's words come back.
    pub fn answering() -> impl Iterator<Item = Way> {
        Way::all().filter(|way| way.endpoint.answers())
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/v1{}", self.endpoint.path())?;
        match self.streamed {
            true => f.write_str(", streamed"),
            false => Ok(()),
        }
    }
}
