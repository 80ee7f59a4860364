//! The gateway's executable, for tests that run a command of it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The gateway's executable beside the bench, built if the test runs alone.
pub(crate) fn built_gateway() -> PathBuf {
    let gateway = Path::new(env!("CARGO_BIN_EXE_bench")).with_file_name("portcullis");
    if !gateway.exists() {
        let build = [
            "build",
            "--quiet",
            "--package",
            "gateway",
            "--bin",
            "portcullis",
        ];
        let built = Command::new(env!("CARGO"))
            .args(build)
            .current_dir(tests::repository())
            .status();
        assert!(built.unwrap().success(), "the gateway can be built");
    }
    gateway
}
