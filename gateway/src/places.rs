//! Places for requests in flight: so many in all, and so many for one principal, so that nobody can take them all by
//! sending slowly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All places, and who holds how many.
pub struct Places {
    max: usize,
    each_max: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    /// Principals that hold none are not in it, so it is no longer than `max`.
    by: HashMap<Arc<str>, usize>,
}

/// One place, given back when dropped.
pub struct Place {
    places: Arc<Places>,
    principal: Arc<str>,
}

impl Places {
    /// `max` places, of which one principal may hold `each_max`.
    pub fn new(max: usize, each_max: usize) -> Arc<Places> {
        Arc::new(Places {
            max,
            each_max,
            held: Mutex::default(),
        })
    }

    /// A place for `principal`; `None` if there is none left, or none for it.
    pub fn take(self: &Arc<Places>, principal: &str) -> Option<Place> {
        let mut held = self.held();
        if held.all >= self.max {
            return None;
        }
        let principal = match held.by.get_key_value(principal) {
            Some((_, n)) if *n >= self.each_max => return None,
            Some((known, _)) => known.clone(),
            None => principal.into(),
        };
        held.all += 1;
        *held.by.entry(principal.clone()).or_default() += 1;
        Some(Place {
            places: self.clone(),
            principal,
        })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.held().all
    }

    /// A panic while counting leaves numbers that are still numbers.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        held.all -= 1;
        if let Some(n) = held.by.get_mut(&self.principal) {
            *n -= 1;
            if *n == 0 {
                held.by.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests;
