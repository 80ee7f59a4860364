//! `portcullis.toml` -> [`Config`].
//!
//! One conversion, before any socket opens, that reports *all* problems with their places. Paths are relative to the
//! folder of the file. `PORTCULLIS_SECTION__KEY` in the environment replaces a key of a top-level section. Secrets are
//! never written here: only the file that holds them is named. Every default stands at its definition, with unit
//! and reason.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use toml::de::DeTable;

use crate::problem::Problem;
use section::{Section, Source, Value};

mod answers;
mod issuers;
mod records;
mod section;

pub use answers::AnswersConfig;
pub use issuers::{FrontEndConfig, IssuerConfig, KeysAt};
pub use records::{AuditConfig, AuditLevel, Records};

/// Everything the program is told from outside, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// SHA-256 of the file; with the environment over it, of both.
    pub digest: audit::Digest,
    /// Production refuses the demo backend.
    pub mode: Mode,
    /// A line for error messages: whom a refused user may ask.
    pub contact: Option<String>,
    /// The port for model traffic.
    pub listener: ListenerConfig,
    /// The port for operators.
    pub admin: AdminConfig,
    /// Who may ask.
    pub identity: IdentityConfig,
    /// Whose tokens are believed.
    pub issuers: Vec<IssuerConfig>,
    /// Which applications may speak for users.
    pub front_ends: Vec<FrontEndConfig>,
    /// The folder of policy files.
    pub policy_dir: PathBuf,
    /// How often the policy files and the key file are looked at for changes; `None`: only SIGHUP loads them again.
    pub policy_watch: Option<Duration>,
    /// What judges text.
    pub guardrails: GuardrailsConfig,
    /// Where decisions are recorded.
    pub audit: AuditConfig,
    /// How long records must be kept, and who says so. Production has it.
    pub records: Option<Records>,
    /// The servers that answer.
    pub backends: Vec<BackendConfig>,
    /// The models that callers name, each on a backend.
    pub models: Vec<ModelConfig>,
    /// What is shown where an answer is blocked.
    pub answers: AnswersConfig,
    /// Bounds of one request.
    pub limits: Limits,
}

/// What this gateway is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Real traffic.
    Production,
    /// Trying things out; allows the demo backend.
    Development,
}

/// The port for model traffic. TLS always.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Addresses to listen on, IPv4 and IPv6.
    pub bind: Vec<SocketAddr>,
    /// The network zone that requests from here carry into the policy.
    pub zone: String,
    /// Certificate chain, PEM.
    pub certificate: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// CA of client certificates, PEM.
    pub client_ca: Option<PathBuf>,
    /// Revocation lists of client certificates, PEM or DER; with one, every issuer needs one.
    pub client_crls: Vec<PathBuf>,
    /// Whether a client must show a certificate.
    pub client_certificates: ClientCertificates,
    /// Connections open at once; one more is closed at once and counted.
    pub connections_max: usize,
    /// Bytes of one request head.
    pub header_bytes_max: usize,
    /// A request head must be complete within this time.
    pub header_timeout: Duration,
    /// A TLS handshake must be complete within this time.
    pub handshake_timeout: Duration,
    /// On shutdown, requests in flight may run on this long.
    pub drain_timeout: Duration,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Not asked for.
    Off,
    /// Asked for; without one, an API key is needed.
    Optional,
    /// The handshake fails without one.
    Required,
}

/// The port for operators: plain HTTP, so loopback unless said otherwise.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Address to listen on.
    pub bind: SocketAddr,
    /// Whether it speaks TLS, with the data listener's certificate and authorities.
    pub tls: bool,
}

/// Who may ask.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// File of API keys (hashes only), written by `portcullis keys new`.
    pub keys: PathBuf,
    /// File with the secret under which the hashes are keyed.
    pub hash_secret: PathBuf,
}

