//! Portcullis: the bundle of files that an admin would write, and `authorize`.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use policy::{Action, Ask, Evidence, Object, Policy, Subject, UnixTime};

use crate::{
    Engine,
    rules::{MODELS, PURPOSES, ROLES, Request, Rules, ZONES, principal, tenant},
};

pub(crate) struct Portcullis {
    policy: Policy,
    subjects: HashMap<(usize, usize), Subject>,
    models: Vec<String>,
    purposes: Vec<String>,
}

impl Engine for Portcullis {
    const NAME: &'static str = "Portcullis";

    fn load(rules: &Rules) -> Self {
        let policy = match Policy::from_files(bundle(rules)) {
            Ok(loaded) => loaded.policy,
            Err(problems) => panic!("{}", problems[0]),
        };
        // As the gateway does for each request; looking somebody up is no part of the decision.
        let at = Evidence::at(NOW);
        let all = (0..rules.tenants).flat_map(|tenant| (0..ROLES).map(move |role| (tenant, role)));
        let subjects = all.filter_map(|(tenant, role)| {
            let subject = policy.subject(&principal(tenant, role), &at)?;
            Some(((tenant, role), subject))
        });
        Self {
            subjects: subjects.collect(),
            policy,
            models: (0..MODELS).map(|model| format!("m{model}")).collect(),
            purposes: (0..PURPOSES)
                .map(|purpose| format!("p.{purpose}"))
                .collect(),
        }
    }

    fn permits(&self, request: &Request) -> bool {
        self.policy
            .authorize(
                &self.subjects[&(request.tenant, request.role)],
                &self.ask(request),
            )
            .is_ok()
    }
}

impl Portcullis {
    fn ask<'a>(&'a self, request: &'a Request) -> Ask<'a> {
        Ask {
            object: Object::Model(&self.models[request.model]),
            action: Action::Chat,
            purpose: Some(&self.purposes[request.purpose]),
            data: &request.label,
            zone: request.zone,
            at: NOW,
        }
    }
}

/// How long an explanation takes, p99.
pub(crate) fn explain(rules: &Rules) -> Duration {
    let engine = Portcullis::load(rules);
    let mut times: Vec<_> = (0..500)
        .map(|nth| {
            let request = rules.request(nth);
            let subject = &engine.subjects[&(request.tenant, request.role)];
            let started = Instant::now();
            std::hint::black_box(engine.policy.explain(subject, &engine.ask(&request)));
            started.elapsed()
        })
        .collect();
    times.sort();
    times[495]
}

fn bundle(rules: &Rules) -> Vec<(PathBuf, Vec<u8>)> {
    let mut rows = String::new();
    for (nth, row) in rules.rows.iter().enumerate() {
        let [first, second] = row.purposes;
        let effect = if row.deny { "-, deny" } else { "mild, allow" };
        let aal = if row.deny { 1 } else { row.assurance };
        rows += &format!(
            "p, R-{nth}, role:r{}, {}, model/m{}, chat, p.{first}|p.{second}, {}, {}, aal{aal}, *, {effect}\n",
            row.role,
            tenant(row.tenant),
            row.model,
            row.label,
            row.zone,
        );
    }
    let (mut roles, mut identities) = (String::new(), String::new());
    let purposes: Vec<String> = (0..PURPOSES)
        .map(|purpose| format!("\"p.{purpose}\""))
        .collect();
    for nth in 0..rules.tenants {
        for role in 0..ROLES {
            let (principal, tenant) = (principal(nth, role), tenant(nth));
            roles += &format!("g, {principal}, role:r{role}, {tenant}\n");
            identities += &format!(
                "[identity.\"{principal}\"]\ntenant = \"{tenant}\"\nclearance = \"CUI:PRVCY\"\nassurance = \"aal2\"\npurposes = [{}]\n",
                purposes.join(", ")
            );
        }
    }
    let purpose = |nth: usize| {
        format!("[purpose.\"p.{nth}\"]\nowner = \"x\"\nabout = \"x\"\nexpires = 2099-12-31\n")
    };
    let model = |nth: usize| format!("[model.m{nth}]\nabout = \"x\"\nceiling = \"S\"\n");
    let zones =
        ZONES.map(|zone| format!("[zone.{zone}]\nabout = \"x\"\nceiling = \"CUI:PRVCY\"\n"));
    let attributes = format!(
        "[need]\nPRVCY = \"x\"\n{}{}",
        zones.concat(),
        (0..MODELS)
            .map(model)
            .collect::<String>()
            .replace("\"S\"", "\"S:PRVCY\"")
    );
    let texts: [(&str, String); 9] = [
        ("model.conf", include_str!("../../../policies/model.conf").into()),
        ("bundle.toml", "id = \"bench\"\nrevision = 1\nexpires = 2099-12-31\nreason = \"x\"\nprofiles = [\"mild\"]\n[tenant.t]\ndomain = \"t/o/*\"\nowner = \"x\"\n".into()),
        ("attributes.toml", attributes),
        ("purposes.toml", (0..PURPOSES).map(purpose).collect()),
        ("authorities.toml", String::new()),
        ("identities.toml", identities),
        ("baseline/rules.csv", "p, B-1, role:suspended, *, *, *, *, U, *, aal1, *, -, deny\n".into()),
        ("tenants/t/rules.csv", rows),
        ("tenants/t/roles.csv", roles),
    ];
    let bytes = |(path, text): (&str, String)| (PathBuf::from(path), text.into_bytes());
    texts.into_iter().map(bytes).collect()
}

/// 2026-11-23 15:00 UTC.
const NOW: UnixTime = UnixTime(1_795_446_000);
