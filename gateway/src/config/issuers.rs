//! `[[issuer]]` and `[[front_end]]`: whose tokens are believed, and which applications may speak for users.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use policy::Assurance;

use super::name;
use super::section::{Section, Value};

/// Somebody who signs tokens (RFC 7519), such as an OpenID provider or a Kubernetes API server.
#[derive(Debug, Clone)]
pub struct IssuerConfig {
    /// Its name in principals: `oidc:<name>:<sub>`.
    pub name: String,
    /// The `iss` of its tokens, exactly.
    pub iss: String,
    /// A token must name one of these in `aud`.
    pub audience: Vec<String>,
    /// The algorithms that its tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// Where its keys are.
    pub keys: KeysAt,
    /// How often its keys are read again.
    pub refresh: Duration,
    /// By how much its clock may differ from ours.
    pub leeway: Duration,
    /// The longest life of a token that is believed.
    pub lifetime_max: Duration,
    /// The most that its tokens prove.
    pub assurance: Assurance,
    /// Its tokens come from front ends only: nobody shows one as a credential of its own.
    pub front_end_only: bool,
}

/// Where the keys of an issuer are.
#[derive(Debug, Clone)]
pub enum KeysAt {
    /// A JWK set (RFC 7517) in a file.
    File(PathBuf),
    /// A JWK set that is fetched.
    Url {
        /// `https` only.
        url: http::Uri,
        /// CA of its certificate, PEM.
        ca: PathBuf,
    },
    /// A secret that is shared with the issuer, in a file.
    Secret(PathBuf),
}

/// An application that passes on a token of the user for whom it asks.
#[derive(Debug, Clone)]
pub struct FrontEndConfig {
    /// The application's principal.
    pub application: String,
    /// The header that carries the user's token.
    pub header: http::HeaderName,
    /// The name of the issuer of these tokens.
    pub issuer: String,
    /// Without a token, the application is refused.
    pub required: bool,
}

/// Algorithms with a public key (RFC 7518, RFC 8037).
const PUBLIC: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// Headers that mean something already.
const TAKEN: [&str; 6] = [
    "authorization",
    "x-api-key",
    "host",
    "content-type",
    "content-length",
    "transfer-encoding",
];

/// Reads one `[[issuer]]`.
pub(super) fn issuer(mut s: Section<'_>) -> Option<IssuerConfig> {
    let name = s
        .required("name")
        .and_then(|value| name(s.source(), value, "an issuer"));
    let iss = s.required("iss").map(|v| v.value);
    let audience: Vec<String> = s.strings("audience").into_iter().map(|v| v.value).collect();
    if audience.is_empty() {
        s.report(
            "`issuer.audience` is missing: a token that was made for somebody else must not be believed",
            Some("write `audience = [\"portcullis\"]`, as the issuer names this gateway".into()),
        );
    }
    let keys = keys(&mut s);
    let algorithms = algorithms(&mut s, keys.as_ref());
    // Providers rotate over days and publish early; a revoked key should not live for hours.
    let refresh = Duration::from_secs(s.number("refresh_s", 300, 10..=86_400));
    let leeway = Duration::from_secs(s.number("leeway_s", 30, 0..=120));
    // A day: what Kubernetes and most providers grant at most.
    let lifetime_max = Duration::from_secs(s.number("lifetime_max_s", 86_400, 60..=31_536_000));
    let levels = [
        ("aal1", Assurance::Aal1),
        ("aal2", Assurance::Aal2),
        ("aal3", Assurance::Aal3),
    ];
    let assurance = s.choice_or("assurance", &levels, Assurance::Aal2);
    let is_shared = matches!(keys, Some(KeysAt::Secret(_)));
    let front_end_only = s.choice_or("use", &[("direct", false), ("front_end", true)], is_shared);
    if is_shared && !front_end_only {
        s.report(
            "whoever shares a secret can make tokens for anybody: such an issuer serves front ends only",
            Some("write `use = \"front_end\"`, or let it sign with a key pair".into()),
        );
    }
    s.finish();
    Some(IssuerConfig {
        name: name?,
        iss: iss?,
        audience,
        algorithms: algorithms?,
        keys: keys?,
        refresh,
        leeway,
        lifetime_max,
        assurance,
        front_end_only,
    })
}

