//! `make bench` as a smoke test: every cell is measured for a moment and printed. No figure is judged here.

use std::process::Command;

use serde_json::Value;

use crate::executable::built_gateway;

#[test]
fn the_bench_measures_every_cell() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--output", "json", "--gateway"])
        .arg(built_gateway())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let cells = printed["cells"].as_array().unwrap();
    // Direct twice, three variants on two media; plain and streamed; 1 and 64 connections.
    assert_eq!(cells.len(), (2 + 3 * 2) * 2 * 2);
    for cell in cells {
        let rounds = cell["rounds"].as_array().unwrap();
        assert_eq!(rounds.len(), 1, "{cell}");
        assert!(rounds[0]["requests"].as_u64().unwrap() > 0, "{cell}");
        assert!(
            rounds[0]["whole_ms"]["p99"].as_f64().unwrap() > 0.0,
            "{cell}"
        );
        assert_eq!(
            rounds[0]["gateway"].is_null(),
            cell["log"] == "none",
            "{cell}"
        );
    }
    let aims = printed["aims"].as_array().unwrap();
    assert_eq!(aims.len(), 8, "every line of what was aimed at: {aims:?}");
}
