//! One token, from its bytes to a principal: shape, issuer, key, signature, claims. Each step can only refuse.
//!
//! What is not believed, whatever the token says (RFC 8725): `alg` outside the issuer's list, and with it `none`; a
//! symmetric signature under a public key; keys and addresses of keys that the token brings along (`jwk`, `jku`, `x5u`,
//! `x5c`); extensions that must be understood (`crit`); encrypted or nested tokens; objects that name a key twice, which
//! two readers would read differently; a token for another audience, of another issuer, without an end, not begun, run
//! out, or with a longer life than is allowed.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto;
use policy::{Assurance, Evidence, Policy, Subject, UnixTime};

use super::jwks::{IssuerKeys, NoKey};
use crate::config::IssuerConfig;
use crate::json::{self, Json};
use crate::problem::Problem;

/// Longest token. Group memberships make some of several KiB.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Longest principal, as in `identities.toml`.
const PRINCIPAL_BYTES_MAX: usize = 128;

/// The issuers that are trusted.
pub struct Issuers {
    by_iss: HashMap<String, Issuer>,
}

struct Issuer {
    config: IssuerConfig,
    keys: IssuerKeys,
}

/// A token that holds.
#[derive(Clone)]
pub struct Verified {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// `oidc:<issuer>:<sub>`.
    pub principal: String,
    /// The most that it proves.
    pub assurance: Assurance,
    /// Whether only a front end may pass it on.
    pub front_end_only: bool,
    /// Everything that its issuer says in it.
    claims: Claims,
}

impl Verified {
    /// What the policy knows of whoever comes with this token, and believes of its claims. How much the
    /// token proves is another question: [`Verified::assurance`].
    pub fn subject(&self, policy: &Policy, at: UnixTime) -> Option<Subject> {
        let get = |name: &str| self.claims.text(name).map(str::to_owned);
        let claims = policy::Claims {
            issuer: &self.issuer,
            get: &get,
        };
        let evidence = Evidence {
            at,
            claims: Some(claims),
        };
        policy.subject(&self.principal, &evidence)
    }
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// It is no signed token that we read.
    Malformed,
    /// Nobody whom we trust issued it.
    Issuer,
    /// It is signed with an algorithm that its issuer does not use.
    Algorithm,
    /// Its issuer has no such key.
    Key,
    /// It is not signed with that key.
    Signature,
    /// It is for somebody else.
    Audience,
    /// It has run out.
    Expired,
    /// It has not begun.
    NotYet,
    /// It lives longer than is allowed.
    Lifetime,
    /// It names no subject that could be a principal.
    Subject,
    /// Whether it holds cannot be found out now. Not a denial.
    Unavailable,
}

impl TokenFault {
    /// The word for entries and logs.
    pub fn code(self) -> &'static str {
        match self {
            TokenFault::Malformed => "token_malformed",
            TokenFault::Issuer => "token_issuer",
            TokenFault::Algorithm => "token_algorithm",
            TokenFault::Key => "token_key",
            TokenFault::Signature => "token_signature",
            TokenFault::Audience => "token_audience",
            TokenFault::Expired => "token_expired",
            TokenFault::NotYet => "token_not_yet_valid",
            TokenFault::Lifetime => "token_lifetime",
            TokenFault::Subject => "token_subject",
            TokenFault::Unavailable => "token_keys_unavailable",
        }
    }
}

impl Issuers {
    /// Reads the keys that are in files.
    ///
    /// # Errors
    /// Every problem of every file at once.
    pub fn load(configs: &[IssuerConfig]) -> Result<Issuers, Vec<Problem>> {
        let mut by_iss = HashMap::new();
        let mut problems = Vec::new();
        for config in configs {
            match IssuerKeys::load(&config.keys) {
                Ok(keys) => {
                    let config = config.clone();
                    drop(by_iss.insert(config.iss.clone(), Issuer { config, keys }));
                }
                Err(problem) => problems.push(problem),
            }
        }
        match problems.is_empty() {
            true => Ok(Issuers { by_iss }),
            false => Err(problems),
        }
    }

    /// Whether a token holds at `now`, and for whom.
    ///
    /// # Errors
    /// [`TokenFault`]; only [`TokenFault::Unavailable`] is not a denial.
    pub async fn check(&self, token: &str, now: Timestamp) -> Result<Verified, TokenFault> {
        let parts = Parts::split(token)?;
        // The issuer is only looked up here; nothing in the token is believed before its signature.
        let iss = parts.claims.text("iss").ok_or(TokenFault::Issuer)?;
        let issuer = self.by_iss.get(iss).ok_or(TokenFault::Issuer)?;
        let algorithm = parts.algorithm(&issuer.config.algorithms)?;
        let kid = parts.kid()?;
        let key = issuer.keys.find(kid, algorithm).await;
        let key = key.map_err(|none| match none {
            NoKey::Unknown => TokenFault::Key,
            NoKey::Unavailable => TokenFault::Unavailable,
        })?;
        match crypto::verify(parts.signature, parts.signed.as_bytes(), &key, algorithm) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(TokenFault::Signature),
        }
        issuer.judge(parts.claims, now)
    }

    /// Reads every key set that can change again.
    pub async fn read_again(&self) {
        for issuer in self.by_iss.values() {
            issuer.keys.read_again().await;
        }
    }

    /// How often keys are to be read again: as the most impatient issuer asks. `None`: there is no issuer.
    pub fn refresh_every(&self) -> Option<Duration> {
        self.by_iss
            .values()
            .map(|issuer| issuer.config.refresh)
            .min()
    }
}

