//! Everything that is read from files before a socket opens: keys, policy, profiles, models, backends. `check` stops
//! here; `serve` goes on with what was loaded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use audit::Clock as _;
use backends::{Clocks, Demo, OpenAi, OpenAiSettings, Upstream};
use guardrails::{Classifier, Engine, ProfileFile, RedactionKey};
use jiff::Timestamp;
use policy::Policy;

use crate::config::{AuditConfig, BackendConfig, BackendKind, Config};
use crate::identity::Issuers;
use crate::keys::Keys;
use crate::pipeline::forward::{Models, Target};
use crate::problem::{Problem, Severity, nearest};
use crate::rules::Rules;
use crate::{runtime, tls};

/// What was loaded.
pub struct Loaded {
    /// API keys.
    pub keys: Keys,
    /// Whose tokens are believed.
    pub issuers: Issuers,
    /// Access rules, and what judges text.
    pub rules: Rules,
    /// Models and their backends.
    pub models: Models,
    /// To whom bodies are sealed.
    pub recipients: audit::Recipients,
    /// TLS settings of the data listener.
    pub tls: tls::Live,
    /// What is odd, but does not stop a load.
    pub warnings: Vec<Problem>,
}

/// Time enough to issue a certificate, and to seal again what was sealed to the old one.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Wraps every classifier; for tests and the demo, which make one fail on purpose.
pub type ClassifierWrap = Arc<dyn Fn(Arc<dyn Classifier>) -> Arc<dyn Classifier> + Send + Sync>;

/// Wraps every upstream; for the demo, which shows what reaches the model.
pub type UpstreamWrap = Arc<dyn Fn(Arc<dyn Upstream>) -> Arc<dyn Upstream> + Send + Sync>;

/// Loads everything.
///
/// # Errors
/// Every problem of every file at once.
pub fn load(config: &Config, wrap: Option<ClassifierWrap>) -> Result<Loaded, Vec<Problem>> {
    let mut problems = Vec::new();
    let keys = keep(&mut problems, Keys::load(&config.identity));
    let issuers = keep(&mut problems, Issuers::load(&config.issuers));
    let rules = keep(&mut problems, rules(config, wrap, None));
    let models = keep(&mut problems, models(config));
    let recipients = keep(&mut problems, recipients(&config.audit));
    let tls = keep(&mut problems, tls::Live::load(&config.listener));
    // Whatever is missing has said so above.
    let all = (keys, issuers, rules, models, recipients, tls);
    let (
        Some(keys),
        Some(issuers),
        Some((rules, found)),
        Some(models),
        Some(recipients),
        Some(tls),
    ) = all
    else {
        return Err(problems);
    };
    let mut warnings = keys_of_nobody(&rules.policy, &keys, &config.identity.keys);
    warnings.extend(expiring(&config.audit, &recipients));
    warnings.extend(found);
    Ok(Loaded {
        keys,
        issuers,
        rules,
        models,
        recipients,
        tls,
        warnings,
    })
}

/// Loads what decides: the bundle, and the guardrails that its profiles make. `before`, if its profiles are the same,
/// lends its guardrails. With what is odd, but does not stop a load.
///
/// # Errors
/// Every problem of every file at once.
pub fn rules(
    config: &Config,
    wrap: Option<ClassifierWrap>,
    before: Option<&Rules>,
) -> Result<(Rules, Vec<Problem>), Vec<Problem>> {
    let mut problems = Vec::new();
    let policy = keep(
        &mut problems,
        Policy::load(&config.policy_dir).map_err(translated),
    );
    let lent = before
        .zip(policy.as_ref())
        .filter(|(before, loaded)| {
            let now = loaded.policy.guardrail_files();
            now.eq(before.policy.guardrail_files())
        })
        .map(|(before, _)| before.guardrails.clone());
    let guardrails = match lent {
        Some(guardrails) => Some(guardrails),
        None => keep(&mut problems, profile_files(config, policy.as_ref()))
            .and_then(|profiles| keep(&mut problems, guardrails(config, profiles, wrap))),
    };
    if let (Some(loaded), Some(guardrails)) = (&policy, &guardrails) {
        problems.extend(missing_profiles(config, &loaded.policy, guardrails));
        problems.extend(unknown_to_policy(config, &loaded.policy));
        problems.extend(failing_cases(config, &loaded.policy));
    }
    let (Some(loaded), Some(guardrails), true) = (policy, guardrails, problems.is_empty()) else {
        return Err(problems);
    };
    let odd = loaded.warnings.into_iter().map(Problem::from);
    let mut warnings: Vec<Problem> = odd.collect();
    warnings.extend(guardrails.warnings().iter().cloned().map(Problem::from));
    let policy = loaded.policy;
    let rules = Rules { policy, guardrails };
    warnings.extend(rules.warnings_at(now()));
    Ok((rules, warnings))
}