/// Exactly one of `jwks`, `jwks_url` and `secret`.
fn keys(s: &mut Section<'_>) -> Option<KeysAt> {
    let file = s.path_to("jwks");
    let url = s.string("jwks_url");
    let ca = s.path_to("ca");
    let secret = s.path_to("secret");
    match (file, url, secret) {
        (Some(file), None, None) => Some(KeysAt::File(file.value)),
        (None, Some(url), None) => fetched(s, url, ca.map(|v| v.value)),
        (None, None, Some(secret)) => Some(KeysAt::Secret(secret.value)),
        _ => {
            s.report(
                "an issuer has its keys in exactly one place",
                Some("write `jwks = \"keys.json\"`, or `jwks_url` and `ca`, or `secret`".into()),
            );
            None
        }
    }
}

fn fetched(s: &Section<'_>, url: Value<String>, ca: Option<PathBuf>) -> Option<KeysAt> {
    let parsed: Option<http::Uri> = url.value.parse().ok();
    let parsed = parsed.filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    if parsed.is_none() {
        s.source().report(
            url.span,
            format!("`{}` is not an https address", url.value),
            Some("keys are only as good as the way they come: write `https://…`".into()),
        );
    }
    if ca.is_none() {
        s.report(
            "`issuer.ca` is missing: whose certificate does the server of `jwks_url` show?",
            Some("write `ca = \"ca.pem\"`".into()),
        );
    }
    Some(KeysAt::Url {
        url: parsed?,
        ca: ca?,
    })
}

/// The allowed algorithms: those that fit the kind of key, and no default that grows with time.
fn algorithms(s: &mut Section<'_>, keys: Option<&KeysAt>) -> Option<Vec<Algorithm>> {
    let written = s.strings("algorithms");
    if matches!(keys, Some(KeysAt::Secret(_))) {
        for other in written.iter().filter(|v| v.value != "HS256") {
            let hint = "an issuer with a `secret` signs with HS256";
            s.source().report(
                other.span.clone(),
                format!("`{}` needs a key pair", other.value),
                Some(hint.into()),
            );
        }
        return Some(vec![Algorithm::HS256]);
    }
    if written.is_empty() {
        s.report(
            "`issuer.algorithms` is missing",
            Some("write what the issuer signs with, such as `algorithms = [\"RS256\"]`".into()),
        );
    }
    let mut found = Vec::new();
    for value in written {
        match PUBLIC.iter().find(|(name, _)| *name == value.value) {
            Some((_, algorithm)) => found.push(*algorithm),
            None => {
                let known: Vec<&str> = PUBLIC.iter().map(|(name, _)| *name).collect();
                let near = crate::problem::nearest(&value.value, known.iter().copied());
                let hint = match (value.value.as_str(), near) {
                    ("HS256" | "HS384" | "HS512", _) => {
                        "a shared secret goes into `secret`; with a key set it would let anybody sign with the public key"
                            .to_owned()
                    }
                    (_, Some(near)) => format!("did you mean `{near}`?"),
                    (_, None) => format!("write one of {}", known.join(", ")),
                };
                s.source().report(
                    value.span,
                    format!("tokens signed with `{}` are never believed", value.value),
                    Some(hint),
                );
            }
        }
    }
    (!found.is_empty()).then_some(found)
}

/// Reads one `[[front_end]]`.
pub(super) fn front_end(mut s: Section<'_>, issuers: &[IssuerConfig]) -> Option<FrontEndConfig> {
    let application = s.required("application").map(|v| v.value);
    let header = s.required("header");
    let issuer = s.required("issuer");
    let required = s.choice_or("token", &[("required", true), ("optional", false)], true);
    let header = header.and_then(|value| {
        let parsed = http::HeaderName::from_bytes(value.value.to_lowercase().as_bytes()).ok();
        let free = |header: &http::HeaderName| {
            !TAKEN.contains(&header.as_str()) && !header.as_str().starts_with("x-portcullis-")
        };
        let parsed = parsed.filter(free);
        if parsed.is_none() {
            s.source().report(
                value.span,
                format!("`{}` cannot carry a user's token", value.value),
                Some(
                    "write the header that the front end sends, such as `x-openwebui-user-jwt`"
                        .into(),
                ),
            );
        }
        parsed
    });
    if let Some(issuer) = &issuer
        && !issuers.iter().any(|known| known.name == issuer.value)
    {
        let near = crate::problem::nearest(
            &issuer.value,
            issuers.iter().map(|known| known.name.as_str()),
        );
        s.source().report(
            issuer.span.clone(),
            format!("no `[[issuer]]` is called `{}`", issuer.value),
            near.map(|near| format!("did you mean `{near}`?")),
        );
    }
    s.finish();
    Some(FrontEndConfig {
        application: application?,
        header: header?,
        issuer: issuer?.value,
        required,
    })
}
