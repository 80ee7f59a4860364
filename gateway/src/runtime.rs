//! Where the ONNX Runtime library is. Never the system path: the file named in the configuration, else one beside the
//! binary, else the one that `make` unpacked below the working folder. Its SHA-256 is pinned here for the version
//! that this gateway was built for; `guardrails` checks it before the library is loaded.

use std::path::{Path, PathBuf};

use guardrails::RuntimeLibrary;

use crate::config::GuardrailsConfig;
use crate::problem::Problem;

const FILE: &str = "libonnxruntime.so";

/// ONNX Runtime 1.28.0, CPU, out of the `onnxruntime` wheel (see `scripts/fetch-onnxruntime.sh`, which also says why
/// not a newer one).
const PINNED_SHA256: &str = if cfg!(target_arch = "aarch64") {
    "23a37c2994bc273e1d59a4f49af6cba5bf1cfbc29f04907ec27df375aba50a7d"
} else {
    "aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083"
};

/// Finds the library.
///
/// # Errors
/// That it is nowhere, and how to get it.
pub fn library(config: &GuardrailsConfig) -> Result<RuntimeLibrary, Problem> {
    let sha256 = config
        .runtime_sha256
        .clone()
        .unwrap_or_else(|| PINNED_SHA256.to_owned());
    let places = match &config.runtime {
        Some(path) => vec![path.clone()],
        None => usual_places(),
    };
    let found = places
        .iter()
        .find(|path| path.is_file())
        .and_then(|path| path.canonicalize().ok());
    let Some(path) = found else {
        let searched = places
            .iter()
            .map(|p| p.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        return Err(Problem::about(
            FILE,
            format!("the ONNX Runtime library is not there (searched: {searched})"),
        )
        .hint("run `scripts/fetch-onnxruntime.sh`, or name the file in `guardrails.runtime`"));
    };
    Ok(RuntimeLibrary { path, sha256 })
}

fn usual_places() -> Vec<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join(FILE)));
    beside
        .into_iter()
        .chain([Path::new(".portcullis/onnxruntime").join(FILE)])
        .collect()
}
