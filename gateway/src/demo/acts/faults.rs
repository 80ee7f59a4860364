//! Act 2: what happens when a part fails. The faults are real to everything above the seam where they are made.

use std::time::Duration;

use audit::{Fault, Reason, State};
use tokio::time::Instant;

use crate::demo::beat::{Beat, Needs, Surprise, Told, Took, Verdict, holds, same, some};
use crate::demo::record;
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
    let (heard, size) = (rig.tap.requests(), rig.status().tree_size);
    let reply = rig.ask(&question("Is there room?")).await?;
    same("the status", reply.status, 503)?;
    same(
        "the error code",
        reply.code(),
        "audit_unavailable".to_owned(),
    )?;
    same(
        "requests that reached the model",
        rig.tap.requests() - heard,
        0,
    )?;
    let refused = rig.status().refused;

    rig.faults.clear();
    let back = rig
        .until("serving again", |status| status.state == State::Serving)
        .await?;
    let again = rig.ask(&question("And now?")).await?;
    same("the status with room again", again.status, 200)?;
    let (intent, _) = record::intent_and_outcome(&rig.log(), again.id())?;
    let since: Vec<_> = record::all(&rig.log())?;
    let degraded = some(
        "an entry audit.degraded",
        since.iter().rfind(|r| r.kind() == "audit.degraded"),
    )?;
    let restored = some(
        "an entry audit.restored",
        since.iter().rfind(|r| r.kind() == "audit.restored"),
    )?;
    same("the reason in the entry", restored.text("/reason"), "full")?;
    same(
        "the refusals that the entry counts",
        restored.number("/refused"),
        Some(refused),
    )?;
    holds(
        "both in order",
        degraded.index < restored.index && restored.index < intent.index && degraded.index <= size,
        restored.index,
    )?;
    Ok(Told {
        verdict: Verdict::Refused,
        what: vec![
            "503 audit_unavailable, and the model heard nothing".to_owned(),
            format!("({answered} before it fitted into space set aside; after it: 200)"),
        ],
        not_proved: Vec::new(),
        place: vec![
            format!("entry {} degraded: full", degraded.index),
            format!(
                "entry {} restored, {refused} refused meanwhile",
                restored.index
            ),
        ],
        time: format!("serving {} after there was room", Took(back)),
    })
}

/// Asks until the log has no place left; how many were answered before.
async fn fill(rig: &mut Rig) -> Result<usize, Surprise> {
    let mut answered = 0;
    let mut text = "benefits-".repeat(LONG_PROMPT / 9);
    for _ in 0..ASKED_MAX {
        let reply = rig.ask(&question(&text)).await?;
        match (reply.status, rig.status().state) {
            (200, _) => answered += 1,
            (503, State::Degraded(Reason::Full)) => return Ok(answered),
            // A long one has no room, a short one may have.
            (503, State::Serving) => "Is there room?".clone_into(&mut text),
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

async fn a_hung_classifier_refuses(rig: &mut Rig) -> Result<Told, Surprise> {
    let heard = rig.tap.requests();
    rig.hang.set(true);
    let asked = Instant::now();
    let reply = rig.ask(&question("Good morning!")).await;
    let waited = asked.elapsed();
    rig.hang.set(false);
    let reply = reply?;

    same("the status", reply.status, 503)?;
    same(
        "the error code",
        reply.code(),
        "guardrail_unavailable".to_owned(),
    )?;
    same(
        "requests that reached the model",
        rig.tap.requests() - heard,
        0,
    )?;
    let entry = record::refusal(&rig.log(), reply.id(), "req.undecided")?;
    holds(
        "no check that is said to have passed",
        !entry.ran("fast-guard"),
        &entry.entry,
    )?;
    holds("a refusal in time", waited < Duration::from_secs(5), waited)?;
    let again = rig.ask(&question("Good morning!")).await?;
    same("the status with the classifier back", again.status, 200)?;
    Ok(Told {
        verdict: Verdict::Refused,
        what: vec!["503 guardrail_unavailable, and the model heard nothing".to_owned()],
        not_proved: Vec::new(),
        place: vec![format!(
            "entry {}, type {}: undecided is not \"passed\"",
            entry.index,
            entry.kind()
        )],
        time: format!(
            "refused after {}, the longest that a judgement may take",
            Took(waited)
        ),
    })
}
