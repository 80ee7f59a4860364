//! What decides: the access rules of one bundle, and the guardrails that its profiles make. They are loaded together,
//! checked against each other, and swapped together, so that no request meets the rules of one bundle under the profiles
//! of another.

use audit::{Digest, Event, GuardLoad, Name, PolicyLoad};
use guardrails::Engine;
use jiff::Timestamp;
use jiff::tz::Offset;
use policy::{Policy, UnixTime};

use crate::problem::Problem;

/// One bundle in force.
pub struct Rules {
    /// Access rules.
    pub policy: Policy,
    /// What judges text.
    pub guardrails: Engine,
}

impl Rules {
    /// What has ended at a moment, or was to be looked at by then, or soon is.
    pub fn warnings_at(&self, now: Timestamp) -> Vec<Problem> {
        let today = Offset::UTC.to_datetime(now).date();
        let ending = self.policy.warnings_at(UnixTime(now.as_second()));
        let due = self.guardrails.warnings_at(today);
        let ending = ending.into_iter().map(Problem::from);
        ending.chain(due.into_iter().map(Problem::from)).collect()
    }

    /// What the log is told when they come into force: the bundle, and every detector.
    pub fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(digest) = Digest::parse(self.policy.digest()) {
            let rules = u32::try_from(self.policy.rule_count()).unwrap_or(u32::MAX);
            let bundle = Name::new(self.policy.id()).unwrap_or_else(|| Name::literal("bundle"));
            events.push(Event::PolicyLoad(PolicyLoad {
                bundle,
                digest,
                rules,
            }));
        }
        for detector in self.guardrails.detectors() {
            if let (Some(name), Some(digest)) =
                (Name::new(&detector.name), Digest::parse(&detector.digest))
            {
                events.push(Event::GuardLoad(GuardLoad {
                    detector: name,
                    version: detector.version,
                    digest,
                }));
            }
        }
        events
    }
}
