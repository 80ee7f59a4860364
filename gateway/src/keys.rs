//! API keys: `pc_` and 256 random bits. Only a keyed hash is stored, so the file gives nobody access, and a key is
//! found by its hash: no comparison whose time tells how much of a guess was right.
//!
//! ```toml
//! [[key]]
//! id = "key-7f3a91c2"
//! hash = "…64 hex digits: HMAC-SHA256 of the key under the secret beside this file…"
//! principal = "svc:benefits-app"
//! created = "2026-11-23T09:00:00Z"
//! expires = "2027-02-21T09:00:00Z"
//! tenant = "demo/benefits/web"           # the key ends with the principal's move to another
//! owner = "benefits-office@agency.example"
//! revoked = "2026-12-01T08:00:00Z"       # once it is
//! ```

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::IdentityConfig;
use crate::problem::{Problem, nearest};

/// What every key begins with, so that secret scanners know one.
pub const PREFIX: &str = "pc_";

const SECRET_BYTES: usize = 32;

/// The keys that are known now.
pub struct Keys {
    secret: hmac::Key,
    by_hash: HashMap<[u8; 32], Record>,
}

/// One key, without the key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its short name, for lists and revocation.
    pub id: String,
    hash: String,
    /// Whom it stands for.
    pub principal: String,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused.
    pub expires: Timestamp,
    /// The tenant for which it was made: it opens nothing in another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Since when it is refused, though it has not expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// For whom a key is made.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whom it stands for.
    pub principal: String,
    /// The principal's tenant.
    pub tenant: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// How long it lives.
    pub lifetime: SignedDuration,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    key: Vec<Record>,
}

impl Wanted {
    /// A key for whatever tenant the principal is in, for which nobody in particular answers.
    pub fn new(principal: &str, lifetime: SignedDuration) -> Wanted {
        Wanted {
            principal: principal.to_owned(),
            tenant: None,
            owner: None,
            lifetime,
        }
    }
}

/// Why a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not one of ours, or revoked.
    #[error("unknown key")]
    Unknown,
    /// It was one of ours.
    #[error("expired key")]
    Expired,
    /// It was taken back.
    #[error("revoked key")]
    Revoked,
}

impl KeyFault {
    /// The word for entries and logs.
    pub fn code(self) -> &'static str {
        match self {
            KeyFault::Unknown => "key_unknown",
            KeyFault::Expired => "key_expired",
            KeyFault::Revoked => "key_revoked",
        }
    }
}

impl Keys {
    /// Reads the file and its secret.
    ///
    /// # Errors
    /// What is wrong with either file.
    pub fn load(config: &IdentityConfig) -> Result<Keys, Vec<Problem>> {
        let secret = read_secret(&config.hash_secret).map_err(|p| vec![p])?;
        let (text, file) = read_file(&config.keys).map_err(|p| vec![p])?;
        let mut by_hash = HashMap::new();
        let mut problems = Vec::new();
        for record in file.key {
            match parse_hash(&record.hash) {
                Some(hash) => drop(by_hash.insert(hash, record)),
                None => {
                    let start = text.find(&record.hash).unwrap_or(0);
                    let span = start..start + record.hash.len();
                    problems.push(Problem::at(
                        &config.keys,
                        &text,
                        span,
                        format!("the hash of `{}` is not 64 hex digits", record.id),
                    ));
                }
            }
        }
        if problems.is_empty() {
            Ok(Keys { secret, by_hash })
        } else {
            Err(problems)
        }
    }

    /// Whose key this is.
    ///
    /// # Errors
    /// [`KeyFault`] if it is nobody's, or no longer valid at `now`.
    pub fn check(&self, presented: &str, now: Timestamp) -> Result<&Record, KeyFault> {
        let record = self
            .by_hash
            .get(&hash(&self.secret, presented))
            .ok_or(KeyFault::Unknown)?;
        if record.revoked.is_some() {
            Err(KeyFault::Revoked)
        } else if now < record.expires {
            Ok(record)
        } else {
            Err(KeyFault::Expired)
        }
    }

    /// Every principal that has a key, for checks against the policy.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.by_hash.values()
    }
}

/// Makes a key, stores its hash, and returns the record and the key itself, which is never stored. Makes the secret too if
/// there is none yet.
///
/// # Errors
/// A file that cannot be read or written.
pub fn mint(
    config: &IdentityConfig,
    wanted: Wanted,
    now: Timestamp,
) -> Result<(Record, String), Problem> {
    let _alone = alone(config)?;
    if !config.hash_secret.exists() {
        let fresh = random::<SECRET_BYTES>().map_err(|e| Problem::about(&config.hash_secret, e))?;
        write_private(&config.hash_secret, &fresh)?;
    }
    let mut file = match config.keys.exists() {
        true => read_file(&config.keys)?.1,
        false => File::default(),
    };
    let made = make(config, wanted, now)?;
    file.key.push(made.0.clone());
    write_file(config, &file)?;
    Ok(made)
}

/// The keys in the file, whatever has become of them, in the order in which they were made.
///
/// # Errors
/// A file that cannot be read.
pub fn list(config: &IdentityConfig) -> Result<Vec<Record>, Problem> {
    Ok(read_file(&config.keys)?.1.key)
}

