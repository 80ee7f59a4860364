//! Where the ONNX Runtime library is. Never the system path: the file named in the configuration, else one beside the
//! binary, else the one that `make` unpacked below the working folder. Its SHA-256 is pinned here for the version
//! that this gateway was built for; `guardrails` checks it before the library is loaded.

use std::path::{Path, PathBuf};

use guardrails::RuntimeLibrary;

use crate::config::GuardrailsConfig;
use crate::problem::Problem;

const FILE: &str = "libonnxruntime.so";

/// ONNX Runtime 1.32.0, CPU, out of the `onnxruntime` wheel (see `scripts/fetch-onnxruntime.sh`).
const PINNED_SHA256: &str = if cfg!(target_arch = "aarch64") {
    "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a"
} else {
    "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f"
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
