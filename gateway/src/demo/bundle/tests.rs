use std::collections::BTreeSet;
use std::path::Path;

use super::FILES;

#[test]
fn every_file_of_the_policies_and_models_is_embedded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the repository");
    let mut there = BTreeSet::new();
    let mut folders = vec![root.join("policies"), root.join("models")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let relative = path.strip_prefix(root).expect("below the repository");
                there.insert(relative.display().to_string());
            }
        }
    }
    let embedded: BTreeSet<_> = FILES.iter().map(|file| file.path.to_owned()).collect();
    assert_eq!(embedded, there);
}
