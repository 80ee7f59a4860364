//! What a disk did is reported as it was, and judged by it.

use super::*;

fn took(milliseconds: &[u64]) -> Examination {
    let mut flushes: Vec<_> = milliseconds
        .iter()
        .map(|ms| Duration::from_millis(*ms))
        .collect();
    flushes.sort_unstable();
    Examination {
        flushes,
        in_memory: false,
        free_bytes: 1 << 40,
    }
}

#[test]
fn a_folder_is_measured_and_left_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let found = examine(folder.path(), 20).expect("measured");
    assert_eq!(found.flushes.len(), 20);
    assert!(found.flushes.is_sorted() && found.mean() > Duration::ZERO);
    assert!(found.free_bytes > 0);
    let left = std::fs::read_dir(folder.path()).expect("listed").count();
    assert_eq!(left, 0);
    assert!(examine(&folder.path().join("not-there"), 1).is_err());
}

#[test]
fn memory_is_no_disk() {
    let Ok(folder) = tempfile::tempdir_in("/dev/shm") else {
        panic!("this test needs /dev/shm");
    };
    let found = examine(folder.path(), 2).expect("measured");
    assert!(matches!(found.fitness(), Fitness::Unfit(_)), "{found:?}");
}

#[test]
fn the_times_decide() {
    let good = [4; 200];
    assert_eq!(took(&good).fitness(), Fitness::Fit);
    assert_eq!(took(&good).mean(), Duration::from_millis(4));
    assert!(matches!(took(&[21; 200]).fitness(), Fitness::Slow(_)));
    let mut stutters = good;
    stutters[..4].fill(150);
    assert!(matches!(took(&stutters).fitness(), Fitness::Slow(_)));
    stutters[..4].fill(300);
    assert!(matches!(took(&stutters).fitness(), Fitness::Unfit(_)));
    let full = Examination {
        free_bytes: 1 << 20,
        ..took(&good)
    };
    assert!(matches!(full.fitness(), Fitness::Unfit(_)));
}
