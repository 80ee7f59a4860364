//! What a caller asks to be told besides the answer. A caller may ask for more than the rules do, never for less.

use super::fields::Fields;
use crate::refusal::BadRequest;

/// What is told besides, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Token usage at the end of a stream.
    pub usage: bool,
    /// What the guardrails said of prompt and answer.
    pub moderation: Option<Moderation>,
    /// The groups of functions whose calls are told with the name of their group.
    pub namespaces: Vec<String>,
}

/// The `moderation` that chat completions and Responses know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moderation {
    /// A prompt in which anything is flagged is refused.
    pub block_prompt: bool,
    /// An answer in which anything is flagged ends there.
    pub block_answer: bool,
}

impl Wanted {
    /// Usage alone.
    pub fn usage(usage: bool) -> Wanted {
        Wanted {
            usage,
            ..Wanted::default()
        }
    }

    /// Whether whatever is flagged in the prompt is to be blocked.
    pub fn blocks_prompt(&self) -> bool {
        self.moderation.is_some_and(|asked| asked.block_prompt)
    }

    /// Whether whatever is flagged in the answer is to be blocked.
    pub fn blocks_answer(&self) -> bool {
        self.moderation.is_some_and(|asked| asked.block_answer)
    }
}

/// Reads `moderation`. Its model is not chosen: what judges is the caller's profile.
pub(super) fn moderation(top: &mut Fields<'_>) -> Result<Option<Moderation>, BadRequest> {
    let Some(value) = top.take("moderation") else {
        return Ok(None);
    };
    let mut asked = Fields::of(top.path("moderation"), value, top.dropped())?;
    asked.inert(&["model"]);
    let path = asked.path("policy");
    let mut moderation = Moderation::default();
    if let Some(policy) = asked.take("policy") {
        let mut policy = Fields::of(path, policy, asked.dropped())?;
        moderation.block_prompt = blocks(&mut policy, "input")?;
        moderation.block_answer = blocks(&mut policy, "output")?;
        policy.finish();
    }
    asked.finish();
    Ok(Some(moderation))
}

fn blocks(policy: &mut Fields<'_>, side: &str) -> Result<bool, BadRequest> {
    let path = policy.path(side);
    let Some(value) = policy.take(side) else {
        return Ok(false);
    };
    let mut side = Fields::of(path, value, policy.dropped())?;
    let mode = side.choice("mode", &[("score", false), ("block", true)])?;
    let missing = BadRequest::missing(&side.path("mode"));
    side.finish();
    mode.ok_or(missing)
}
