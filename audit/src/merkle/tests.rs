use super::*;

fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// MTH of RFC 6962, as it is written there.
fn root_by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root_by_definition(left), &root_by_definition(right))
        }
    }
}

fn path_by_definition(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut path, sibling) = match index < middle {
        true => (path_by_definition(index, left), root_by_definition(right)),
        false => (
            path_by_definition(index - middle, right),
            root_by_definition(left),
        ),
    };
    path.push(sibling);
    path
}

fn consistency_by_definition(old: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if known {
            Vec::new()
        } else {
            vec![root_by_definition(leaves)]
        };
    }
    let middle = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(middle);
    let (mut proof, sibling) = match old <= middle {
        true => (
            consistency_by_definition(old, left, known),
            root_by_definition(right),
        ),
        false => (
            consistency_by_definition(old - middle, right, false),
            root_by_definition(left),
        ),
    };
    proof.push(sibling);
    proof
}

fn some_leaves(count: u32) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

/// The vectors of the Certificate Transparency projects: eight leaves and the roots of their trees.
#[test]
fn roots_are_those_of_certificate_transparency() {
    let leaves: [&[u8]; 8] = [
        b"",
        &[0x00],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[
            0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f,
        ],
    ];
    let mut tree = Frontier::default();
    assert_eq!(
        hex(&tree.root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    let mut roots = Vec::new();
    for leaf in leaves {
        tree.push(leaf_hash(leaf));
        roots.push(hex(&tree.root()));
    }
    assert_eq!(
        roots[0],
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    assert_eq!(
        roots[1],
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    );
    assert_eq!(
        roots[7],
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
}

#[test]
fn the_frontier_agrees_with_the_definition_at_every_size() {
    let leaves = some_leaves(130);
    let mut tree = Frontier::default();
    for (size, leaf) in (1..).zip(&leaves) {
        tree.push(*leaf);
        assert_eq!(
            tree.root(),
            root_by_definition(&leaves[..size]),
            "{size} leaves"
        );
    }
}

#[test]
fn every_inclusion_proof_holds_and_no_other() {
    for size in 1..=33 {
        let leaves = some_leaves(size);
        let root = root_by_definition(&leaves);
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = path_by_definition(index, &leaves);
            let check = |index: u64, size: u64, proof: &[Hash]| {
                check_inclusion(index, leaf, size, &root, proof)
            };
            let (index, size) = (index as u64, u64::from(size));
            assert_eq!(check(index, size, &proof), Ok(()));
            assert_eq!(check(index + 1, size, &proof), Err(ProofRejected));
            assert_eq!(
                check(index, size, &[proof.as_slice(), &[root]].concat()),
                Err(ProofRejected)
            );
            if let Some((_, shorter)) = proof.split_last() {
                assert_eq!(check(index, size, shorter), Err(ProofRejected));
            }
        }
    }
}

#[test]
fn every_consistency_proof_holds_and_no_other() {
    for new in 1..=33 {
        let leaves = some_leaves(new);
        let new_root = root_by_definition(&leaves);
        for old in 1..=new {
            let old_root = root_by_definition(&leaves[..old as usize]);
            let proof = consistency_by_definition(old as usize, &leaves, true);
            let (old, new) = (u64::from(old), u64::from(new));
            assert_eq!(
                check_consistency(old, &old_root, new, &new_root, &proof),
                Ok(()),
                "{old} {new}"
            );
            let other = leaf_hash(b"other");
            assert_eq!(
                check_consistency(old, &other, new, &new_root, &proof),
                Err(ProofRejected)
            );
            assert_eq!(
                check_consistency(old, &old_root, new, &other, &proof),
                Err(ProofRejected)
            );
            assert_eq!(
                check_consistency(
                    old,
                    &old_root,
                    new,
                    &new_root,
                    &[proof.as_slice(), &[other]].concat()
                ),
                Err(ProofRejected)
            );
        }
    }
    assert_eq!(
        check_consistency(0, &sha256(&[]), 9, &leaf_hash(b""), &[]),
        Ok(())
    );
    assert_eq!(
        check_consistency(0, &leaf_hash(b""), 9, &leaf_hash(b""), &[]),
        Err(ProofRejected)
    );
}