/// What judges text.
#[derive(Debug, Clone)]
pub struct GuardrailsConfig {
    /// Folder of classifier models.
    pub models_dir: Option<PathBuf>,
    /// The ONNX Runtime library; without it, the places beside the binary are searched.
    pub runtime: Option<PathBuf>,
    /// Its SHA-256, for a library other than the one this version was built for.
    pub runtime_sha256: Option<String>,
    /// A file of 32 random bytes, with which masks name what they hide.
    pub redaction_key: Option<PathBuf>,
    /// Threads that run classifiers.
    pub threads: usize,
    /// Classifier jobs that may wait; one more is refused.
    pub queue_max: usize,
}

/// A server that answers.
#[derive(Debug, Clone)]
pub struct BackendConfig {
    /// Its registered name.
    pub name: String,
    /// How to speak to it.
    pub kind: BackendKind,
}

/// How to speak to a server.
#[derive(Debug, Clone)]
pub enum BackendKind {
    /// The built-in script. Not a model.
    Demo,
    /// Any OpenAI-compatible server.
    OpenAi {
        /// Where it is, up to and including `/v1`.
        base_url: http::Uri,
        /// CA of its certificate, PEM.
        ca: Option<PathBuf>,
        /// File with the bearer token we show it.
        bearer: Option<PathBuf>,
        /// To connect, TLS included.
        connect_timeout: Duration,
        /// Until the first event of an answer.
        first_byte_timeout: Duration,
        /// Between two events.
        idle_timeout: Duration,
    },
}

/// A model that callers name.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// The name callers use.
    pub name: String,
    /// The backend it is on.
    pub backend: String,
    /// The backend's own name for it.
    pub upstream_name: String,
}

/// Bounds of one request.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a request body.
    pub body_bytes_max: usize,
    /// A request body must be complete within this time.
    pub body_timeout: Duration,
    /// Requests in flight; one more is refused.
    pub in_flight_max: usize,
    /// Of these, how many one principal may have: the rest are for others, however slowly it sends.
    pub in_flight_per_principal_max: usize,
    /// From the first byte to the last.
    pub request_timeout: Duration,
    /// Answers (`n`) of one request.
    pub choices_max: u32,
    /// Refusals recorded per second before anybody is authenticated; beyond, connections are closed and counted.
    pub unauthenticated_per_second_max: u32,
}