impl Issuer {
    /// The claims of a token whose signature holds.
    fn judge(&self, claims: Claims, now: Timestamp) -> Result<Verified, TokenFault> {
        let config = &self.config;
        if !claims
            .audience()
            .any(|aud| config.audience.iter().any(|ours| ours == aud))
        {
            return Err(TokenFault::Audience);
        }
        let now = now.as_second();
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let leeway = seconds(config.leeway);
        let expires = claims.moment("exp")?.ok_or(TokenFault::Malformed)?;
        if now >= expires.saturating_add(leeway) {
            return Err(TokenFault::Expired);
        }
        let issued = claims.moment("iat")?;
        let begins = claims.moment("nbf")?;
        // A token from the future is as good as one that was not made.
        for begin in [issued, begins].into_iter().flatten() {
            if now < begin.saturating_sub(leeway) {
                return Err(TokenFault::NotYet);
            }
        }
        let from = issued.or(begins).unwrap_or(now);
        if expires.saturating_sub(from) > seconds(config.lifetime_max) {
            return Err(TokenFault::Lifetime);
        }
        let subject = claims.text("sub").ok_or(TokenFault::Subject)?;
        Ok(Verified {
            issuer: config.name.clone(),
            principal: principal(&config.name, subject)?,
            assurance: config.assurance,
            front_end_only: config.front_end_only,
            claims,
        })
    }
}

/// A token taken apart, unverified.
struct Parts<'t> {
    header: Claims,
    claims: Claims,
    /// Base64url.
    signature: &'t str,
    /// What the signature is over.
    signed: &'t str,
}

impl<'t> Parts<'t> {
    /// Takes a compact serialization (RFC 7515, 7.1) apart.
    fn split(token: &'t str) -> Result<Parts<'t>, TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
        if claims.contains('.') || signature.is_empty() {
            return Err(TokenFault::Malformed);
        }
        let header = Claims::decode(header)?;
        if header.rules_us_out() {
            return Err(TokenFault::Malformed);
        }
        Ok(Parts {
            header,
            claims: Claims::decode(claims)?,
            signature,
            signed,
        })
    }

    /// The algorithm, if its issuer uses it.
    fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, TokenFault> {
        let named = self.header.text("alg").ok_or(TokenFault::Algorithm)?;
        // By name, so that nothing that the library learns to read later is accepted by itself.
        let is_it = |algorithm: &&Algorithm| format!("{algorithm:?}") == named;
        let found = allowed.iter().find(is_it);
        found.copied().ok_or(TokenFault::Algorithm)
    }

    fn kid(&self) -> Result<Option<&str>, TokenFault> {
        match self.header.get("kid") {
            None => Ok(None),
            Some(Json::String(kid)) => Ok(Some(kid)),
            Some(_) => Err(TokenFault::Malformed),
        }
    }
}

/// A JSON object of a token. No key occurs twice.
#[derive(Clone)]
struct Claims(Vec<(String, Json)>);

impl Claims {
    fn decode(part: &str) -> Result<Claims, TokenFault> {
        let bytes = URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| TokenFault::Malformed)?;
        match json::parse(&bytes) {
            Ok(Json::Object(members)) => Ok(Claims(members)),
            _ => Err(TokenFault::Malformed),
        }
    }

    /// Whether a header asks for something that we do not do.
    fn rules_us_out(&self) -> bool {
        let other_type = match self.get("typ") {
            None => false,
            Some(Json::String(kind)) => {
                let kind = kind.to_ascii_lowercase();
                let kind = kind.strip_prefix("application/").unwrap_or(&kind);
                !["jwt", "at+jwt"].contains(&kind)
            }
            Some(_) => true,
        };
        // Extensions that must be understood, encryption, compression, nested tokens.
        other_type
            || ["crit", "enc", "zip", "cty"]
                .iter()
                .any(|key| self.get(key).is_some())
    }

    fn get(&self, key: &str) -> Option<&Json> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// A NumericDate (RFC 7519, 2), in seconds; fractions are dropped.
    fn moment(&self, key: &str) -> Result<Option<i64>, TokenFault> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let Json::Number(number) = value else {
            return Err(TokenFault::Malformed);
        };
        let whole = number.as_i64();
        let fraction = || {
            let seconds = number.as_f64()?;
            // Until the year 5138; beyond, nobody means it.
            (0.0..1e11).contains(&seconds).then_some(seconds as i64)
        };
        match whole.or_else(fraction) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(TokenFault::Malformed),
        }
    }

    /// `aud` is one text or a list of them.
    fn audience(&self) -> impl Iterator<Item = &str> {
        let items = match self.get("aud") {
            Some(Json::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        items.iter().filter_map(|item| match item {
            Json::String(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

/// `oidc:<issuer>:<sub>`, where bytes that a principal cannot have are written `+7C`, as percent-encoding (RFC 3986) does
/// with another sign, and `+` with them, so that no two subjects share a principal.
fn principal(issuer: &str, subject: &str) -> Result<String, TokenFault> {
    if subject.is_empty() {
        return Err(TokenFault::Subject);
    }
    let mut name = format!("oidc:{issuer}:");
    for byte in subject.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' | b':' | b'@' => {
                name.push(char::from(byte));
            }
            other => name.push_str(&format!("+{other:02X}")),
        }
    }
    match name.len() <= PRINCIPAL_BYTES_MAX {
        true => Ok(name),
        false => Err(TokenFault::Subject),
    }
}

#[cfg(test)]
mod tests;
