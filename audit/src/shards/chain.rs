//! Whether the shards are one log: each verified, and each held against what its neighbours say of it.
//!
//! - Forwards: a shard names the key of the next one (`shard.next`), so a verifier key of one shard
//!   leads to those of all after it; a shard whose key nobody announced is not one of them.
//! - Backwards: a shard's first entry quotes the one before as it stood (`boot`), and later the whole of
//!   it (`shard.closed`). What was cut off there, or rewritten with the key of then, disagrees.
//!
//! What shards say of one another counts only where it is signed: anybody with the disk can add unsigned
//! entries.
//!
//! A shard that the records schedule has destroyed is missed by its neighbours, and said to be: what it
//! held is not proved, that it was there and how long is.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Month, shards};
use crate::archive::Archive;
use crate::checkpoint::{BadCheckpoint, Checkpoint, Origin, VerifyKey};
use crate::entry::Quote;
use crate::publisher::CHECKPOINT;
use crate::storage::{DiskStorage, Storage};
use crate::survey::survey;
use crate::tail::{Damage, DamageKind, Plain};
use crate::tiles::TILES;
use crate::verify::{Proof, VerifyOptions, root_at, verify};

/// What the files of all shards prove. Its `Display` lists it in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// The shards, oldest first.
    pub links: Vec<Link>,
    /// The folder of one that has only just begun: nothing is signed there yet.
    pub begins: Option<PathBuf>,
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
    /// The key that was in force when it was verified.
    key: Option<VerifyKey>,
}

/// Hears of how far it is: the shard's folder, the entries done, the entries under its checkpoint.
pub type Progress<'a> = dyn FnMut(&Path, u64, u64) + 'a;

/// What to hold shards against, and how to hear of it.
#[derive(Default)]
pub struct ChainOptions<'a> {
    /// The key of one shard: that one and all after it must be signed, by it and by the keys that follow
    /// from it.
    pub vkey: Option<VerifyKey>,
    /// A checkpoint that was kept elsewhere: its shard must begin with its tree.
    pub since: Option<Checkpoint>,
    /// Called now and then.
    pub progress: Option<&'a mut Progress<'a>>,
}

impl fmt::Debug for ChainOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainOptions")
            .field("vkey", &self.vkey)
            .field("since", &self.since)
            .finish()
    }
}

/// Verifies all shards in a folder, and that they follow one another.
///
/// # Errors
/// The first [`Damage`] found. [`BadCheckpoint::OtherLog`] also when no shard is the key's, or the kept
/// checkpoint's.
pub fn verify_shards(dir: &Path, options: ChainOptions<'_>) -> Result<Chain, Damage> {
    let folders = shards(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let mut walk = Walk {
        options,
        links: Vec::new(),
        key: None,
    };
    let last = folders.len().saturating_sub(1);
    let mut begins = None;
    for (n, folder) in folders.into_iter().enumerate() {
        match n > 0 && n == last && has_not_begun(&folder)? {
            true => begins = Some(folder),
            false => walk.shard(folder, n == last)?,
        }
    }
    let Walk { options, links, .. } = walk;
    let signed = links.iter().any(|link| link.proof.signature_checked);
    let held = links.iter().any(|link| link.proof.since.is_some());
    let other = |origin: &Origin| Damage::new(dir, BadCheckpoint::OtherLog(origin.clone()).into());
    match (&options.vkey, &options.since) {
        (Some(key), _) if !signed => Err(other(key.origin())),
        (_, Some(kept)) if !held => Err(other(&kept.origin)),
        _ => Ok(Chain { links, begins }),
    }
}

/// A shard in which nothing is signed, and nothing was: a month has just begun.
fn has_not_begun(dir: &Path) -> Result<bool, Damage> {
    let (checkpoint, tiles) = (dir.join(CHECKPOINT), dir.join(TILES));
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let files = storage
        .files(&tiles)
        .map_err(|error| Damage::unreadable(&tiles, &error))?;
    Ok(files.is_empty() && !checkpoint.exists())
}

/// From shard to shard.
struct Walk<'a> {
    options: ChainOptions<'a>,
    links: Vec<Link>,
    /// The key that the next one must be signed by.
    key: Option<VerifyKey>,
}