/// What somebody should look at in a bundle that loads: what the loader says, and what has ended by now or ends soon.
pub fn policy_warnings(loaded: &policy::Loaded) -> Vec<Problem> {
    let ending = loaded
        .policy
        .warnings_at(policy::UnixTime(now().as_second()));
    let all = loaded.warnings.iter().cloned().chain(ending);
    all.map(Problem::from).collect()
}

fn now() -> Timestamp {
    crate::reload::moment(&audit::SystemClock)
}

fn keep<T>(problems: &mut Vec<Problem>, loaded: Result<T, Vec<Problem>>) -> Option<T> {
    loaded.map_err(|found| problems.extend(found)).ok()
}

fn translated<P: Into<Problem>>(problems: Vec<P>) -> Vec<Problem> {
    problems.into_iter().map(Into::into).collect()
}

/// The certificates that bodies are sealed to.
fn recipients(config: &AuditConfig) -> Result<audit::Recipients, Vec<Problem>> {
    let now = audit::SystemClock.now();
    let mut problems = Vec::new();
    let mut read = |file: &Path| {
        let wrong = |e: audit::NotARecipient| {
            let problem = Problem::about(file, format!("bodies cannot be sealed to this: {e}"));
            vec![problem.hint("one certificate in PEM, as an officer's card holds or `portcullis certs dev` writes it")]
        };
        keep(
            &mut problems,
            audit::Recipient::load(file, now).map_err(wrong),
        )
    };
    let recovery = read(&config.recovery);
    let officers: Vec<_> = config
        .officers
        .iter()
        .filter_map(|file| read(file))
        .collect();
    let recovery = recovery.filter(|_| problems.is_empty()).ok_or(problems)?;
    audit::Recipients::new(recovery, officers).map_err(|e| {
        vec![
            Problem::about("audit.officers", e.to_string()).hint(
                "each officer, and whoever recovers, has a certificate with a key of their own",
            ),
        ]
    })
}

/// Certificates that end soon. A gateway that runs goes on with them; one that is started then does not start.
fn expiring(config: &AuditConfig, recipients: &audit::Recipients) -> Vec<Problem> {
    let soon = audit::SystemClock.now() / 1_000_000_000 + EXPIRES_SOON.as_secs();
    let files = std::iter::once(&config.recovery).chain(&config.officers);
    let ending = files
        .zip(recipients.iter())
        .filter(|(_, recipient)| recipient.expires() < soon);
    let problem = |(file, _): (_, &audit::Recipient)| Problem {
        severity: Severity::Warning,
        ..Problem::about(
            file,
            "the certificate expires within thirty days; after that, the gateway does not start with it",
        )
    };
    ending.map(problem).collect()
}

fn guardrails(
    config: &Config,
    profiles: Vec<ProfileFile>,
    wrap: Option<ClassifierWrap>,
) -> Result<Engine, Vec<Problem>> {
    let mut problems = Vec::new();
    let runtime = match &config.guardrails.models_dir {
        Some(_) => keep(
            &mut problems,
            runtime::library(&config.guardrails).map_err(|p| vec![p]),
        ),
        None => None,
    };
    let key = config.guardrails.redaction_key.as_deref();
    let key = key.and_then(|file| keep(&mut problems, redaction_key(file).map_err(|p| vec![p])));
    let settings = guardrails::Settings {
        profiles,
        redaction_key: key,
        models_dir: config.guardrails.models_dir.clone(),
        runtime,
        threads: config.guardrails.threads,
        queue_max: config.guardrails.queue_max,
        wrap,
        classifiers: Vec::new(),
    };
    // Without the library too, for what else is wrong.
    let engine = keep(&mut problems, Engine::load(settings).map_err(translated));
    engine.filter(|_| problems.is_empty()).ok_or(problems)
}

