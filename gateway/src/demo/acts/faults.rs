//! Act 2: what happens when a part fails. The faults are real to everything above the seam where they are made.

use std::path::Path;
use std::time::Duration;

use audit::{Fault, Reason, State, Status};

use crate::demo::beat::{Beat, Needs, Surprise, Told, Took, Verdict, holds, same};
use crate::demo::record::{self, Record};
use crate::demo::rig::{Rig, question};

pub(super) const DISK_FULL: Beat = Beat {
    says: "The log's disk is full: what cannot be recorded is not done.",
    needs: Needs::AnyModel,
    play: |rig| Box::pin(a_full_disk_refuses(rig)),
};

pub(super) const CLASSIFIER_HANGS: Beat = Beat {
    says: "The classifier hangs: what cannot be judged is not sent.",
    needs: Needs::AnyModel,
    play: |rig| Box::pin(a_hung_classifier_refuses(rig)),
};

/// Fills the space that is set aside in a few requests.
const LONG_PROMPT: usize = 48 << 10;

/// More would mean that the log writes where there is no room.
const ASKED_MAX: usize = 500;

async fn a_full_disk_refuses(rig: &mut Rig) -> Result<Told, Surprise> {
    rig.faults.set(Fault::NoSpace);
    rig.tap.stand_in(true);
    let answered = fill(rig).await?;
    rig.tap.stand_in(false);
    // From here on there is no place for even the smallest request.
    let ask = question("Is there room?");
    rig.refused(&ask, 503, "audit_unavailable").await?;
    let refused = rig.status().refused;

    rig.faults.clear();
    let serving = |status: &Status| status.state == State::Serving;
    let back = rig.until("serving again", serving).await?;
    let again = rig.answered(&question("And now?")).await?;
    let (degraded, restored) = episode(&rig.log(), again.id())?;
    same("the reason in the entry", restored.text("/reason"), "full")?;
    let counted = restored.number("/refused");
    same("the refusals that the entry counts", counted, Some(refused))?;
    Ok(Told::new(
        Verdict::Refused,
        "503 audit_unavailable, and the model heard nothing",
    )
    .and(format!(
        "({answered} before it fitted into space set aside; after it: 200)"
    ))
    .at(format!("entry {} degraded: full", degraded.index))
    .at(format!(
        "entry {} restored, {refused} refused meanwhile",
        restored.index
    ))
    .timed(format!("serving {} after there was room", Took(back))))
}

/// The entries that say that requests were refused, and no longer: in order, and before the answer that followed.
fn episode(log: &Path, answered: &str) -> Result<(Record, Record), Surprise> {
    let (intent, _) = record::intent_and_outcome(log, answered)?;
    let mut records = record::all(log)?;
    records.retain(|record| ["audit.degraded", "audit.restored"].contains(&record.kind()));
    let kinds: Vec<_> = records.iter().map(Record::kind).collect();
    same(
        "the entries about the fault",
        kinds.as_slice(),
        ["audit.degraded", "audit.restored"],
    )?;
    let [degraded, restored] = <[Record; 2]>::try_from(records)
        .map_err(|records| Surprise::new("", "two entries", records.len().to_string()))?;
    holds(
        "both before the next answer",
        restored.index < intent.index,
        intent.index,
    )?;
    Ok((degraded, restored))
}

/// Asks until the log has no place left; how many were answered before.
async fn fill(rig: &mut Rig) -> Result<usize, Surprise> {
    let mut answered = 0;
    let mut long = true;
    for n in 0..ASKED_MAX {
        let text = match long {
            true => babble(n as u64),
            false => "Is there room?".to_owned(),
        };
        let reply = rig.ask(&question(&text)).await?;
        match (reply.status, rig.status().state) {
            (200, _) => answered += 1,
            (503, State::Degraded(Reason::Full)) => return Ok(answered),
            // A long one has no room, a short one may have.
            (503, State::Serving) => long = false,
            (status, state) => {
                return Err(Surprise::new(
                    "filling the disk",
                    "200, then 503",
                    format!("{status}, {state:?}"),
                ));
            }
        }
    }
    Err(Surprise::new(
        "a full disk",
        "503",
        format!("{ASKED_MAX} answers"),
    ))
}

/// Words that nobody has said before: kept once, and hardly shorter than they are.
fn babble(seed: u64) -> String {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    let word = |_| (0..5).map(|_| letter()).chain([' ']).collect::<String>();
    (0..LONG_PROMPT / 6).map(word).collect()
}

async fn a_hung_classifier_refuses(rig: &mut Rig) -> Result<Told, Surprise> {
    rig.hang.set(true);
    let ask = question("Good morning!");
    let refused = rig.refused(&ask, 503, "guardrail_unavailable").await;
    rig.hang.set(false);
    let reply = refused?;
    holds("a refusal in time", reply.took < REFUSED_WITHIN, reply.took)?;

    let entry = record::refusal(&rig.log(), reply.id(), "req.undecided")?;
    holds(
        "no check said to have passed",
        !entry.ran("fast-guard"),
        &entry.entry,
    )?;
    rig.answered(&ask).await?;
    let (index, kind, took) = (entry.index, entry.kind(), Took(reply.took));
    Ok(Told::new(
        Verdict::Refused,
        "503 guardrail_unavailable, and the model heard nothing",
    )
    .at(format!(
        "entry {index}, type {kind}: undecided is not \"passed\""
    ))
    .timed(format!(
        "refused after {took}, the longest that a judgement may take"
    )))
}

/// A judgement may take one second, on a busy machine a little more.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
