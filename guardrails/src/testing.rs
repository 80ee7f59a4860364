//! What the tests of several modules share.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::{
    Classifier, ClassifierError, DetectorInfo, Engine, Features, Kind, Measured, On, Origin,
    Problem, ProfileFile, RedactionKey, Score, Screening, Settings, Span, Stage, WindowSize,
    ngrams,
};

/// A classifier that is certain about windows in which a word stands: label `attack` for `bogus`, and so on.
pub(crate) struct Keyword {
    info: DetectorInfo,
    labels: Vec<String>,
    /// Per label, the bucket of its word.
    buckets: Vec<Vec<u32>>,
    windows: WindowSize,
    measured: Vec<Measured>,
}

/// The words that [`Keyword`] looks for, by label.
pub(crate) const TRIGGERS: [&str; 2] = ["zzattack", "zzharmful"];

impl Keyword {
    pub(crate) fn named(name: &str, labels: &[&str]) -> Keyword {
        Keyword {
            info: DetectorInfo {
                name: name.to_owned(),
                version: 1,
                digest: "0".repeat(64),
                kind: Kind::Classifier,
                tier: 1,
            },
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            buckets: TRIGGERS
                .iter()
                .map(|word| ngrams::features(word).ids)
                .collect(),
            windows: WindowSize {
                words: 8,
                overlap: 4,
            },
            measured: measured(labels),
        }
    }
}

impl Keyword {
    /// The same, at another cost.
    pub(crate) fn of_tier(mut self, tier: u8) -> Keyword {
        self.info.tier = tier;
        self
    }
}

