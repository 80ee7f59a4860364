//! Places for requests in flight: so many in all, and so many for one principal, so that nobody can take them all by
//! sending slowly. And so many bytes that wait to be recorded, for each principal: the log sets space aside for what is
//! to be written, and nobody can take all of that by sending much at once. Who sends more waits for their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All places, and who holds how many.
pub struct Places {
    max: usize,
    each_max: usize,
    /// Of one principal, so many KiB may wait to be recorded.
    unrecorded_max: u32,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    /// Principals that hold none are not in it, so it is no longer than `max`.
    by: HashMap<Arc<str>, Share>,
}

/// What one principal holds.
struct Share {
    places: usize,
    unrecorded: Arc<Semaphore>,
}

/// Bytes that wait to be recorded; given back when dropped.
pub struct Unrecorded {
    _permit: OwnedSemaphorePermit,
}

/// One place, given back when dropped.
pub struct Place {
    places: Arc<Places>,
    principal: Arc<str>,
    unrecorded: Arc<Semaphore>,
}

impl Places {
    /// `max` places, of which one principal may hold `each_max`; and `unrecorded_max` bytes for each.
    pub fn new(max: usize, each_max: usize, unrecorded_max: u64) -> Arc<Places> {
        Arc::new(Places {
            max,
            each_max,
            unrecorded_max: kib(unrecorded_max),
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
            Some((_, share)) if share.places >= self.each_max => return None,
            Some((known, _)) => known.clone(),
            None => principal.into(),
        };
        held.all += 1;
        let share = held.by.entry(principal.clone()).or_insert_with(|| Share {
            places: 0,
            unrecorded: Arc::new(Semaphore::new(self.unrecorded_max as usize)),
        });
        share.places += 1;
        let unrecorded = share.unrecorded.clone();
        Some(Place {
            places: self.clone(),
            principal,
            unrecorded,
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

impl Place {
    /// Waits until so many bytes more of this principal may wait to be recorded: first come, first served.
    pub async fn unrecorded(&self, bytes: usize) -> Option<Unrecorded> {
        let wanted = kib(bytes as u64).min(self.places.unrecorded_max);
        let permit = self.unrecorded.clone().acquire_many_owned(wanted).await;
        Some(Unrecorded {
            _permit: permit.ok()?,
        })
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        held.all -= 1;
        if let Some(share) = held.by.get_mut(&self.principal) {
            share.places -= 1;
            if share.places == 0 {
                held.by.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests;
