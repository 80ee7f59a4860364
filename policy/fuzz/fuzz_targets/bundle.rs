//! One file of the demo bundle with any bytes in some place: no panic, every problem lies within its file, and whatever
//! loads decides every principal's requests without a fault: casbin and the typed rows agree, and an explanation tells
//! what is decided.

#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use policy::{Action, Ask, Label, Object, Policy, Refused, UnixTime};

// The first byte picks a file, the next four a stretch of it, and the rest stands in its place.
fuzz_target!(|data: &[u8]| {
    let Some(([which, from, from_low, length, length_low], put)) = data.split_first_chunk() else {
        return;
    };
    let nth = usize::from(*which) % DEMO.len();
    let mut files: Vec<(PathBuf, Vec<u8>)> = DEMO
        .iter()
        .map(|(path, text)| (path.into(), text.as_bytes().to_vec()))
        .collect();
    let file = &mut files[nth].1;
    let start = usize::from(u16::from_be_bytes([*from, *from_low])) % (file.len() + 1);
    let end = (start + usize::from(u16::from_be_bytes([*length, *length_low]))).min(file.len());
    file.splice(start..end, put.iter().copied());
    let sizes: Vec<usize> = files.iter().map(|(_, bytes)| bytes.len()).collect();
    let loaded = match Policy::from_files(files) {
        Err(problems) => {
            let longest = sizes.into_iter().max().unwrap_or_default();
            for problem in problems {
                assert!(problem.line > 0 && problem.column > 0 && !problem.message.is_empty());
                // Bytes that are no UTF-8 are shown as three.
                assert!(problem.span.start <= 3 * longest && problem.span.end <= 3 * longest + 1);
            }
            return;
        }
        Ok(loaded) => loaded,
    };
    let policy = loaded.policy;
    let data = Label::unclassified();
    for subject in policy.everybody(UnixTime(1_795_446_000)) {
        for object in [Object::Model("llama-3.3-70b"), Object::Tool("parts-order")] {
            for action in [Action::Chat, Action::Tool] {
                let ask = Ask {
                    object,
                    action,
                    purpose: None,
                    data: &data,
                    zone: "demo",
                    at: UnixTime(1_795_446_000),
                };
                let answer = policy.authorize(&subject, &ask);
                if let Err(Refused::Undecided(fault)) = &answer {
                    assert_eq!(fault.reason.code(), "unknown_zone", "{fault}");
                }
                assert_eq!(policy.explain(&subject, &ask).answer, answer);
            }
        }
    }
    drop(policy.run_cases());
});

const DEMO: [(&str, &str); 17] = [
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
        "baseline/tests.toml",
        include_str!("../../../policies/baseline/tests.toml"),
    ),
    (
        "tenants/demo-benefits/rules.csv",
        include_str!("../../../policies/tenants/demo-benefits/rules.csv"),
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
    (
        "tenants/demo-benefits/tests.toml",
        include_str!("../../../policies/tenants/demo-benefits/tests.toml"),
    ),
];