impl Classifier for Keyword {
    fn info(&self) -> &DetectorInfo {
        &self.info
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn windows(&self) -> WindowSize {
        self.windows
    }

    fn measured(&self) -> &[Measured] {
        &self.measured
    }

    fn score(&self, batch: &[Features]) -> Result<Vec<Vec<f32>>, ClassifierError> {
        let row = |features: &Features| {
            let share = |bucket: &Vec<u32>| {
                // Pairs with neighbours differ from those of the word alone; its letters do not.
                let there = bucket.iter().filter(|id| features.ids.contains(id)).count();
                if there * 10 >= bucket.len() * 8 {
                    1.0
                } else {
                    0.0
                }
            };
            self.buckets
                .iter()
                .take(self.labels.len())
                .map(share)
                .collect()
        };
        Ok(batch.iter().map(row).collect())
    }
}

/// Of honest prompts and tool results 1 % score 0.35 for a label, and 0.1 % score 0.8.
fn measured(labels: &[&str]) -> Vec<Measured> {
    let mut measured = Vec::new();
    for label in labels {
        for (on, threshold, rate) in [
            (On::Prompt, 0.35, 0.01),
            (On::Prompt, 0.8, 0.001),
            (On::ToolResult, 0.35, 0.01),
            (On::ToolResult, 0.8, 0.001),
        ] {
            measured.push(Measured {
                label: (*label).to_owned(),
                on,
                threshold: Score::from_ratio(threshold),
                false_rate: Score::from_ratio(rate),
            });
        }
    }
    measured
}

/// An engine with one profile `p` of these rules, one pattern list `words`, and the classifier `fake@1`.
pub(crate) fn engine(rules: &str) -> Engine {
    load(rules).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

pub(crate) fn load(rules: &str) -> Result<Engine, Vec<Problem>> {
    load_with(
        rules,
        vec![Arc::new(Keyword::named("fake", &["attack", "harm"]))],
    )
}

pub(crate) fn load_with(
    rules: &str,
    classifiers: Vec<Arc<dyn Classifier>>,
) -> Result<Engine, Vec<Problem>> {
    let text = format!(
        "[profile.p]\nunread = [\"prompt\", \"tool-result\", \"response\", \"tool-arguments\"]\nrule = [{rules}]\n[pattern.words]\nentry = [{{ id = \"bad\", regex = '(?i)\\bfoo\\s{{0,4}}bar\\b' }}, \
         {{ id = \"open\", regex = '<<.*>>', max_span = 32 }}]\n"
    );
    Engine::load(Settings {
        profiles: vec![ProfileFile {
            path: "test.toml".into(),
            text,
        }],
        classifiers,
        redaction_key: Some(RedactionKey::new(&[7; 32])),
        threads: 1,
        ..Settings::default()
    })
}

/// A rule on all texts.
pub(crate) fn rule(id: &str, detector: &str, action: &str) -> String {
    let trained = if detector.starts_with("fake") {
        ", at = 0.5, rung = \"enforce\", owner = \"t\", review = 2099-01-01, budget = 1"
    } else {
        ""
    };
    format!(
        "{{ id = \"{id}\", detector = \"{detector}\", on = [\"prompt\", \"tool-result\", \"response\", \
         \"tool-arguments\"], do = \"{action}\", why = \"test\"{trained} }},"
    )
}

/// A rule on all texts that masks by name.
pub(crate) fn named(id: &str, detector: &str) -> String {
    let how = "do = \"redact\", mask = \"keyed-hash\"";
    rule(id, detector, "redact").replace("do = \"redact\"", how)
}

pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(crate) async fn ask(engine: &Engine, profile: &str, origin: Origin, text: &str) -> Screening {
    let span = Span {
        origin,
        path: "the.path".to_owned(),
        text,
    };
    engine
        .screen(profile, Stage::Prompt, &[span], far())
        .await
        .expect("a verdict")
}

/// One example of every shape that masks or blocks: label, text around it, and what must not leave.
pub(crate) fn samples() -> Vec<(&'static str, String, String)> {
    let plain = |label: &'static str, secret: String| (label, secret.clone(), secret);
    let abc = |n: usize| {
        "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"
            .chars()
            .cycle()
            .take(n)
            .collect::<String>()
    };
    let hex = |n: usize| {
        "0a1b2c3d4e5f6978"
            .chars()
            .cycle()
            .take(n)
            .collect::<String>()
    };
    let key = format!("{}\n{}\n{}", abc(64), abc(64), abc(17));
    vec![
        plain("aws_access_key", "AKIAIOSFODNN7EXAMPLE".into()),
        (
            "aws_secret_key",
            format!("aws_secret_access_key = {}", abc(40)),
            abc(40),
        ),
        plain("google_api_key", format!("AIza{}", abc(35))),
        plain("azure_storage_key", format!("AccountKey={}==", abc(86))),
        plain("digitalocean_token", format!("dop_v1_{}", hex(64))),
        plain("github_token", format!("ghp_{}", abc(36))),
        plain("github_token", format!("github_pat_{}", abc(82))),
        plain("gitlab_token", format!("glpat-{}", abc(20))),
        plain("npm_token", format!("npm_{}", abc(36))),
        plain("pypi_token", format!("pypi-AgEIcHlwaS5vcmc{}", abc(80))),
        plain("slack_token", format!("xoxb-{}", abc(40))),
        plain(
            "slack_webhook",
            format!("hooks.slack.com/services/{}", abc(44)),
        ),
        plain("stripe_key", format!("sk_live_{}", abc(24))),
        plain("sendgrid_key", format!("SG.{}.{}", abc(22), abc(43))),
        (
            "url_password",
            "postgres://app:s3cr3t-pw@localhost/x".into(),
            "s3cr3t-pw".into(),
        ),
        plain("anthropic_key", format!("sk-ant-api03-{}", abc(80))),
        plain("openai_key", format!("sk-proj-{}", abc(48))),
        plain("openai_key", format!("sk-{}", abc(48))),
        plain("huggingface_token", format!("hf_{}", abc(34))),
        plain("portcullis_key", format!("pc_{}", abc(43))),
        plain("jwt", format!("eyJ{}.eyJ{}.{}", abc(20), abc(40), abc(43))),
        (
            "bearer_token",
            format!("Authorization: Bearer {}", abc(32)),
            abc(32),
        ),
        (
            "assigned_secret",
            "password: Xk92-plmQ-77aa".into(),
            "Xk92-plmQ-77aa".into(),
        ),
        plain(
            "private_key",
            format!("-----BEGIN RSA PRIVATE KEY-----\n{key}\n-----END RSA PRIVATE KEY-----"),
        ),
        plain("us_ssn", "078-05-1120".into()),
        plain("us_ssn", "219 09 9999".into()),
        ("us_ssn", "his SSN is 078051120".into(), "078051120".into()),
        plain("us_itin", "912-78-1234".into()),
        plain("payment_card", "4111 1111 1111 1111".into()),
        plain("payment_card", "378282246310005".into()),
        (
            "aba_routing",
            "routing number 021000021".into(),
            "021000021".into(),
        ),
        plain("iban", "DE89 3704 0044 0532 0130 00".into()),
        plain("us_phone", "(202) 555-0143".into()),
        plain("us_phone", "+1 202-555-0143".into()),
        plain("email", "jane.roe@example.com".into()),
    ]
}

/// A string literal in which some characters are spelled as escapes.
pub(crate) fn escaped(text: &str, which: &[bool]) -> String {
    let mut out = String::from("\"");
    for (c, escape) in text.chars().zip(which.iter().cycle()) {
        match (c, escape) {
            (_, true) => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units)
                    .iter()
                    .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            ('"', _) => out.push_str("\\\""),
            ('\\', _) => out.push_str("\\\\"),
            ('\n', _) => out.push_str("\\n"),
            _ => out.push(c),
        }
    }
    out + "\""
}