impl Config {
    /// Reads and checks the file, with the process environment over it.
    ///
    /// # Errors
    /// Every problem of the file at once.
    pub fn load(file: &Path) -> Result<Config, Vec<Problem>> {
        let (config, problems) = Config::read(file);
        config.filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// The same for `check`: every problem of the file, and what could be read in spite of them, so that the files it
    /// names can be checked too. Not to be used if there are problems.
    pub fn read(file: &Path) -> (Option<Config>, Vec<Problem>) {
        let environment = std::env::vars()
            .filter(|(name, _)| name.starts_with("PORTCULLIS_"))
            .collect();
        match std::fs::read_to_string(file) {
            Ok(text) => Config::understand(file, text, environment),
            Err(e) => {
                let unreadable = Problem::about(file, format!("cannot be read: {e}"))
                    .hint("`--config FILE` names another");
                (None, vec![unreadable])
            }
        }
    }

    /// Checks the text of `file`.
    ///
    /// # Errors
    /// Every problem of the text at once.
    pub fn parse(
        file: &Path,
        text: String,
        environment: BTreeMap<String, String>,
    ) -> Result<Config, Vec<Problem>> {
        let (config, problems) = Config::understand(file, text, environment);
        config.filter(|_| problems.is_empty()).ok_or(problems)
    }

    fn understand(
        file: &Path,
        text: String,
        environment: BTreeMap<String, String>,
    ) -> (Option<Config>, Vec<Problem>) {
        let source = Source::new(file, text, environment);
        let (table, faults) = DeTable::parse_recoverable(source.text());
        for fault in faults {
            source.report(
                fault.span().unwrap_or(0..0),
                fault.message().trim().to_owned(),
                None,
            );
        }
        let config = read(Section::root(&source, table), source.digest());
        (config, source.problems())
    }
}

/// Reads every section, so that every problem is found, and only then puts the pieces together.
fn read(mut root: Section<'_>, digest: audit::Digest) -> Option<Config> {
    root.number("version", 1, 1..=1);
    let mode = root.choice(
        "mode",
        &[
            ("production", Mode::Production),
            ("development", Mode::Development),
        ],
    );
    let contact = root.string("contact").map(|v| v.value);
    let listener = listener(root.section("listener"));
    let admin = admin(root.section("admin"));
    let identity = identity(root.section("identity"));
    let (issuers, front_ends) = tokens(&mut root);
    let (policy_dir, policy_watch) = policy(root.section("policy"));
    let guardrails = guardrails(root.section("guardrails"));
    let audit = records::audit(root.section("audit"));
    let records = records::records(&mut root, mode);
    let recordable = audit
        .as_ref()
        .map_or(records::SEGMENT_BYTES / 4, AuditConfig::recordable);
    let limits = limits(root.section("limits"), recordable);
    let answers = answers::answers(root.section("answers"));
    let backends: Vec<_> = root
        .sections("backend")
        .into_iter()
        .map(|s| backend(s, mode))
        .collect();
    let names: Vec<_> = backends.iter().flatten().map(|b| b.name.clone()).collect();
    let models: Vec<_> = root
        .sections("model")
        .into_iter()
        .map(|s| model(s, &names))
        .collect();
    if backends.is_empty() || models.is_empty() {
        root.report(
            "no model can be served",
            Some("write at least one `[[backend]]` and one `[[model]]`".into()),
        );
    }
    root.finish();
    Some(Config {
        digest,
        mode: mode?,
        contact,
        listener: listener?,
        admin: admin?,
        identity: identity?,
        issuers: issuers?,
        front_ends: front_ends?,
        policy_dir: policy_dir?,
        policy_watch,
        guardrails,
        audit: audit?,
        records,
        backends: backends.into_iter().collect::<Option<_>>()?,
        models: models.into_iter().collect::<Option<_>>()?,
        answers,
        limits,
    })
}

fn listener(mut s: Section<'_>) -> Option<ListenerConfig> {
    let written = s.strings("bind");
    if written.is_empty() {
        s.report(
            "`listener.bind` is missing",
            Some("write `bind = [\"0.0.0.0:8443\", \"[::]:8443\"]`".into()),
        );
    }
    let bind: Vec<_> = written
        .into_iter()
        .map(|value| address(s.source(), value))
        .collect();
    let zone = s
        .required("zone")
        .and_then(|value| name(s.source(), value, "a zone"));
    let certificate = s.required_path("certificate");
    let key = s.required_path("key");
    let client_ca = s.path_to("client_ca").map(|v| v.value);
    let written = s.strings("client_crls").into_iter();
    let client_crls = written.map(|v| s.source().resolve(&v.value)).collect();
    let words = [
        ("off", ClientCertificates::Off),
        ("optional", ClientCertificates::Optional),
        ("required", ClientCertificates::Required),
    ];
    let client_certificates = s.choice("client_certificates", &words);
    if client_certificates != Some(ClientCertificates::Off) && client_ca.is_none() {
        s.report(
            "client certificates are asked for, but no CA to check them is named",
            Some("write `client_ca = …`".into()),
        );
    }
    // A connection costs some 40 KiB; SDKs keep a handful each.
    let connections_max = s.number("connections_max", 1024, 1..=1_000_000) as usize;
    // SDKs send 1 KiB; a front end may add a token of a few more.
    let header_bytes_max = s.number("header_bytes_max", 32 << 10, 8192..=1 << 20) as usize;
    let header_timeout = seconds(&mut s, "header_timeout_s", 10);
    let handshake_timeout = seconds(&mut s, "handshake_timeout_s", 10);
    // Long streams live for minutes; process managers grant 90 s by default.
    let drain_timeout = seconds(&mut s, "drain_timeout_s", 60);
    s.finish();
    Some(ListenerConfig {
        bind: bind.into_iter().collect::<Option<_>>()?,
        zone: zone?,
        certificate: certificate?.value,
        key: key?.value,
        client_ca,
        client_crls,
        client_certificates: client_certificates?,
        connections_max,
        header_bytes_max,
        header_timeout,
        handshake_timeout,
        drain_timeout,
    })
}

fn admin(mut s: Section<'_>) -> Option<AdminConfig> {
    let default = Value {
        value: "127.0.0.1:9443".to_owned(),
        span: s.span(),
    };
    let written = s.string("bind").unwrap_or(default);
    let span = written.span.clone();
    let bind = address(s.source(), written);
    let tls = s.flag("tls");
    if !tls && bind.is_some_and(|bind| !bind.ip().is_loopback()) {
        let hint = "without TLS, bind it to a loopback address; or write `tls = true`";
        s.source()
            .report(span, "the admin port is not on loopback", Some(hint.into()));
    }
    s.finish();
    bind.map(|bind| AdminConfig { bind, tls })
}

fn identity(mut s: Section<'_>) -> Option<IdentityConfig> {
    let (keys, hash_secret) = (s.required_path("keys"), s.required_path("hash_secret"));
    s.finish();
    Some(IdentityConfig {
        keys: keys?.value,
        hash_secret: hash_secret?.value,
    })
}

/// `[[issuer]]` and `[[front_end]]`.
fn tokens(root: &mut Section<'_>) -> (Option<Vec<IssuerConfig>>, Option<Vec<FrontEndConfig>>) {
    let sections = root.sections("issuer").into_iter();
    let issuers: Vec<_> = sections
        .map(|s| (s.source().clone(), s.span(), issuers::issuer(s)))
        .collect();
    let mut known: Vec<IssuerConfig> = Vec::new();
    for (source, span, issuer) in &issuers {
        let Some(issuer) = issuer else { continue };
        if let Some(other) = known
            .iter()
            .find(|k| k.name == issuer.name || k.iss == issuer.iss)
        {
            source.report(
                span.clone(),
                format!(
                    "this issuer has the `name` or the `iss` of `{}`",
                    other.name
                ),
                Some("a token and a principal must lead to one issuer".into()),
            );
        }
        known.push(issuer.clone());
    }
    let complete = known.len() == issuers.len();
    let sections = root.sections("front_end").into_iter();
    let front_ends = sections.map(|s| issuers::front_end(s, &known)).collect();
    (complete.then_some(known), front_ends)
}

fn policy(mut s: Section<'_>) -> (Option<PathBuf>, Option<Duration>) {
    let dir = s.required_path("dir");
    // A look costs some microseconds a file; whoever saves a file expects it to be in force soon.
    let watch = s.number("watch_s", 2, 0..=3600);
    s.finish();
    let watch = (watch > 0).then(|| Duration::from_secs(watch));
    (dir.map(|dir| dir.value), watch)
}

fn guardrails(mut s: Section<'_>) -> GuardrailsConfig {
    let config = GuardrailsConfig {
        models_dir: s.path_to("models").map(|v| v.value),
        runtime: s.path_to("runtime").map(|v| v.value),
        runtime_sha256: s.string("runtime_sha256").map(|v| v.value),
        redaction_key: s.path_to("redaction_key").map(|v| v.value),
        // Classifiers share the machine with the proxy; the fast tier needs tens of microseconds.
        threads: s.number("threads", 2, 1..=256) as usize,
        // 256 waiting jobs of 50 µs on two threads are 7 ms: longer than that, say no early.
        queue_max: s.number("queue_max", 256, 1..=65_536) as usize,
    };
    s.finish();
    config
}

fn limits(mut s: Section<'_>, recordable: u64) -> Limits {
    let in_flight_max = s.number("in_flight_max", 512, 1..=100_000);
    let limits = Limits {
        // A 128 k-token prompt is about 0.5 MiB of English; JSON and non-Latin scripts need room.
        body_bytes_max: s.bounded(
            "body_bytes_max",
            recordable.min(4 << 20),
            1024..=recordable.min(64 << 20),
            ", so that what is recorded of a body fits into half of `audit.segment_bytes`",
        ) as usize,
        // 4 MiB at 1 Mbit/s are 34 s.
        body_timeout: seconds(&mut s, "body_timeout_s", 60),
        in_flight_max: in_flight_max as usize,
        // Half, unless somebody knows better: one busy application leaves room for the others.
        in_flight_per_principal_max: s.bounded(
            "in_flight_per_principal_max",
            in_flight_max.div_ceil(2),
            1..=in_flight_max,
            ", `limits.in_flight_max` at most",
        ) as usize,
        // What the official SDKs wait.
        request_timeout: seconds(&mut s, "request_timeout_s", 600),
        choices_max: s.number("choices_max", 8, 1..=128) as u32,
        unauthenticated_per_second_max: s.number("unauthenticated_per_second_max", 20, 1..=10_000)
            as u32,
    };
    s.finish();
    limits
}

fn backend(mut s: Section<'_>, mode: Option<Mode>) -> Option<BackendConfig> {
    let found = s
        .required("name")
        .and_then(|value| name(s.source(), value, "a backend"));
    let kind = match s.choice("kind", &[("openai", false), ("demo", true)])? {
        true => {
            if mode == Some(Mode::Production) {
                s.report(
                    "the demo backend is a script, not a model: production refuses it",
                    None,
                );
            }
            Some(BackendKind::Demo)
        }
        false => openai(&mut s),
    };
    s.finish();
    Some(BackendConfig {
        name: found?,
        kind: kind?,
    })
}

fn openai(s: &mut Section<'_>) -> Option<BackendKind> {
    let url = s.required("base_url");
    let ca = s.path_to("ca").map(|v| v.value);
    let bearer = s.path_to("bearer").map(|v| v.value);
    let connect_timeout = seconds(s, "connect_timeout_s", 5);
    let first_byte_timeout = seconds(s, "first_byte_timeout_s", 60);
    let idle_timeout = seconds(s, "idle_timeout_s", 60);
    let url = url?;
    let parsed = url.value.parse::<http::Uri>().ok();
    let base_url =
        parsed.filter(|u| u.host().is_some() && matches!(u.scheme_str(), Some("http" | "https")));
    if base_url.is_none() {
        let hint = "write a whole address such as `https://llama.agency.example:8000/v1`";
        s.source().report(
            url.span,
            format!("`{}` is not an HTTP address", url.value),
            Some(hint.into()),
        );
    }
    Some(BackendKind::OpenAi {
        base_url: base_url?,
        ca,
        bearer,
        connect_timeout,
        first_byte_timeout,
        idle_timeout,
    })
}

fn model(mut s: Section<'_>, backends: &[String]) -> Option<ModelConfig> {
    let found = s
        .required("name")
        .and_then(|value| name(s.source(), value, "a model"));
    let backend = s.required("backend");
    if let Some(value) = &backend
        && !backends.contains(&value.value)
    {
        let near = crate::problem::nearest(&value.value, backends.iter().map(String::as_str));
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        s.source().report(
            value.span.clone(),
            format!("no backend is called `{}`", value.value),
            hint,
        );
    }
    let upstream_name = s
        .string("upstream_name")
        .map(|v| v.value)
        .or_else(|| found.clone());
    s.finish();
    Some(ModelConfig {
        name: found?,
        backend: backend?.value,
        upstream_name: upstream_name?,
    })
}

fn seconds(s: &mut Section<'_>, key: &'static str, default: u64) -> Duration {
    Duration::from_secs(s.number(key, default, 1..=86_400))
}

fn address(source: &Rc<Source>, value: Value<String>) -> Option<SocketAddr> {
    let parsed = value.value.parse().ok();
    if parsed.is_none() {
        let hint = "write an IP address and a port, such as `127.0.0.1:8443` or `[::1]:8443`";
        source.report(
            value.span,
            format!("`{}` is not an address", value.value),
            Some(hint.into()),
        );
    }
    parsed
}

/// Names end up in audit entries, whose character set this is.
fn name(source: &Rc<Source>, value: Value<String>, what: &str) -> Option<String> {
    if audit::Name::new(&value.value).is_some() {
        return Some(value.value);
    }
    let hint = "use 1 to 128 of the characters A-Z a-z 0-9 . _ : / @ + -";
    source.report(
        value.span,
        format!("`{}` cannot name {what}", value.value),
        Some(hint.into()),
    );
    None
}

#[cfg(test)]
mod tests;
