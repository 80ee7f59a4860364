//! What the gateway writes for an ordinary request: four detectors, nothing found.

use std::net::{IpAddr, Ipv4Addr};

use audit::{
    Action, Body, Check, CredentialKind, Digest, Direction, EntryIndex, FieldPattern, Intent, Name,
    Op, Outcome, OutcomeStatus, PolicyRef, RequestId, Source, Stage, Text, Tokens, Verdict, Who,
};

use crate::Failed;

/// A body of so many bytes, or none.
pub(crate) fn body(direction: Direction, bytes: usize) -> Vec<Body<'static>> {
    let text = Text {
        at: "messages[0].content".into(),
        text: PROSE.chars().cycle().take(bytes).collect(),
    };
    match bytes {
        0 => Vec::new(),
        _ => vec![Body::new(direction, vec![text])],
    }
}

const PROSE: &str = "The committee met on Tuesday and heard three witnesses, two of whom had been at the harbour \
    that night; a fourth had written to say that she could not come before the ninth, and asked to be excused. ";

/// An id for the `n`th request of a caller.
pub(crate) fn request(caller: u64, n: u64) -> RequestId {
    let mut random = [0; 10];
    random
        .iter_mut()
        .zip(
            [caller.to_be_bytes(), n.to_be_bytes()]
                .concat()
                .into_iter()
                .skip(6),
        )
        .for_each(|(to, from)| *to = from);
    RequestId::v7(1_790_000_000_000 + n, random)
}

fn name(text: &str) -> Result<Name, Failed> {
    Name::new(text).ok_or_else(|| format!("{text} is not a name").into())
}

/// What the gateway writes for an ordinary request: four detectors, nothing found.
fn checks(stage: Stage) -> Result<Vec<Check>, Failed> {
    let field = FieldPattern::new("messages[].content").ok_or("pattern")?;
    let check = |detectors: &[&str]| {
        let detectors = detectors.iter().map(|detector| name(detector));
        Ok::<_, Failed>(Check {
            detectors: detectors.collect::<Result<_, Failed>>()?,
            stage,
            strict: false,
            fields: vec![(field.clone(), 3)],
            bytes: 1_024,
            us: 18,
            verdict: Verdict::Pass,
            action: Action::Allow,
            hits: Vec::new(),
            more: 0,
            scores: Vec::new(),
        })
    };
    Ok(vec![
        check(&["pii@1", "secret@1", "unicode@1"])?,
        check(&["prompt-attack@1"])?,
    ])
}

/// The intent of an ordinary request.
pub(crate) fn intent(req: RequestId) -> Result<Intent, Failed> {
    Ok(Intent {
        req,
        op: Op::ChatCompletions,
        stream: true,
        src: Source {
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
            port: 53_211,
            listener: name("data")?,
        },
        who: Who {
            principal: name("svc:payroll")?,
            tenant: name("agency/office/mission")?,
            credential: CredentialKind::ApiKey,
            on_behalf_of: None,
        },
        model: name("llama-3.3-70b")?,
        backend: name("vllm-a")?,
        policy: PolicyRef {
            digest: Digest([7; 32]),
            rule: name("allow-payroll")?,
            file: name("tenants/agency/rules.csv")?,
            line: 12,
            profile: name("default")?,
            purpose: None,
            authority: None,
            nearest: false,
        },
        label: name("CUI")?,
        checks: checks(Stage::Prompt)?,
        dropped: 0,
    })
}

/// How it ended.
pub(crate) fn outcome(req: RequestId) -> Result<Outcome, Failed> {
    Ok(Outcome {
        http: 200,
        finish: vec![name("stop")?],
        tokens: Some(Tokens {
            input: 120,
            output: 300,
            estimated: false,
        }),
        checks: checks(Stage::Answer)?,
        ms_total: 812,
        ms_first_byte: Some(90),
        released_bytes: 1_300,
        ..Outcome::bare(req, EntryIndex(0), OutcomeStatus::Completed)
    })
}
