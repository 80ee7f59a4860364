//! The bundle of `mistakes/`, which has a table of every kind.

use std::path::PathBuf;

/// Its files, by path.
pub const FILES: [(&str, &str); 14] = [
    (
        "model.conf",
        include_str!("../../mistakes/bundle/model.conf"),
    ),
    (
        "bundle.toml",
        include_str!("../../mistakes/bundle/bundle.toml"),
    ),
    (
        "attributes.toml",
        include_str!("../../mistakes/bundle/attributes.toml"),
    ),
    (
        "purposes.toml",
        include_str!("../../mistakes/bundle/purposes.toml"),
    ),
    (
        "authorities.toml",
        include_str!("../../mistakes/bundle/authorities.toml"),
    ),
    (
        "identities.toml",
        include_str!("../../mistakes/bundle/identities.toml"),
    ),
    (
        "sources/hr.csv",
        include_str!("../../mistakes/bundle/sources/hr.csv"),
    ),
    (
        "baseline/rules.csv",
        include_str!("../../mistakes/bundle/baseline/rules.csv"),
    ),
    (
        "baseline/tests.toml",
        include_str!("../../mistakes/bundle/baseline/tests.toml"),
    ),
    (
        "tenants/clinic/rules.csv",
        include_str!("../../mistakes/bundle/tenants/clinic/rules.csv"),
    ),
    (
        "tenants/clinic/roles.csv",
        include_str!("../../mistakes/bundle/tenants/clinic/roles.csv"),
    ),
    (
        "tenants/depot/rules.csv",
        include_str!("../../mistakes/bundle/tenants/depot/rules.csv"),
    ),
    (
        "tenants/depot/roles.csv",
        include_str!("../../mistakes/bundle/tenants/depot/roles.csv"),
    ),
    (
        "tenants/depot/tests.toml",
        include_str!("../../mistakes/bundle/tenants/depot/tests.toml"),
    ),
];

/// The same, ready to be changed and loaded.
pub fn files() -> Vec<(PathBuf, Vec<u8>)> {
    let file = |(path, text): &(&str, &str)| (path.into(), text.as_bytes().to_vec());
    FILES.iter().map(file).collect()
}
