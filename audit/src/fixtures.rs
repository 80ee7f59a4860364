//! Entries for tests: one of each, small and complete.

use std::net::{IpAddr, Ipv4Addr};

use crate::checkpoint::Origin;
use crate::entry::*;

pub(crate) fn origin() -> Origin {
    Origin::new("gw1.agency.example/audit").expect("an origin")
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(crate) fn request(n: u64) -> RequestId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    RequestId::v7(1_790_000_000_000, random)
}

pub(crate) fn source() -> Source {
    Source {
        ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)),
        port: 53211,
        listener: name("data"),
    }
}

pub(crate) fn who() -> Who {
    Who {
        principal: name("svc:payroll"),
        tenant: name("agency/office/mission"),
        credential: CredentialKind::ApiKey,
        on_behalf_of: Some(name("oidc:alice@agency.example")),
    }
}

pub(crate) fn policy() -> PolicyRef {
    PolicyRef {
        digest: Digest([7; 32]),
        rule: name("allow-payroll"),
        file: name("tenants/agency/rules.csv"),
        line: 12,
        profile: name("default"),
        purpose: Some(name("payroll-assist")),
    }
}

pub(crate) fn check(hits: usize) -> Check {
    let hit = Hit {
        path: FieldPath::new("messages[3].content[0].text").expect("a path"),
        label: name("us_ssn"),
        score: 9_900,
        threshold: 5_000,
        action: Action::Redact,
        n: 2,
    };
    Check {
        detector: name("pii"),
        version: 1,
        digest: Some(Digest([9; 32]).short()),
        stage: Stage::Prompt,
        fields: vec![(
            FieldPattern::new("messages[].content").expect("a pattern"),
            3,
        )],
        bytes: 1_024,
        us: 18,
        verdict: Verdict::Flag,
        action: Action::Redact,
        hits: vec![hit; hits],
        more: 0,
    }
}

pub(crate) fn intent(n: u64) -> Intent {
    Intent {
        req: request(n),
        op: Op::ChatCompletions,
        stream: true,
        src: source(),
        who: who(),
        model: name("llama-3.3-70b"),
        backend: name("vllm-a"),
        policy: policy(),
        label: name("CUI"),
        checks: vec![check(1)],
        dropped: 0,
    }
}

pub(crate) fn outcome(n: u64) -> Outcome {
    Outcome {
        http: 200,
        finish: vec![name("stop")],
        tokens: Some(Tokens {
            input: 120,
            output: 300,
            estimated: false,
        }),
        ms_total: 812,
        ms_first_byte: Some(90),
        released_bytes: 1_300,
        ..Outcome::bare(request(n), EntryIndex(0), OutcomeStatus::Completed)
    }
}

pub(crate) fn refusal(n: u64) -> Refusal {
    Refusal {
        kind: RefusalKind::Deny,
        req: request(n),
        op: Op::ChatCompletions,
        src: source(),
        who: Some(who()),
        model: None,
        http: 403,
        code: name("access_denied"),
        stage: name("authorize"),
        policy: Some(policy()),
        checks: Vec::new(),
        dropped: 1,
    }
}
