//! Putting an engine together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::{Inner, ProfilePlans, Settings};
use crate::classifier::onnx;
use crate::classifier::pool::Pool;
use crate::plan::{KnownClassifier, Plan, Planner, Scanners};
use crate::profile::{self, KnownDetector, PATTERN, Profile, Subject, Vocabulary};
use crate::scan::Scanner;
use crate::shape::Shape;
use crate::shapes::{FAMILIES, View};
use crate::{Classifier, DetectorInfo, Kind, Origin, Problem, Severity, Stage};

/// Everything, or every problem.
pub(super) fn load(settings: Settings) -> Result<Inner, Vec<Problem>> {
    let mut problems = Vec::new();
    let classifiers = classifiers(&settings, &mut problems);
    let mut vocabulary = vocabulary(&classifiers, settings.redaction_key.is_some());
    let loaded = profile::load(&settings.profiles, &mut vocabulary);
    problems.extend(loaded.problems);
    let (warnings, errors): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|problem| problem.severity == Severity::Warning);
    if !errors.is_empty() {
        return Err(errors);
    }
    let detectors = detectors(&loaded.patterns, &classifiers);
    let scanners =
        scanners(loaded.patterns).map_err(|message| vec![Problem::file("profiles", message)])?;
    let plans = plans(&scanners, &classifiers, &loaded.profiles);
    let names = loaded
        .profiles
        .iter()
        .enumerate()
        .map(|(i, profile)| (profile.name.clone(), i));
    Ok(Inner {
        profiles: names.collect(),
        markings: markings(&scanners),
        digest: engine_digest(&settings, &detectors),
        pool: pool(&settings, &classifiers)?,
        scanners,
        detectors,
        classifiers,
        plans,
        warnings,
        redaction_key: settings.redaction_key,
        written: loaded.profiles,
    })
}

/// The classifiers that the program supplies, and those of the models folder that some profile may name.
fn classifiers(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<Arc<dyn Classifier>> {
    let mut classifiers = settings.classifiers.clone();
    if let Some(dir) = &settings.models_dir {
        let named = |name: &str| {
            settings
                .profiles
                .iter()
                .any(|file| file.text.contains(&format!("\"{name}@")))
        };
        let sessions = threads(settings);
        classifiers.extend(onnx::load_all(
            dir,
            settings.runtime.as_ref(),
            sessions,
            named,
            problems,
        ));
    }
    let mut seen = BTreeMap::new();
    for classifier in &classifiers {
        let info = classifier.info();
        if seen.insert(info.name.clone(), ()).is_some()
            || FAMILIES.iter().any(|family| family.name == info.name)
        {
            problems.push(Problem::file(
                "models",
                format!("a second detector is named `{}`", info.name),
            ));
        }
    }
    match &settings.wrap {
        Some(wrap) => classifiers
            .into_iter()
            .map(|classifier| wrap(classifier))
            .collect(),
        None => classifiers,
    }
}

fn threads(settings: &Settings) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match settings.threads {
        0 => (processors / 2).max(1),
        threads => threads,
    }
}

fn pool(
    settings: &Settings,
    classifiers: &[Arc<dyn Classifier>],
) -> Result<Option<Pool>, Vec<Problem>> {
    if classifiers.is_empty() {
        return Ok(None);
    }
    let queue_max = match settings.queue_max {
        0 => QUEUE_MAX_DEFAULT,
        queue_max => queue_max,
    };
    let pool = Pool::start(threads(settings), queue_max);
    pool.map(Some).map_err(|error| {
        vec![Problem::file(
            "models",
            format!("cannot start a thread: {error}"),
        )]
    })
}

/// Classifier jobs; one is at most 64 windows, a few milliseconds.
const QUEUE_MAX_DEFAULT: usize = 256;

/// The order of detectors: families, patterns, classifiers.
const PATTERN_DETECTOR: usize = 4;

fn vocabulary(classifiers: &[Arc<dyn Classifier>], has_key: bool) -> Vocabulary {
    let families = FAMILIES
        .iter()
        .enumerate()
        .map(|(i, family)| KnownDetector {
            name: family.name.to_owned(),
            version: family.version,
            subject: Subject::Shapes(i),
            labels: family.labels().into_iter().map(str::to_owned).collect(),
            measured: Vec::new(),
        });
    let pattern = KnownDetector {
        name: PATTERN.to_owned(),
        version: 1,
        subject: Subject::Shapes(PATTERN_DETECTOR),
        labels: Vec::new(),
        measured: Vec::new(),
    };
    let trained = classifiers
        .iter()
        .enumerate()
        .map(|(i, classifier)| KnownDetector {
            name: classifier.info().name.clone(),
            version: classifier.info().version,
            subject: Subject::Classifier(i),
            labels: classifier.labels().to_vec(),
            measured: classifier.measured().to_vec(),
        });
    Vocabulary {
        has_key,
        detectors: families.chain([pattern]).chain(trained).collect(),
    }
}

