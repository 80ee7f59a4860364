//! Verdicts that were reached before: the decision cache of one snapshot.
//!
//! It belongs to a [`Policy`](crate::Policy) and dies with it, so a reload forgets everything. What
//! it holds is the answer of a *section*, which follows from the [`Facts`] alone; what depends on
//! the clock or on native invariants (expiry, authorities, label dominance, suspension) is decided
//! anew for each request before it is asked. A fault is never remembered.
//!
//! Bound: two generations of [`GENERATION`] verdicts. When the young one is full it becomes the old
//! one, and the old one is forgotten; whoever is found in the old one moves to the young. So what is
//! used stays, and the lock is held for a look-up and no more.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{decide::Grant, decision::Denied, rule::Facts};

/// Verdicts per generation; one takes some 300 bytes.
const GENERATION: usize = 4096;

/// What a section says to some facts.
pub(crate) type Verdict = Result<Grant, Denied>;

/// The verdicts of one snapshot.
#[derive(Default)]
pub(crate) struct Cache {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<Vec<u8>, Verdict>,
    old: HashMap<Vec<u8>, Verdict>,
}

impl Cache {
    /// The verdict for these facts: the remembered one, or what `decide` comes to.
    ///
    /// # Errors
    /// Those of `decide`, which are not remembered.
    pub(crate) fn verdict<E>(
        &self,
        facts: &Facts<'_>,
        decide: impl FnOnce() -> Result<Verdict, E>,
    ) -> Result<Verdict, E> {
        let key = key(facts);
        if let Some(known) = self.generations().find(&key) {
            return Ok(known);
        }
        // Not under the lock: two who ask at once decide twice, and alike.
        let verdict = decide()?;
        self.generations().keep(key, verdict.clone());
        Ok(verdict)
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, key: &[u8]) -> Option<Verdict> {
        if let Some(known) = self.young.get(key) {
            return Some(known.clone());
        }
        let (key, known) = self.old.remove_entry(key)?;
        self.keep(key, known.clone());
        Some(known)
    }

    fn keep(&mut self, key: Vec<u8>, verdict: Verdict) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, verdict);
    }
}

/// Everything that [`Facts`] say about a request. Each part is preceded by its length, so that no
/// two facts share a key. The subject's roles follow from its record and its tenant in one snapshot; who
/// it is beyond that no row asks.
fn key(facts: &Facts<'_>) -> Vec<u8> {
    let Facts {
        subject,
        object,
        action,
        purpose,
        data,
        zone,
        windows,
    } = facts;
    let mut key = Vec::with_capacity(256);
    for part in [
        subject.record(),
        subject.tenant(),
        object,
        action.as_str(),
        purpose,
        &data.to_string(),
        zone,
        windows,
    ] {
        key.extend((part.len() as u64).to_le_bytes());
        key.extend(part.as_bytes());
    }
    key.push(subject.assurance() as u8);
    key
}

#[cfg(test)]
mod tests;
