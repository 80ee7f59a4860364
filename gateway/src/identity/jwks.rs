//! The keys of one issuer: a JWK set (RFC 7517) from a file or an https address, or one shared secret.
//!
//! ```text
//! at start        files and secrets are read; a set that is fetched is fetched in the background
//! every refresh   read again; if that fails, the old set stays, for a day at most
//! unknown `kid`   read again at once, but not within ten seconds of the last time: a caller who invents key ids
//!                 makes us ask an issuer six times a minute, and no more
//! ```
//!
//! A token whose key is known never waits for the network. A key is used for what its JWK says and nothing else: not for
//! encryption, not with another algorithm, and a symmetric key in a published set never.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fetch::Fetcher;
use crate::config::KeysAt;
use crate::problem::Problem;

/// An old set is believed this long if it cannot be read again.
const STALE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Between two attempts that are made because a token names an unknown key.
const ASK_PAUSE: Duration = Duration::from_secs(10);

/// Bytes of a shared secret: as many as its hash has (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// The keys of one issuer.
pub(super) struct IssuerKeys {
    source: Source,
    held: ArcSwapOption<Held>,
    /// When they were last asked for, and whether that went well.
    asked: Mutex<Option<(Instant, bool)>>,
}

enum Source {
    Secret(DecodingKey),
    File(PathBuf),
    Url(Fetcher),
}

struct Held {
    keys: KeySet,
    since: Instant,
}

/// Why there is no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer has none that fits.
    Unknown,
    /// Whether it has one cannot be found out now.
    Unavailable,
}

impl IssuerKeys {
    /// Reads what is in files.
    pub(super) fn load(at: &KeysAt) -> Result<IssuerKeys, Problem> {
        let (source, held) = match at {
            KeysAt::Secret(file) => (Source::Secret(secret(file)?), None),
            KeysAt::File(file) => {
                let keys = read(file).map_err(|why| Problem::about(file, why))?;
                (Source::File(file.clone()), Some(Arc::new(Held::now(keys))))
            }
            KeysAt::Url { url, ca } => (Source::Url(Fetcher::new(url, ca)?), None),
        };
        Ok(IssuerKeys {
            source,
            held: ArcSwapOption::new(held),
            asked: Mutex::default(),
        })
    }

    /// The key with which a token must be signed.
    pub(super) async fn find(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, NoKey> {
        if let Source::Secret(key) = &self.source {
            return Ok(key.clone());
        }
        if let Some(key) = self.known(kid, algorithm) {
            return Ok(key);
        }
        let mut asked = self.asked.lock().await;
        // Somebody may have asked while we waited.
        if let Some(key) = self.known(kid, algorithm) {
            return Ok(key);
        }
        let well = match *asked {
            Some((at, well)) if at.elapsed() < ASK_PAUSE => well,
            _ => {
                let well = self.read_now().await;
                *asked = Some((Instant::now(), well));
                well
            }
        };
        match self.known(kid, algorithm) {
            Some(key) => Ok(key),
            None if well => Err(NoKey::Unknown),
            None => Err(NoKey::Unavailable),
        }
    }

    /// Reads the set again, if it is one that can change.
    pub(super) async fn read_again(&self) {
        let mut asked = self.asked.lock().await;
        let well = self.read_now().await;
        *asked = Some((Instant::now(), well));
    }

    /// Whether that went well.
    async fn read_now(&self) -> bool {
        let read = match &self.source {
            Source::Secret(_) => return true,
            Source::File(file) => {
                let file = file.clone();
                let reading = tokio::task::spawn_blocking(move || read(&file));
                reading.await.unwrap_or_else(|e| Err(e.to_string()))
            }
            Source::Url(fetcher) => fetcher.get().await.and_then(|bytes| {
                let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
                KeySet::parse(&text)
            }),
        };
        match read {
            Ok(keys) => {
                self.held.store(Some(Arc::new(Held::now(keys))));
                true
            }
            Err(why) => {
                tracing::warn!(why, "an issuer's keys cannot be read again");
                false
            }
        }
    }

    fn known(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let held = self.held.load_full()?;
        (held.since.elapsed() < STALE_MAX).then(|| held.keys.find(kid, algorithm))?
    }
}

impl Held {
    fn now(keys: KeySet) -> Held {
        let since = Instant::now();
        Held { keys, since }
    }
}

/// Keys that verify signatures.
struct KeySet(Vec<Key>);

struct Key {
    kid: Option<String>,
    algorithm: Option<Algorithm>,
    family: AlgorithmFamily,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a JWK set. Keys for other purposes are passed over; a set without a usable one is none.
    fn parse(text: &str) -> Result<KeySet, String> {
        let set: JwkSet =
            serde_json::from_str(text).map_err(|e| format!("holds no JWK set: {e}"))?;
        let keys: Vec<Key> = set.keys.iter().filter_map(Key::of).collect();
        match keys.is_empty() {
            true => Err("holds no key that could verify a signature".to_owned()),
            false => Ok(KeySet(keys)),
        }
    }

    /// The only key that fits. A token without a `kid` is believed where there is no choice.
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let fits = |key: &&Key| {
            key.family.algorithms().contains(&algorithm)
                && key.algorithm.is_none_or(|only| only == algorithm)
                && kid.is_none_or(|kid| key.kid.as_deref() == Some(kid))
        };
        let mut fitting = self.0.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only.key.clone()),
            _ => None,
        }
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Key> {
        let common = &jwk.common;
        let signs = common
            .public_key_use
            .as_ref()
            .is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let verifies = common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let is_public = !matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_));
        if !(signs && verifies && is_public) {
            return None;
        }
        let algorithm = match common.key_algorithm {
            Some(named) => Some(named.to_string().parse().ok()?),
            None => None,
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some(Key {
            kid: common.key_id.clone(),
            algorithm,
            family: key.family(),
            key,
        })
    }
}

fn read(file: &std::path::Path) -> Result<KeySet, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot be read: {e}"))?;
    KeySet::parse(&text)
}

fn secret(file: &std::path::Path) -> Result<DecodingKey, Problem> {
    let bytes =
        std::fs::read(file).map_err(|e| Problem::about(file, format!("cannot be read: {e}")))?;
    let secret = bytes.trim_ascii();
    if secret.len() < SECRET_BYTES_MIN {
        let message = format!(
            "holds {} bytes; a shared secret needs {SECRET_BYTES_MIN}",
            secret.len()
        );
        return Err(Problem::about(file, message).hint("`openssl rand -hex 32` makes one"));
    }
    Ok(DecodingKey::from_secret(secret))
}
