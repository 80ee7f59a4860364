use super::*;

fn storage() -> (CrashStorage, PathBuf) {
    let storage = CrashStorage::new(1);
    let dir = PathBuf::from("/audit/wal");
    storage.create_dir_all(&dir).expect("a folder");
    for above in ["/", "/audit"] {
        storage.sync_dir(Path::new(above)).expect("synced");
    }
    (storage, dir)
}

/// Over many seeds: how often the file is there after a crash, and with which contents.
fn fates(before: impl Fn(&CrashStorage, &Path)) -> (usize, Vec<Vec<u8>>) {
    let (mut lost, mut contents) = (0, Vec::new());
    for seed in 0..200 {
        let (storage, dir) = storage();
        storage.machine().seed = seed;
        before(&storage, &dir);
        storage.crash();
        match storage.read(&dir.join("0")) {
            Ok(content) => contents.push(content),
            Err(_) => lost += 1,
        }
    }
    contents.sort();
    contents.dedup();
    (lost, contents)
}

fn write(storage: &CrashStorage, dir: &Path) -> Box<dyn File> {
    let file = storage.create(&dir.join("0")).expect("made");
    file.write_all_at(&[7; 2_000], 0).expect("written");
    file
}

#[test]
fn what_was_synced_survives_and_nothing_else_must() {
    let (lost, contents) = fates(|storage, dir| {
        write(storage, dir).sync_data().expect("synced");
        storage.sync_dir(dir).expect("synced");
    });
    assert_eq!((lost, contents), (0, vec![vec![7; 2_000]]));

    let (lost, contents) = fates(|storage, dir| drop(write(storage, dir)));
    assert!(lost > 50, "a name that was not synced may be gone");
    assert!(
        contents.len() > 5,
        "what was not flushed is kept in part: {}",
        contents.len()
    );

    let (lost, _) = fates(|storage, dir| write(storage, dir).sync_data().expect("synced"));
    assert!(lost > 50, "content alone does not keep a name");
}

#[test]
fn a_failed_sync_forgets_and_does_not_remember_later() {
    let (_, contents) = fates(|storage, dir| {
        let file = write(storage, dir);
        storage.sync_dir(dir).expect("synced");
        storage.fail_sync_after(0);
        assert!(file.sync_data().is_err());
        file.sync_data()
            .expect("the next one says nothing about the last");
        assert_eq!(
            storage.read(&dir.join("0")).expect("read"),
            [7; 2_000],
            "the cache still shows it"
        );
    });
    assert!(contents.len() > 5, "and yet it was lost in part");
}

#[test]
fn nothing_works_without_power_and_nothing_old_works_after_it() {
    let (storage, dir) = storage();
    let file = write(&storage, &dir);
    storage.cut_power_after(1);
    assert!(file.sync_data().is_ok() && file.sync_data().is_err() && storage.is_dead());
    storage.crash();
    assert!(file.len().is_err() && !storage.is_dead());
}
