//! A tenant's rules.csv of any bytes inside the demo bundle: no panic, every problem lies in its file,
//! and whatever loads still denies what the baseline denies.

#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use policy::{Action, Ask, Evidence, Label, Object, Policy, UnixTime};

fuzz_target!(|rules: &[u8]| {
    let mut files: Vec<(PathBuf, Vec<u8>)> = DEMO
        .iter()
        .map(|(path, text)| (path.into(), text.as_bytes().to_vec()))
        .collect();
    files.push(("tenants/demo-benefits/rules.csv".into(), rules.to_vec()));
    match Policy::from_files(files) {
        Err(problems) => {
            for problem in problems {
                assert!(
                    problem.line > 0
                        && problem.column > 0
                        && problem.span.start <= rules.len().max(1 << 16)
                );
            }
        }
        Ok(loaded) => {
            let policy = loaded.policy;
            let subject = policy
                .subject("svc:suspended-app", &Evidence::at(UnixTime(1_795_446_000)))
                .expect("the demo bundle has it");
            let data = Label::unclassified();
            for model in ["llama-3.3-70b", "llama-4-maverick"] {
                let object = Object::Model(model);
                let ask = Ask {
                    object,
                    action: Action::Chat,
                    purpose: None,
                    data: &data,
                    zone: "demo",
                    at: UnixTime(0),
                };
                assert!(policy.authorize(&subject, &ask).is_err());
            }
        }
    }
});

const DEMO: [(&str, &str); 14] = [
    ("model.conf", include_str!("../../../policies/model.conf")),
    ("bundle.toml", include_str!("../../../policies/bundle.toml")),
    (
        "attributes.toml",
        include_str!("../../../policies/attributes.toml"),
    ),
    (
        "purposes.toml",
        include_str!("../../../policies/purposes.toml"),
    ),
    (
        "authorities.toml",
        include_str!("../../../policies/authorities.toml"),
    ),
    (
        "identities.toml",
        include_str!("../../../policies/identities.toml"),
    ),
    (
        "baseline/rules.csv",
        include_str!("../../../policies/baseline/rules.csv"),
    ),
    (
        "tenants/demo-benefits/roles.csv",
        include_str!("../../../policies/tenants/demo-benefits/roles.csv"),
    ),
    (
        "tenants/demo-contracts/rules.csv",
        include_str!("../../../policies/tenants/demo-contracts/rules.csv"),
    ),
    (
        "tenants/demo-contracts/roles.csv",
        include_str!("../../../policies/tenants/demo-contracts/roles.csv"),
    ),
    (
        "tenants/demo-logistics/rules.csv",
        include_str!("../../../policies/tenants/demo-logistics/rules.csv"),
    ),
    (
        "tenants/demo-logistics/roles.csv",
        include_str!("../../../policies/tenants/demo-logistics/roles.csv"),
    ),
    (
        "tenants/demo-platform/rules.csv",
        include_str!("../../../policies/tenants/demo-platform/rules.csv"),
    ),
    (
        "tenants/demo-platform/roles.csv",
        include_str!("../../../policies/tenants/demo-platform/roles.csv"),
    ),
];