/// Takes a key back. A gateway that runs refuses it as soon as it has looked at the file again. One that was taken back
/// already stays as it is.
///
/// # Errors
/// A file that cannot be read or written, or an id that it does not hold.
pub fn revoke(config: &IdentityConfig, id: &str, now: Timestamp) -> Result<Record, Problem> {
    let _alone = alone(config)?;
    let (_, mut file) = read_file(&config.keys)?;
    let record = find(config, &mut file, id)?;
    record.revoked.get_or_insert(now);
    let record = record.clone();
    write_file(config, &file)?;
    Ok(record)
}

/// Makes another key for whom an old one stands. The old one lives on for `overlap`, so that nobody is locked out while
/// the new one is put in its place.
///
/// # Errors
/// A file that cannot be read or written, or an id that it does not hold or that was revoked.
pub fn rotate(
    config: &IdentityConfig,
    id: &str,
    lifetime: SignedDuration,
    overlap: SignedDuration,
    now: Timestamp,
) -> Result<(Record, String), Problem> {
    let _alone = alone(config)?;
    let (_, mut file) = read_file(&config.keys)?;
    let old = find(config, &mut file, id)?;
    if old.revoked.is_some() {
        let message = format!("`{id}` was revoked: it has no successor");
        return Err(
            Problem::about(&config.keys, message).hint("`portcullis keys new` makes another key")
        );
    }
    old.expires = old.expires.min(after(config, now, overlap)?);
    let wanted = Wanted {
        principal: old.principal.clone(),
        tenant: old.tenant.clone(),
        owner: old.owner.clone(),
        lifetime,
    };
    let made = make(config, wanted, now)?;
    file.key.push(made.0.clone());
    write_file(config, &file)?;
    Ok(made)
}

/// Waits until no other command changes the file, and keeps others out for as long as the result lives. The system
/// ends it with the process, whatever ends that.
fn alone(config: &IdentityConfig) -> Result<std::fs::File, Problem> {
    let path = config.keys.with_extension("lock");
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let lock = options
        .open(&path)
        .and_then(|lock| lock.lock().map(|()| lock));
    lock.map_err(|e| Problem::about(&path, format!("cannot be locked: {e}")))
}

fn find<'f>(
    config: &IdentityConfig,
    file: &'f mut File,
    id: &str,
) -> Result<&'f mut Record, Problem> {
    let ids: Vec<String> = file.key.iter().map(|record| record.id.clone()).collect();
    let found = file.key.iter_mut().find(|record| record.id == id);
    found.ok_or_else(|| {
        let mut problem = Problem::about(&config.keys, format!("holds no key `{id}`"));
        problem.hint = Some(match nearest(id, ids.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`portcullis keys list` shows their ids".to_owned(),
        });
        problem
    })
}

fn make(
    config: &IdentityConfig,
    wanted: Wanted,
    now: Timestamp,
) -> Result<(Record, String), Problem> {
    let secret = read_secret(&config.hash_secret)?;
    let bits = random::<32>().map_err(|e| Problem::about(&config.keys, e))?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits));
    let hash = hash(&secret, &key);
    let digest = digest::digest(&digest::SHA256, &hash);
    let record = Record {
        id: format!("key-{}", hex(digest.as_ref().get(..4).unwrap_or_default())),
        hash: hex(&hash),
        principal: wanted.principal,
        created: now,
        expires: after(config, now, wanted.lifetime)?,
        tenant: wanted.tenant,
        owner: wanted.owner,
        revoked: None,
    };
    Ok((record, key))
}

fn after(
    config: &IdentityConfig,
    now: Timestamp,
    time: SignedDuration,
) -> Result<Timestamp, Problem> {
    now.checked_add(time)
        .map_err(|e| Problem::about(&config.keys, format!("no such expiry: {e}")))
}

fn write_file(config: &IdentityConfig, file: &File) -> Result<(), Problem> {
    let text = toml::to_string(file).map_err(|e| Problem::about(&config.keys, e.to_string()))?;
    write_private(&config.keys, text.as_bytes())
}

fn hash(secret: &hmac::Key, key: &str) -> [u8; 32] {
    let tag = hmac::sign(secret, key.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn read_secret(path: &Path) -> Result<hmac::Key, Problem> {
    let bytes =
        std::fs::read(path).map_err(|e| Problem::about(path, format!("cannot be read: {e}")))?;
    if bytes.len() < SECRET_BYTES {
        return Err(Problem::about(
            path,
            format!(
                "holds {} bytes; the secret needs {SECRET_BYTES}",
                bytes.len()
            ),
        )
        .hint("`portcullis keys new` makes it"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn read_file(path: &Path) -> Result<(String, File), Problem> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Problem::about(path, format!("cannot be read: {e}"))
            .hint("`portcullis keys new` makes it with the first key")
    })?;
    match toml::from_str(&text) {
        Ok(file) => Ok((text, file)),
        Err(e) => Err(Problem::at(
            path,
            &text,
            e.span().unwrap_or(0..0),
            e.message().trim(),
        )),
    }
}

/// Replaces the file whole, readable by its owner only: a crash leaves the old one or the new one.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let beside = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let _ = std::fs::remove_file(&beside);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().map_err(|e| Problem::about(path, format!("cannot be written: {e}")))
}

fn random<const N: usize>() -> Result<[u8; N], &'static str> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| "the system's random source failed")?;
    Ok(bytes)
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