fn detectors(patterns: &[Shape], classifiers: &[Arc<dyn Classifier>]) -> Vec<DetectorInfo> {
    let deterministic =
        |name: &str, version, kind, shapes: &mut dyn Iterator<Item = &Shape>| DetectorInfo {
            name: name.to_owned(),
            version,
            digest: shapes_digest(name, version, shapes),
            kind,
            tier: 0,
        };
    let families = FAMILIES.iter().map(|family| {
        let shapes = &mut family.shapes.iter().map(AsRef::as_ref);
        deterministic(family.name, family.version, family.kind, shapes)
    });
    let pattern = deterministic(PATTERN, 1, Kind::Pattern, &mut patterns.iter());
    let trained = classifiers
        .iter()
        .map(|classifier| classifier.info().clone());
    families.chain([pattern]).chain(trained).collect()
}

fn scanners(patterns: Vec<Shape>) -> Result<Scanners, String> {
    let (mut canonical, mut canonical_detector) = (Vec::new(), Vec::new());
    let (mut original, mut original_detector) = (Vec::new(), Vec::new());
    for (detector, family) in FAMILIES.iter().enumerate() {
        let (shapes, detectors) = match family.view {
            View::Canonical => (&mut canonical, &mut canonical_detector),
            View::Original => (&mut original, &mut original_detector),
        };
        shapes.extend(family.shapes.iter().map(Arc::clone));
        detectors.resize(shapes.len(), detector);
    }
    canonical.extend(patterns.into_iter().map(Arc::new));
    canonical_detector.resize(canonical.len(), PATTERN_DETECTOR);
    Ok(Scanners {
        canonical: Scanner::new(canonical).map_err(|error| error.to_string())?,
        original: Scanner::new(original).map_err(|error| error.to_string())?,
        canonical_detector,
        original_detector,
    })
}

fn plans(
    scanners: &Scanners,
    classifiers: &[Arc<dyn Classifier>],
    profiles: &[Profile],
) -> Vec<ProfilePlans> {
    let first = PATTERN_DETECTOR + 1;
    let trained = classifiers
        .iter()
        .enumerate()
        .map(|(i, classifier)| KnownClassifier {
            detector: first + i,
            tier: classifier.info().tier,
            labels: classifier.labels().to_vec(),
        });
    let trained: Vec<_> = trained.collect();
    let planner = Planner {
        scanners,
        classifiers: &trained,
    };
    let all = |profile: &Profile| {
        let plans = |strict| {
            let keys = [Stage::Prompt, Stage::Answer]
                .into_iter()
                .flat_map(|stage| Origin::ALL.map(|origin| (stage, origin)));
            let plan = |(stage, origin)| {
                let plan = planner.plan(&profile.rules, stage, origin, strict);
                ((stage, origin), plan)
            };
            keys.map(plan).collect()
        };
        ProfilePlans {
            written: plans(false),
            strict: plans(true),
        }
    };
    profiles.iter().map(all).collect()
}

/// A plan that looks for markings and nothing else.
fn markings(scanners: &Scanners) -> Plan {
    let mut plan = Plan::default();
    let is_marking = |detector: &usize| {
        FAMILIES
            .get(*detector)
            .is_some_and(|family| family.kind == Kind::Marking)
    };
    plan.canonical.active.0 = scanners.canonical_detector.iter().map(is_marking).collect();
    plan
}

fn shapes_digest(name: &str, version: u32, shapes: &mut dyn Iterator<Item = &Shape>) -> String {
    let mut text = format!("{name}@{version}\n");
    for shape in shapes {
        text.push_str(&format!(
            "{}\t{}\t{}\n",
            shape.label, shape.max_span, shape.pattern
        ));
    }
    sha256(text.as_bytes())
}

fn engine_digest(settings: &Settings, detectors: &[DetectorInfo]) -> String {
    let files = settings
        .profiles
        .iter()
        .map(|file| (name_of(&file.path), sha256(file.text.as_bytes())));
    let detectors = detectors
        .iter()
        .map(|detector| (detector.to_string(), detector.digest.clone()));
    let lines: Vec<String> = files
        .chain(detectors)
        .map(|(name, digest)| format!("{digest}  {name}\n"))
        .collect();
    sha256(lines.concat().as_bytes())
}

/// Without its folder: the same files elsewhere are the same engine.
fn name_of(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
