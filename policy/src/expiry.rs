//! What ends: the bundle, authorities, purposes that rows grant, and attribute sources.
//!
//! The loader knows no clock, so this is asked with a moment, whenever somebody looks. An expired bundle
//! stays in force; an expired purpose or authority refuses its requests, an expired source says nothing.

use crate::{
    Policy, pattern,
    problem::{Problem, Severity, Site},
    rule::Rule,
    source::SourceKind,
    time::UnixTime,
};

impl Policy {
    /// Warnings about everything that has ended at a moment or ends within thirty days, at its place.
    /// Purposes that no allow row grants are left alone.
    #[must_use]
    pub fn warnings_at(&self, at: UnixTime) -> Vec<Problem> {
        let bundle = self.manifest.expires.zip(self.manifest.expires_at.as_ref());
        let bundle = bundle.map(|(end, site)| Ending {
            what: "the bundle".to_owned(),
            end,
            site,
            then: "it stays in force out of date",
        });
        let authorities = self.authorities.iter().map(|authority| Ending {
            what: format!("authority `{}`", authority.id),
            end: authority.expires,
            site: &authority.site,
            then: "what rests on it is refused",
        });
        let purposes = self.purposes.registered.iter();
        let granted = purposes.filter(|(name, _)| self.is_granted(name));
        let purposes = granted.map(|(name, purpose)| Ending {
            what: format!("purpose `{name}`"),
            end: purpose.expires,
            site: &purpose.site,
            then: "its requests are refused",
        });
        let sources = self.identities.sources.values();
        let sources = sources.filter_map(|source| match &source.kind {
            SourceKind::File {
                expires,
                expires_at,
                ..
            } => Some(Ending {
                what: format!("source `{}`", source.name),
                end: *expires,
                site: expires_at,
                then: "what comes from it is taken to be the lowest",
            }),
            SourceKind::Claims { .. } => None,
        });
        let endings = bundle.into_iter().chain(authorities).chain(purposes);
        let endings = endings.chain(sources);
        let mut warnings: Vec<Problem> = endings.filter_map(|ending| ending.warning(at)).collect();
        for warning in &mut warnings {
            warning.file = self.root.join(&warning.file);
        }
        warnings
    }

    /// Whether some allow row names the purpose.
    fn is_granted(&self, purpose: &str) -> bool {
        let grants = |rule: &Rule| !rule.is_deny() && pattern::one_of(purpose, &rule.purposes);
        self.rules.iter().any(grants)
    }
}

/// Something with an end.
struct Ending<'a> {
    what: String,
    /// First moment after it.
    end: UnixTime,
    site: &'a Site,
    then: &'static str,
}

impl Ending<'_> {
    fn warning(&self, at: UnixTime) -> Option<Problem> {
        let (what, day, then) = (&self.what, self.end.last_day(), self.then);
        let message = if at >= self.end {
            format!("{what} ended on {day}: {then}")
        } else if at.0 >= self.end.0.saturating_sub(SOON) {
            format!("{what} ends on {day}: from then on {then}")
        } else {
            return None;
        };
        // Words alone: for how long it goes on is for its owner to say.
        let hint = "have its owner renew it, or remove what relies on it";
        Some(self.site.problem(Severity::Warning, message, hint))
    }
}

/// Thirty days.
const SOON: i64 = 30 * 86_400;
