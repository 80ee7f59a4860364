//! A proof stands alone: any other entry, index, hash, checkpoint or key, and it proves nothing.

use proptest::prelude::*;

use super::*;
use crate::fixtures::{Bench, refusal};
use crate::{Checkpoint, EntryIndex, check_consistency, consistency_text, entries, inclusion_text};

/// A closed log of some entries, and the leaves in it.
fn written(count: u64) -> (Bench, Vec<Vec<u8>>) {
    let bench = Bench::new();
    let log = bench.open();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for n in 0..count {
            let place = log.reserve().await.expect("a place");
            drop(
                place
                    .refuse(refusal(n), Vec::new())
                    .await
                    .expect("a receipt"),
            );
        }
        log.close().await;
    });
    let leaves = entries(&bench.dir()).expect("entries");
    let leaves = leaves.map(|entry| entry.expect("an entry").1).collect();
    (bench, leaves)
}

#[test]
fn every_entry_has_a_proof_that_stands_alone() {
    let (bench, leaves) = written(300);
    let key = bench.signer.verify_key();
    for (index, leaf) in (0..).zip(&leaves) {
        let text = inclusion_text(&bench.dir(), EntryIndex(index)).expect("a proof");
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex "), "{text}");
        let (found, checkpoint) = check_inclusion_text(&text, leaf, &key).expect("it holds");
        assert_eq!((found.0, checkpoint.size), (index, leaves.len() as u64));
    }
    let beyond = EntryIndex(leaves.len() as u64);
    assert!(inclusion_text(&bench.dir(), beyond).is_err());
}

#[test]
fn nothing_else_is_proved() {
    let (bench, leaves) = written(40);
    let key = bench.signer.verify_key();
    let text = inclusion_text(&bench.dir(), EntryIndex(7)).expect("a proof");
    let check = |text: &str, leaf: &[u8]| check_inclusion_text(text, leaf, &key);
    assert_eq!(
        check(&text, &leaves[8]),
        Err(BadProof::Rejected(ProofRejected))
    );
    let moved = text.replace("index 7\n", "index 6\n");
    assert_eq!(
        check(&moved, &leaves[7]),
        Err(BadProof::Rejected(ProofRejected))
    );
    for spelt in ["index 07\n", "index +7\n", "index \n", "index 7 \n"] {
        let odd = text.replace("index 7\n", spelt);
        assert_eq!(check(&odd, &leaves[7]), Err(BadProof::Malformed), "{spelt}");
    }
    let extra = text.replace("index", "extra aGVsbG8=\nindex");
    assert!(check(&extra, &leaves[7]).is_ok());
    let other = Bench::new().signer.verify_key();
    assert!(matches!(
        check_inclusion_text(&text, &leaves[7], &other),
        Err(BadProof::Checkpoint(_))
    ));
}

#[test]
fn an_older_checkpoint_is_led_to_the_newer_one() {
    let (bench, leaves) = written(300);
    for size in [0, 1, 2, 255, 256, 257, leaves.len() as u64] {
        let mut tree = crate::merkle::Frontier::default();
        leaves[..size as usize]
            .iter()
            .for_each(|leaf| tree.push(leaf_hash(leaf)));
        let old = Checkpoint {
            origin: crate::fixtures::origin(),
            size,
            root: crate::Digest(tree.root()),
        };
        let text = consistency_text(&bench.dir(), &old).expect("a proof");
        let (head, rest) = text.split_once('\n').expect("lines");
        assert_eq!(head, format!("old {size}"));
        let (hashes, note) = match rest.strip_prefix('\n') {
            Some(note) => ("", note),
            None => rest.split_once("\n\n").expect("an empty line"),
        };
        let proof: Vec<Hash> = hashes
            .lines()
            .map(|line| BASE64.decode(line).expect("base64").try_into().expect("32"))
            .collect();
        let new = Checkpoint::open(note, &bench.signer.verify_key()).expect("a note");
        let held = check_consistency(size, &old.root.0, new.size, &new.root.0, &proof);
        assert_eq!(held, Ok(()), "from {size}");
    }
    let longer = Checkpoint {
        origin: crate::fixtures::origin(),
        size: leaves.len() as u64 + 1,
        root: crate::Digest([0; 32]),
    };
    assert!(consistency_text(&bench.dir(), &longer).is_err());
}

proptest! {
    #[test]
    fn whatever_comes_instead_is_refused_and_nothing_panics(at in 0usize..2_000, to in any::<char>()) {
        use std::sync::OnceLock;
        static PROOF: OnceLock<(String, Vec<u8>, VerifyKey)> = OnceLock::new();
        let (text, leaf, key) = PROOF.get_or_init(|| {
            let (bench, leaves) = written(40);
            let text = inclusion_text(&bench.dir(), EntryIndex(7)).expect("a proof");
            (text, leaves[7].clone(), bench.signer.verify_key())
        });
        let at = text.char_indices().map(|(at, _)| at).nth(at % text.chars().count());
        let at = at.expect("within");
        let kept = text[at..].chars().next().expect("a character");
        prop_assume!(to != kept);
        let mut changed = text.clone();
        changed.replace_range(at..at + kept.len_utf8(), &to.to_string());
        // A word of another key's line is all that may change without notice, and there is none.
        prop_assert!(check_inclusion_text(&changed, leaf, key).is_err(), "{changed}");
    }
}
