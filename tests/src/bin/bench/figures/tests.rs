use super::*;

fn times(milliseconds: impl IntoIterator<Item = u64>) -> Vec<Duration> {
    milliseconds
        .into_iter()
        .map(Duration::from_millis)
        .collect()
}

#[test]
fn percentiles_are_nearest_ranks() {
    assert_eq!(
        Percentiles::of(times((1..=100).rev())),
        Percentiles {
            p50: 50.0,
            p99: 99.0
        }
    );
    assert_eq!(
        Percentiles::of(times([7])),
        Percentiles { p50: 7.0, p99: 7.0 }
    );
    assert!(Percentiles::of(Vec::new()).p50.is_nan());
}

#[test]
fn the_median_of_an_even_number_lies_between() {
    assert_eq!(
        over(vec![4.0, 1.0, 3.0, 2.0]),
        Figure {
            median: 2.5,
            spread: 3.0
        }
    );
    assert_eq!(
        over(vec![9.0, 1.0, 2.0]),
        Figure {
            median: 2.0,
            spread: 8.0
        }
    );
}