/// What masks name values with: as anything that says who is who, it is nobody else's business.
fn redaction_key(file: &Path) -> Result<RedactionKey, Problem> {
    let bytes =
        std::fs::read(file).map_err(|e| Problem::about(file, format!("cannot be read: {e}")))?;
    let hint = "`openssl rand -out FILE 32` makes one; let nobody else read it";
    let wrong = |message: String| Problem::about(file, message).hint(hint);
    let bytes: Result<[u8; 32], _> = bytes.as_slice().try_into();
    let bytes = bytes.map_err(|_| wrong("the redaction key is not 32 bytes long".to_owned()))?;
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Err(wrong(
            "the redaction key is one byte again and again".to_owned(),
        ));
    }
    Ok(RedactionKey::new(&bytes))
}

/// The profiles of the bundle: the very text that its digest covers. Without a bundle nothing can be served, and what
/// lies on the disk is read only to say what else is wrong.
fn profile_files(
    config: &Config,
    policy: Option<&policy::Loaded>,
) -> Result<Vec<ProfileFile>, Vec<Problem>> {
    let dir = &config.policy_dir;
    let Some(loaded) = policy else {
        return profile_files_on_disk(dir);
    };
    let digested = loaded.policy.guardrail_files();
    Ok(digested
        .map(|(path, text)| ProfileFile {
            path: dir.join(path),
            text: text.to_owned(),
        })
        .collect())
}

/// `guardrails.toml` of the baseline and of every tenant, in the order of their paths.
fn profile_files_on_disk(policy_dir: &Path) -> Result<Vec<ProfileFile>, Vec<Problem>> {
    let mut paths = vec![policy_dir.join("baseline/guardrails.toml")];
    let mut tenants: Vec<_> = std::fs::read_dir(policy_dir.join("tenants"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("guardrails.toml"))
        .filter(|path| path.is_file())
        .collect();
    tenants.sort();
    paths.append(&mut tenants);
    let read = |path: std::path::PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Ok(ProfileFile { path, text }),
        Err(e) => Err(vec![Problem::about(path, format!("cannot be read: {e}"))]),
    };
    paths.into_iter().map(read).collect()
}

