//! The demo's policies and classifier, inside the binary: one file is enough to watch the tour.
//!
//! A test holds the table to the repository's folders, so that what the demo plays is what `policies/` says today.

use std::io;
use std::path::Path;

/// A file of the repository, by its path there.
struct Embedded {
    path: &'static str,
    bytes: &'static [u8],
}

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        [$(Embedded {
            path: $path,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../", $path)),
        }),*]
    };
}

static FILES: [Embedded; 25] = embedded![
    "models/fast-guard/README.md",
    "models/fast-guard/manifest.toml",
    "models/fast-guard/model.onnx",
    "policies/README.md",
    "policies/attributes.toml",
    "policies/authorities.toml",
    "policies/baseline/guardrails.toml",
    "policies/baseline/rules.csv",
    "policies/baseline/tests.toml",
    "policies/bundle.toml",
    "policies/identities.toml",
    "policies/model.conf",
    "policies/purposes.toml",
    "policies/tenants/demo-benefits/roles.csv",
    "policies/tenants/demo-benefits/rules.csv",
    "policies/tenants/demo-benefits/tests.toml",
    "policies/tenants/demo-contracts/roles.csv",
    "policies/tenants/demo-contracts/rules.csv",
    "policies/tenants/demo-contracts/tests.toml",
    "policies/tenants/demo-logistics/roles.csv",
    "policies/tenants/demo-logistics/rules.csv",
    "policies/tenants/demo-logistics/tests.toml",
    "policies/tenants/demo-platform/roles.csv",
    "policies/tenants/demo-platform/rules.csv",
    "policies/tenants/demo-platform/tests.toml",
];

/// Writes `policies/` and `models/` below `folder`.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    for file in &FILES {
        let path = folder.join(file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, file.bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
