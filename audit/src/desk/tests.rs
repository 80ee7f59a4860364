use super::*;
use crate::entry::Nothing;
use crate::fixtures::Bench;
use crate::recover;
use crate::seal::Sealer;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn the_wait_is_a_part_of_a_flush() {
    let now = Instant::now();
    let wait = |flush, most| Gather::after(Duration::from_micros(flush), 9, most, now).until - now;
    let most = Duration::from_micros(1_000);
    assert_eq!(wait(2_000, most), Duration::from_micros(500));
    assert_eq!(wait(40_000, most), most);
    assert_eq!(wait(50, most), GATHER_LEAST);
    assert_eq!(wait(4_000, Duration::ZERO), Duration::ZERO);
}

/// Each of these waits would take an hour.
#[test]
fn the_wait_ends_when_all_are_back_or_nobody_comes() {
    let bench = Bench::new();
    let (parts, _) = recover::open(
        bench.settings.clone(),
        bench.disk(),
        bench.signer.clone(),
        Sealer::new(bench.opener.recipient()),
        Arc::new(crate::SystemClock),
    )
    .expect("the log opens");
    let gather = |expected, pause| Gather {
        expected,
        until: Instant::now() + HOUR,
        pause,
    };
    let queue = || parts.shared.queue_own(Entry::Heartbeat(Nothing {}));
    queue();
    parts.shared.wait_for_work(gather(1, HOUR), HOUR);
    let nobody_comes = gather(3, Duration::from_millis(1));
    parts.shared.wait_for_work(nobody_comes, HOUR);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..2).for_each(|_| queue()));
        parts.shared.wait_for_work(gather(3, HOUR), HOUR);
    });
    assert_eq!(parts.shared.take_all().len(), 3);
}
