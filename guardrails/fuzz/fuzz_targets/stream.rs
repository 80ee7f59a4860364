//! A growing answer: how it is cut into chunks changes neither what leaves nor what is found, and a stream that is only
//! masked gives what the whole text gives.
//!
//! Input: the first byte chooses the profile and the channel, the second the chunk sizes, the rest is text.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use guardrails::{Channel, Engine, Field, Origin, ProfileFile, Settings, Span, Stage, StopReason};
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
});

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let on = r#"on = ["prompt", "response"]"#;
    let rule = |detector: &str, action: &str| {
        format!(
            "{{ id = \"{detector}\", detector = \"{detector}@1\", {on}, do = \"{action}\", why = \"fuzz\" }},"
        )
    };
    let detectors = ["secret", "pii", "unicode", "pattern"];
    let masks: String = detectors
        .iter()
        .map(|detector| rule(detector, "redact"))
        .collect();
    let blocks = rule("secret", "block")
        + &rule("pii", "redact")
        + &rule("unicode", "block")
        + &rule("pattern", "flag");
    let patterns = "[pattern.w]\nentry = [{ id = \"a\", regex = '<<.*>>', max_span = 24 }, { id = \"b\", regex = '(?i)drop\\s{1,3}table' }]\n";
    let unread = "unread = [\"tool-result\"]\n";
    let text = format!(
        "[profile.masks]\n{unread}rule = [{masks}]\n[profile.blocks]\n{unread}rule = [{blocks}]\n{patterns}"
    );
    let profiles = vec![ProfileFile {
        path: "fuzz.toml".into(),
        text,
    }];
    Engine::load(Settings {
        profiles,
        ..Settings::default()
    })
    .unwrap_or_else(|problems| panic!("{problems:?}"))
});

fn far() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

/// What left, and why it ended if it did.
async fn stream(
    profile: &str,
    channel: Channel,
    text: &str,
    size: usize,
) -> (String, Option<StopReason>) {
    let mut screen = ENGINE.stream(profile).expect("the profile");
    let (mut released, mut rest) = (String::new(), text);
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.ceil_char_boundary(size));
        match screen.push(channel, chunk, far()).await {
            Ok(more) => released += &more.text,
            Err(stopped) => return (released + &stopped.released, Some(stopped.reason)),
        }
        rest = after;
    }
    match screen.finish(channel, far()).await {
        Ok(more) => (released + &more.text, None),
        Err(stopped) => (released + &stopped.released, Some(stopped.reason)),
    }
}

fuzz_target!(|input: &[u8]| {
    let [choice, size, text @ ..] = input else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let profile = if choice & 1 == 0 { "masks" } else { "blocks" };
    let field = if choice & 2 == 0 {
        Field::Content
    } else {
        Field::ToolArguments(0)
    };
    let channel = Channel { choice: 0, field };
    RUNTIME.block_on(async {
        let pieces = stream(profile, channel, text, usize::from(*size) + 1).await;
        let whole = stream(profile, channel, text, text.len().max(1)).await;
        assert_eq!(pieces, whole);
        if profile == "masks" && field == Field::Content {
            let span = Span {
                origin: Origin::Answer,
                path: String::new(),
                text,
            };
            let screening = ENGINE
                .screen("masks", Stage::Answer, &[span], far())
                .await
                .expect("a verdict");
            let expected = screening.rewritten[0].as_deref().unwrap_or(text);
            assert_eq!(pieces.0, expected);
        }
    });
});
