//! Act 2, the end: what the tour's own log proves, and what it does not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use audit::{Damage, Proof, VerifyOptions};
use tokio::time::Instant;

use crate::demo::beat::{Beat, Needs, Surprise, Told, Verdict, holds, same, some};
use crate::demo::record::Record;
use crate::demo::rig::Rig;

pub(super) const FLIPPED: Beat = Beat {
    says: "Somebody flips one bit of one entry in a copy of this log.",
    needs: Needs::AnyModel,
    play: |rig| Box::pin(a_flipped_bit_is_found(rig)),
};

pub(super) const PROVED: Beat = Beat {
    says: "What a stranger can prove from the log's files, and what not.",
    needs: Needs::AnyModel,
    play: |rig| Box::pin(what_is_proved(rig)),
};

async fn a_flipped_bit_is_found(rig: &mut Rig) -> Result<Told, Surprise> {
    all_published(rig).await?;
    let (log, copy) = (rig.log(), rig.folder.join("flipped"));
    copy_folder(&log, &copy).map_err(|e| Surprise::failed("copying the log", e))?;
    same("the copy before the flip", verified(rig, &copy).err(), None)?;
    let target = some("the first answer's intent", rig.to_damage.clone())?;
    let (file, entry_at, bit_at) = flip(&copy, &target)?;

    let begun = Instant::now();
    let damage = verified(rig, &copy).err();
    let took = begun.elapsed();
    let damage = some("that it is found", damage)?;
    same(
        "the entry that is named",
        damage.index.map(|index| index.0),
        Some(target.index),
    )?;
    same(
        "the file that is named",
        damage.file.as_path(),
        file.as_path(),
    )?;
    let named = some("a byte offset", damage.offset)?;
    let end = entry_at + target.leaf.len() as u64;
    // An entry in a bundle begins with its length, two bytes.
    holds(
        "an offset in the entry",
        (entry_at.saturating_sub(2)..end).contains(&named),
        &damage,
    )?;
    same("the log itself", verified(rig, &log).err(), None)?;
    let shown = file.strip_prefix(&copy).unwrap_or(&file).display();
    Ok(Told::new(
        Verdict::Found,
        format!("verify names entry {} and the place", target.index),
    )
    .at(format!("{shown}, byte {named}: there the entry begins"))
    .at(format!("(flipped: byte {bit_at})"))
    .took(took))
}

async fn what_is_proved(rig: &mut Rig) -> Result<Told, Surprise> {
    all_published(rig).await?;
    let begun = Instant::now();
    let proof = verified(rig, &rig.log());
    let took = begun.elapsed();
    let proof = proof.map_err(|damage| {
        Surprise::new("the tour's log", "that it verifies", damage.to_string())
    })?;
    holds(
        "a signature that was checked",
        proof.signature_checked,
        &proof,
    )?;
    same("intents without an outcome", proof.open_intents, 0)?;
    same(
        "entries under the signed checkpoint",
        proof.published,
        proof.size,
    )?;
    let Proof {
        size,
        intents,
        bodies,
        ..
    } = proof;
    Ok(Told::new(
        Verdict::Proved,
        format!("{size} entries make one Merkle tree, its root signed;"),
    )
    .and(format!("{intents} intents have one outcome each;"))
    .and(format!(
        "{bodies} sealed bodies are those that the entries name"
    ))
    .not_proved("that whoever holds the log's key did not rewrite it, or cut")
    .not_proved("its end off: keep a checkpoint on another machine;")
    .not_proved("that the clock was right, that the guards catch everything,")
    .not_proved("that the gateway did what it wrote")
    .at("log/checkpoint")
    .took(took))
}

/// Waits until every entry is under a signed checkpoint: from then on nothing is written until the next request.
async fn all_published(rig: &Rig) -> Result<(), Surprise> {
    let published = rig.until("all entries published", |status| {
        status.checkpoint_size == status.tree_size
    });
    published.await.map(drop)
}

/// Verifies a log under the key that signs it.
fn verified(rig: &Rig, log: &Path) -> Result<Proof, Damage> {
    let options = VerifyOptions {
        vkey: Some(rig.running.verify_key.clone()),
        ..VerifyOptions::default()
    };
    audit::verify(log, options)
}

/// Flips the lowest bit in the middle of the entry; the file, where the entry begins there, and the byte.
fn flip(log: &Path, target: &Record) -> Result<(PathBuf, u64, u64), Surprise> {
    let failed = |e: io::Error| Surprise::failed("flipping a bit", e);
    let mut fullest: Option<(PathBuf, Vec<u8>, usize)> = None;
    for file in files_below(&log.join("tile/entries")).map_err(failed)? {
        let bytes = fs::read(&file).map_err(failed)?;
        let at = bytes
            .windows(target.leaf.len())
            .position(|window| window == target.leaf);
        // Bundles that grew leave shorter ones behind: the longest is the one that counts.
        let longest = fullest
            .as_ref()
            .is_none_or(|(_, longest, _)| bytes.len() > longest.len());
        if let (Some(at), true) = (at, longest) {
            fullest = Some((file, bytes, at));
        }
    }
    let (file, mut bytes, at) = some("a file that holds the entry's bytes", fullest)?;
    let middle = at + target.leaf.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    fs::write(&file, bytes).map_err(failed)?;
    Ok((file, at as u64, middle as u64))
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    for file in files_below(from)? {
        let below = file.strip_prefix(from).map_err(io::Error::other)?;
        let target = to.join(below);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&file, target)?;
    }
    Ok(())
}

fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
