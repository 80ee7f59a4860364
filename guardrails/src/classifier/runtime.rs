//! The ONNX Runtime library: one file, checked, loaded once per process.
//!
//! The file is opened and hashed before the binding sees its name: given a library that cannot be resolved, the binding
//! may wait for ever. The system's search path is never used.
//!
//! What it cannot do: whoever may replace the file between the check and the load can have another one loaded. The
//! folder belongs to the operator.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use crate::RuntimeLibrary;
use crate::engine::sha256;

/// The one that this process has loaded.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Loads the library, or gives the environment of the one already loaded.
///
/// # Errors
/// A sentence for the operator.
pub(super) fn environment(library: &RuntimeLibrary) -> Result<Environment, String> {
    let path = &library.path;
    check(path, &library.sha256)?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match loaded.as_ref() {
        Some((known, environment)) if known == path => Ok(environment.clone()),
        Some((known, _)) => Err(format!(
            "this process has already loaded {}",
            known.display()
        )),
        None => {
            let builder = ort::init_from(path).map_err(|error| error.to_string())?;
            // Builds by the vendor send usage data home unless told not to.
            let environment = builder.with_telemetry(false).build();
            let environment = environment.map_err(|error| error.to_string())?;
            *loaded = Some((path.clone(), environment.clone()));
            Ok(environment)
        }
    }
}

fn check(path: &Path, expected: &str) -> Result<(), String> {
    if !path.is_absolute() {
        return Err(format!("{} is not an absolute path", path.display()));
    }
    let bytes =
        std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let found = sha256(&bytes);
    match found.eq_ignore_ascii_case(expected) {
        true => Ok(()),
        false => Err(format!(
            "{} has SHA-256 {found}, expected {expected}",
            path.display()
        )),
    }
}
