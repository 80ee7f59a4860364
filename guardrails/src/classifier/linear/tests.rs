use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::RuntimeLibrary;
use crate::classifier::runtime;
use crate::engine::sha256;

fn shipped() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fast-guard/model.onnx");
    std::fs::read(path).expect("the model")
}

fn linear() -> Linear {
    Linear::read(&shipped(), 2).expect("a table of weights")
}

/// How far two sets of scores are apart at most.
fn apart(ours: &[Vec<f32>], theirs: &[Vec<f32>]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    let pairs = ours.concat().into_iter().zip(theirs.concat());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_file_that_is_another_graph_is_left_to_the_runtime() {
    assert!(Linear::read(b"", 2).is_none());
    assert!(Linear::read(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 2).is_none());
    assert!(
        Linear::read(&shipped(), 3).is_none(),
        "another number of labels"
    );
    let model = shipped();
    for (from, to) in [
        ("Sigmoid", "Softmax"),
        ("MatMul", "MatMux"),
        ("logits", "logitz"),
    ] {
        let at = model
            .windows(from.len())
            .rposition(|part| part == from.as_bytes());
        let mut other = model.clone();
        let at = at.expect("it is in the file");
        other[at..at + to.len()].copy_from_slice(to.as_bytes());
        assert!(Linear::read(&other, 2).is_none(), "{to}");
    }
    assert!(
        Linear::read(&model[..model.len() / 2], 2).is_none(),
        "cut off"
    );
}

/// Words that repeat, so that counts go up and down while the window moves.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-c]{1,4}",
        "[a-zA-Z0-9#<é'.,]{1,9}",
        proptest::sample::select(vec!["ignore", "instructions", "the", "the", "bomb"])
            .prop_map(str::to_owned),
    ];
    proptest::collection::vec(word, 0..120).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_moving_window_scores_as_each_window_alone(text in text(), words in 1_usize..40, overlap in 0_usize..40) {
        let linear = linear();
        let cut = ngrams::windows(&text, words, overlap);
        let alone: Vec<Vec<f32>> = ngrams::window_features(&text, &cut).iter().map(|of| linear.score(of)).collect();
        for _ in 0..2 {
            let moving = linear.score_windows(&text, &cut);
            prop_assert!(apart(&moving, &alone) <= 1e-6);
        }
        prop_assert!(linear.free_counts().iter().all(|count| *count == 0), "left as they were found");
    }
}

/// Needs the library, as `tests/fast_guard.rs`.
#[test]
fn the_runtime_gives_the_same_scores() {
    let fetched = || {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../.portcullis/onnxruntime/libonnxruntime.so")
    };
    let path = std::env::var_os("PORTCULLIS_ONNXRUNTIME").map_or_else(fetched, Into::into);
    let path = path
        .canonicalize()
        .expect("run scripts/fetch-onnxruntime.sh");
    let digest = sha256(&std::fs::read(&path).expect("the library"));
    let library = RuntimeLibrary {
        path,
        sha256: digest,
    };
    let environment = runtime::environment(&library).expect("the runtime");
    let mut session = super::super::onnx::session(&environment, &shipped()).expect("a session");
    let linear = linear();
    let card = include_str!("../../../../models/fast-guard/README.md");
    let cut = ngrams::windows(card, 32, 16);
    for batch in cut.chunks(64) {
        let features = ngrams::window_features(card, batch);
        let theirs = super::super::onnx::run(&mut session, &features, 2).expect("scores");
        let ours = linear.score_windows(card, batch);
        let apart = apart(&ours, &theirs);
        assert!(apart <= 1e-6, "{apart}");
    }
    assert!(super::super::onnx::agree(&mut session, &linear, 2).expect("scores"));
    let other = Linear {
        bias: vec![0.5, 0.5],
        ..linear
    };
    assert!(!super::super::onnx::agree(&mut session, &other, 2).expect("scores"));
}