impl Walk<'_> {
    fn shard(&mut self, folder: PathBuf, last: bool) -> Result<(), Damage> {
        let story = |what| Damage::new(&folder, DamageKind::Story(what));
        let origin = origin_of(&folder)?;
        let month = folder
            .file_name()
            .and_then(|name| Month::parse(name.to_str()?));
        if let (Some(month), Some(origin)) = (month, &origin)
            && !origin.as_str().ends_with(&format!("/{month}"))
        {
            return Err(story("is the log of another month"));
        }
        match &self.options.vkey {
            // The shard that was asked for is held against nothing else than what was asked.
            Some(asked) if origin.as_ref() == Some(asked.origin()) => {
                self.key = Some(asked.clone())
            }
            // One without a checkpoint has nothing that any key could have signed.
            Some(asked) if origin.is_none() && self.links.is_empty() => {
                self.key = Some(asked.clone())
            }
            _ => {}
        }
        if let (Some(key), Some(origin)) = (&self.key, &origin)
            && key.origin() != origin
        {
            return Err(story(
                "is not the shard whose key was announced: give its own key",
            ));
        }
        let link = self.verified(folder.clone())?;
        self.key = match (&self.key, &link.proof.kin.next) {
            (Some(_), Some(next)) => {
                let origin = Origin::try_from(next.origin.clone());
                let origin =
                    origin.map_err(|_| story("announces a shard whose name cannot be one"))?;
                Some(VerifyKey::new(origin, next.key.0))
            }
            (Some(_), None) if !last => {
                return Err(story("announces no key for the shard after it"));
            }
            _ => None,
        };
        let missing = self.follows(&link)?;
        self.links.push(Link { missing, ..link });
        Ok(())
    }

    /// One shard alone.
    fn verified(&mut self, dir: PathBuf) -> Result<Link, Damage> {
        let origin = origin_of(&dir)?;
        let is_of = |kept: &&Checkpoint| origin.as_ref() == Some(&kept.origin);
        let progress = &mut self.options.progress;
        let mut told = |done, all| {
            if let Some(progress) = progress {
                progress(&dir, done, all);
            }
        };
        let options = VerifyOptions {
            vkey: self.key.clone(),
            since: self.options.since.as_ref().filter(is_of).cloned(),
            progress: Some(&mut told),
            ..VerifyOptions::default()
        };
        let proof = verify(&dir, options)?;
        Ok(Link {
            closed: survey(&dir)?.closed,
            vouched: false,
            missing: None,
            key: self.key.clone(),
            proof,
            dir,
        })
    }

    /// Holds a shard against those before it; the one that it misses, if it is not here.
    fn follows(&mut self, link: &Link) -> Result<Option<Quote>, Damage> {
        let story = |what| Damage::new(&link.dir, DamageKind::Story(what));
        let kin = &link.proof.kin;
        let Some(previous) = &kin.previous else {
            return match self.links.is_empty() {
                true => Ok(None),
                false => Err(story("does not say which shard it goes on from")),
            };
        };
        for whole in &kin.closed {
            let Some(at) = self
                .links
                .iter()
                .position(|older| is_of(whole, &older.proof))
            else {
                continue;
            };
            self.look_again(at)?;
            if let Some(older) = self.links.get_mut(at) {
                if (whole.size, whole.root) != (older.proof.size, older.proof.root) {
                    return Err(story("knew a shard before it as another, or a longer, one"));
                }
                older.vouched = true;
            }
        }
        let Some(before) = self
            .links
            .last()
            .filter(|before| is_of(previous, &before.proof))
        else {
            return Ok(Some(previous.clone()));
        };
        let announced = before.proof.kin.next.as_ref();
        let origin = link.proof.origin.as_ref();
        if announced.is_some_and(|next| origin.map(Origin::name) != Some(&next.origin)) {
            return Err(story("is not the shard that the one before announced"));
        }
        match begins_with(&before.dir, previous)? {
            true => Ok(None),
            false => Err(story("goes on from another history of the shard before it")),
        }
    }

    /// A shard that was being ended when it was looked at has ended since: it is verified anew, with the key
    /// that was in force then.
    fn look_again(&mut self, at: usize) -> Result<(), Damage> {
        let Some(older) = self.links.get(at).filter(|older| !older.closed) else {
            return Ok(());
        };
        let (dir, missing, key) = (older.dir.clone(), older.missing.clone(), older.key.clone());
        let next = std::mem::replace(&mut self.key, key);
        let again = self.verified(dir)?;
        self.key = next;
        if let Some(older) = self.links.get_mut(at) {
            *older = Link { missing, ..again };
        }
        Ok(())
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

fn is_of(quote: &Quote, proof: &Proof) -> bool {
    proof.origin.as_ref().map(Origin::name) == Some(&quote.origin)
}

/// Whether a shard begins with what is quoted of it. It was verified before, and may have grown since.
fn begins_with(dir: &Path, quote: &Quote) -> Result<bool, Damage> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let archive = Archive {
        storage: &storage,
        dir,
    };
    let published = archive
        .checkpoint(None)?
        .map_or(0, |checkpoint| checkpoint.size);
    Ok(quote.size <= published && root_at(&archive, quote.size, published)? == quote.root.0)
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for link in &self.links {
            let origin = link.proof.origin.as_ref();
            let name = origin.map_or_else(|| Plain(&link.dir).to_string(), ToString::to_string);
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
        if let Some(dir) = &self.begins {
            writeln!(f, "to know: nothing is signed yet in {}", Plain(dir))?;
        }
        let gaps = self
            .links
            .iter()
            .skip(1)
            .filter(|link| link.missing.is_some());
        match (self.links.len(), gaps.count()) {
            (0 | 1, _) => Ok(()),
            (n, 0) => writeln!(f, "{n} shards, each going on from the one before"),
            (n, gaps) => writeln!(f, "{n} shards, with {gaps} gaps between them"),
        }
    }
}
