//! Whether the shards are one log: each verified, and each held against what its neighbours say of it.
//!
//! - Forwards: a shard names the key of the next one (`shard.next`), so a verifier key of one shard
//!   leads to those of all after it.
//! - Backwards: a shard's first entry quotes the one before as it stood (`boot`), and later the whole of
//!   it (`shard.closed`). What was cut off there, or rewritten with the key of then, disagrees.
//!
//! A shard that the records schedule has destroyed is missed by its neighbours, and said to be: what it
//! held is not proved, that it was there and how long is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::shards;
use crate::archive::Archive;
use crate::checkpoint::{BadCheckpoint, Origin, VerifyKey};
use crate::entry::Quote;
use crate::storage::DiskStorage;
use crate::survey::survey;
use crate::tail::{Damage, DamageKind};
use crate::verify::{Proof, VerifyOptions, root_at, verify};

/// What the files of all shards prove. Its `Display` lists it in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// The shards, oldest first.
    pub links: Vec<Link>,
}

/// One shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its folder.
    pub dir: PathBuf,
    /// What its own files prove.
    pub proof: Proof,
    /// Whether it was closed in order.
    pub closed: bool,
    /// Whether the whole of it stands in a later shard.
    pub vouched: bool,
    /// The shard that it goes on from, if that is not here.
    pub missing: Option<Quote>,
}

/// Verifies all shards in a folder, and that they follow one another. With a verifier key, that shard and
/// all after it must be signed: by it, and by the keys that follow from it.
///
/// # Errors
/// The first [`Damage`] found. [`BadCheckpoint::OtherLog`] also when no shard is the key's.
pub fn verify_shards(
    dir: &Path,
    vkey: Option<&VerifyKey>,
    progress: &mut dyn FnMut(&Path, u64, u64),
) -> Result<Chain, Damage> {
    let folders = shards(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let mut key: Option<VerifyKey> = None;
    let mut links: Vec<Link> = Vec::new();
    for folder in folders {
        let origin = origin_of(&folder)?;
        if let Some(asked) = vkey
            // A shard without a checkpoint has nothing that the key could have signed.
            && origin.as_ref().is_none_or(|origin| origin == asked.origin())
        {
            key.get_or_insert_with(|| asked.clone());
        }
        let mut told = |done, all| progress(&folder, done, all);
        let options = VerifyOptions {
            vkey: key.clone(),
            progress: Some(&mut told),
            ..VerifyOptions::default()
        };
        let proof = verify(&folder, options)?;
        let next = proof.kin.next.as_ref();
        key = key.and(next).and_then(|next| {
            let origin = Origin::try_from(next.origin.clone()).ok()?;
            Some(VerifyKey::new(origin, next.key.0))
        });
        let missing = follows(links.last_mut(), &folder, &proof)?;
        links.push(Link {
            closed: survey(&folder)?.closed,
            vouched: false,
            dir: folder,
            proof,
            missing,
        });
    }
    match vkey {
        Some(key) if !links.iter().any(|link| link.proof.signature_checked) => {
            let other = BadCheckpoint::OtherLog(key.origin().clone());
            Err(Damage::new(dir, other.into()))
        }
        _ => Ok(Chain { links }),
    }
}

fn origin_of(dir: &Path) -> Result<Option<Origin>, Damage> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let archive = Archive {
        storage: &storage,
        dir,
    };
    Ok(archive
        .checkpoint(None)?
        .map(|checkpoint| checkpoint.origin))
}

/// Holds a shard against the one before it; the one that it misses, if it is not here.
fn follows(before: Option<&mut Link>, dir: &Path, proof: &Proof) -> Result<Option<Quote>, Damage> {
    let story = |what| Damage::new(dir, DamageKind::Story(what));
    let Some(previous) = &proof.kin.previous else {
        return match before {
            Some(_) => Err(story("does not say which shard it goes on from")),
            None => Ok(None),
        };
    };
    let Some(before) = before.filter(|before| is_of(previous, &before.proof)) else {
        return Ok(Some(previous.clone()));
    };
    if let Some(next) = &before.proof.kin.next
        && proof.origin.as_ref().map(Origin::name) != Some(&next.origin)
    {
        return Err(story("is not the shard that the one before announced"));
    }
    if !begins_with(&before.dir, &before.proof, previous)? {
        return Err(story("goes on from another history of the shard before it"));
    }
    for whole in proof
        .kin
        .closed
        .iter()
        .filter(|whole| is_of(whole, &before.proof))
    {
        if (whole.size, whole.root) != (before.proof.size, before.proof.root) {
            return Err(story(
                "knew the shard before it as another, or a longer, one",
            ));
        }
        before.vouched = true;
    }
    Ok(None)
}

fn is_of(quote: &Quote, proof: &Proof) -> bool {
    proof.origin.as_ref().map(Origin::name) == Some(&quote.origin)
}

/// Whether a shard begins with what is quoted of it.
fn begins_with(dir: &Path, proof: &Proof, quote: &Quote) -> Result<bool, Damage> {
    if quote.size > proof.published {
        return Ok(false);
    }
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let archive = Archive {
        storage: &storage,
        dir,
    };
    Ok(root_at(&archive, quote.size, proof.published)? == quote.root.0)
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for link in &self.links {
            let origin = link.proof.origin.as_ref();
            let name = origin.map_or_else(|| link.dir.display().to_string(), ToString::to_string);
            writeln!(f, "{name}")?;
            if let Some(missing) = &link.missing {
                writeln!(
                    f,
                    "to know: it goes on from {}, {} entries, which is not here",
                    missing.origin, missing.size
                )?;
            }
            for line in link.proof.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
            let end = match (link.closed, link.vouched) {
                (true, true) => "it was closed, and the next shard says that this is all of it",
                (true, false) => "it was closed",
                (false, _) => "it was not closed: it is being written, or a crash ended it",
            };
            writeln!(f, "  {end}")?;
        }
        match self.links.len() {
            0 | 1 => Ok(()),
            n => writeln!(f, "{n} shards, each going on from the one before"),
        }
    }
}
