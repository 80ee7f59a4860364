//! The space ladder: what is said, and what is refused, as the log's disk fills up.
//!
//! | used | less is free than | |
//! |---|---|---|
//! | 75 % | 64 GiB | said once, in the operational log |
//! | 90 % | 16 GiB | an alarm |
//! | 95 % | 4 GiB | no new request is taken; those in flight have their space |
//!
//! Both must be: a twentieth of a large disk is months of records, and of a small one an afternoon's.
//! (NIST SP 800-53 AU-5(1) asks for the first step.) The disk that is full to its last byte is another
//! matter: whatever was promised space has it in segments that are there already
//! ([`desk`](crate::desk)).

use crate::storage::Room;

/// How full the disk of the log is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Space {
    /// Nothing to say.
    #[default]
    Plenty,
    /// Someone should make room some day.
    Low,
    /// Someone should make room now.
    Short,
    /// No new requests are taken.
    Spent,
}

const GIB: u64 = 1 << 30;
const LADDER: [(Space, u64, u64); 3] = [
    (Space::Spent, 95, 4 * GIB),
    (Space::Short, 90, 16 * GIB),
    (Space::Low, 75, 64 * GIB),
];

impl Space {
    pub(crate) fn of(room: Room) -> Space {
        let used = u128::from(room.total.saturating_sub(room.free)) * 100;
        let step = LADDER.into_iter().find(|&(_, percent, floor)| {
            room.free < floor && used >= u128::from(percent) * u128::from(room.total)
        });
        step.map_or(Space::Plenty, |(space, ..)| space)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_needs_both_the_share_and_the_size() {
        let of = |free, total| Space::of(Room { free, total });
        assert_eq!(of(100 * GIB, 100 * GIB), Space::Plenty);
        assert_eq!(of(26 * GIB, 100 * GIB), Space::Plenty);
        assert_eq!(of(25 * GIB, 100 * GIB), Space::Low);
        assert_eq!(of(10 * GIB, 100 * GIB), Space::Short);
        assert_eq!(of(5 * GIB, 100 * GIB), Space::Short, "5 GiB are days");
        assert_eq!(of(4 * GIB - 1, 80 * GIB), Space::Spent);
        assert_eq!(of(80 * GIB, 2000 * GIB), Space::Plenty);
        assert_eq!(
            of(200, 4_000),
            Space::Spent,
            "a small disk goes by its share"
        );
        assert_eq!(of(201, 4_000), Space::Short);
        assert_eq!(of(0, 0), Space::Spent);
    }
}