fn models(config: &Config) -> Result<Models, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut upstreams: Vec<(&str, Arc<dyn Upstream>)> = Vec::new();
    for backend in &config.backends {
        match upstream(backend) {
            Ok(upstream) => upstreams.push((&backend.name, upstream)),
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let target = |model: &crate::config::ModelConfig| {
        let (_, upstream) = upstreams.iter().find(|(name, _)| *name == model.backend)?;
        Some(Target {
            model: model.name.clone(),
            backend: model.backend.clone(),
            upstream_name: model.upstream_name.clone(),
            upstream: upstream.clone(),
        })
    };
    Ok(Models::new(config.models.iter().filter_map(target)))
}

fn upstream(backend: &BackendConfig) -> Result<Arc<dyn Upstream>, Problem> {
    match &backend.kind {
        BackendKind::Demo => Ok(Arc::new(Demo::new(&backend.name))),
        BackendKind::OpenAi {
            base_url,
            ca,
            bearer,
            connect_timeout,
            first_byte_timeout,
            idle_timeout,
        } => {
            let mut settings = OpenAiSettings::new(&backend.name, base_url.clone());
            settings.ca_file.clone_from(ca);
            settings.bearer_file.clone_from(bearer);
            settings.clocks = Clocks {
                connect: *connect_timeout,
                first_byte: *first_byte_timeout,
                idle: *idle_timeout,
                ..settings.clocks
            };
            let made = OpenAi::new(settings);
            made.map(|upstream| Arc::new(upstream) as Arc<dyn Upstream>)
                .map_err(|e| Problem::about(format!("backend {}", backend.name), e.to_string()))
        }
    }
}

/// A rule that permits under a profile which does not exist would refuse everything it permits.
fn missing_profiles(config: &Config, policy: &Policy, guardrails: &Engine) -> Vec<Problem> {
    let missing = policy
        .profiles()
        .filter(|(profile, _)| !guardrails.has_profile(profile));
    let problem = |(profile, rule): (&str, policy::RuleRef)| {
        let file = config.policy_dir.join(rule.file());
        let message = format!(
            "rule `{}` names the profile `{profile}`, which no guardrails.toml has",
            rule.id()
        );
        let mut problem = Problem::in_line(file, rule.line(), profile, message);
        problem.hint = nearest(profile, guardrails.profile_names())
            .map(|near| format!("did you mean `{near}`?"));
        problem
    };
    missing.map(problem).collect()
}

/// A zone or a model that `attributes.toml` does not name would be refused at every request.
fn unknown_to_policy(config: &Config, policy: &Policy) -> Vec<Problem> {
    let file = config.policy_dir.join("attributes.toml");
    let unknown = |what: &str, name: &str, known: Vec<&str>| {
        if known.contains(&name) {
            return None;
        }
        let mut problem = Problem::about(
            &file,
            format!("names no {what} `{name}`, which portcullis.toml uses"),
        );
        problem.hint = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        Some(problem)
    };
    let zone = unknown("zone", &config.listener.zone, policy.zones().collect());
    let model = |model: &crate::config::ModelConfig| {
        unknown("model", &model.name, policy.models().collect())
    };
    let application = |front: &crate::config::FrontEndConfig| {
        let application = front.application.as_str();
        if policy.knows(application) {
            return None;
        }
        let file = config.policy_dir.join("identities.toml");
        let message = format!("names no `{application}`, which a front end is, by portcullis.toml");
        let mut problem = Problem::about(file, message);
        problem.hint =
            nearest(application, policy.principals()).map(|near| format!("did you mean `{near}`?"));
        Some(problem)
    };
    let issuer = |issuer: &str| {
        let known: Vec<&str> = config
            .issuers
            .iter()
            .map(|issuer| issuer.name.as_str())
            .collect();
        if known.contains(&issuer) {
            return None;
        }
        let file = config.policy_dir.join("identities.toml");
        let message =
            format!("relies on claims of issuer `{issuer}`, which portcullis.toml does not trust");
        let mut problem = Problem::about(file, message);
        problem.hint = nearest(issuer, known).map(|near| format!("did you mean `{near}`?"));
        Some(problem)
    };
    zone.into_iter()
        .chain(policy.claim_issuers().filter_map(issuer))
        .chain(config.models.iter().filter_map(model))
        .chain(config.front_ends.iter().filter_map(application))
        .collect()
}

/// A bundle that does not say what its own authors expect of it is not put in force.
fn failing_cases(config: &Config, policy: &Policy) -> Vec<Problem> {
    let report = policy.run_cases();
    let failed = report.cases.iter().filter(|case| !case.passed);
    let problem = |case: &policy::CaseReport| {
        let file = config.policy_dir.join(&case.file);
        let message = format!(
            "the bundle's test \"{}\" expects {}, and the bundle says {}",
            case.name, case.expected, case.said
        );
        Problem::in_line(file, case.line, "[[case]]", message).hint(
            "mend the rules or the test; `portcullis policy test` and `explain` show what decides",
        )
    };
    failed.map(problem).collect()
}

fn keys_of_nobody(policy: &Policy, keys: &Keys, file: &Path) -> Vec<Problem> {
    let nobody = keys
        .records()
        .filter(|record| !policy.knows(&record.principal));
    let mut problems: Vec<_> = nobody
        .map(|record| {
            let message = format!(
                "key `{}` stands for `{}`, whom identities.toml does not know",
                record.id, record.principal
            );
            Problem {
                severity: Severity::Warning,
                ..Problem::about(file, message)
            }
        })
        .collect();
    problems.sort_by(|a, b| a.message.cmp(&b.message));
    problems
}
