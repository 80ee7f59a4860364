//! The engine: profiles and detectors loaded together, immutable, shared by all requests.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use tokio::time::Instant;

use crate::classifier::pool::Pool;
use crate::plan::{Plan, Scanners};
use crate::profile::Profile;
use crate::{
    Action, AnswerScreen, Classifier, DetectorInfo, Origin, Problem, RedactionKey, Report, Score,
    Screening, Span, Stage, Undecided, Unjudged, markings, screen,
};

mod load;

pub(crate) use load::sha256;

#[cfg(test)]
mod tests;

/// Wraps every loaded classifier.
pub type Wrap = Arc<dyn Fn(Arc<dyn Classifier>) -> Arc<dyn Classifier> + Send + Sync>;

/// What an engine is made from.
#[derive(Clone, Default)]
pub struct Settings {
    /// The profile files, read by the caller; together they are one name space.
    pub profiles: Vec<ProfileFile>,
    /// Folder of classifiers: one subfolder each, holding `manifest.toml` and `model.onnx`.
    pub models_dir: Option<PathBuf>,
    /// The ONNX Runtime library. Needed only if a profile names a classifier of `models_dir`.
    pub runtime: Option<RuntimeLibrary>,
    /// Threads that run classifiers; 0 means one per two processors, at least one.
    pub threads: usize,
    /// Classifier jobs that may wait; 0 means 256. One more is [`Undecided::QueueFull`].
    pub queue_max: usize,
    /// The fault seam, for tests and the demo only: wraps every classifier.
    pub wrap: Option<Wrap>,
    /// What masks name values with, where a rule says `mask = "keyed-hash"`.
    pub redaction_key: Option<RedactionKey>,
    /// Classifiers supplied by the program itself, for tests: they need no files and no runtime.
    pub classifiers: Vec<Arc<dyn Classifier>>,
}

/// A profile file, already read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFile {
    /// Its name in problems.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// The ONNX Runtime library: which file, and what it must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeLibrary {
    /// Absolute path.
    pub path: PathBuf,
    /// SHA-256 of the file, 64 hex digits.
    pub sha256: String,
}

/// A rule of a profile, as its file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo<'e> {
    /// The profile's name.
    pub profile: &'e str,
    /// The rule's id, unique in its profile.
    pub id: &'e str,
    /// What the rule says.
    pub written: Action,
    /// What it does, on its rung of the ladder.
    pub action: Action,
    /// Of honest texts, the share that it may stop, in steps of 1/10,000.
    pub budget: Option<Score>,
}

/// A classification or control marking found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marking {
    /// `U`, `CUI`, `C`, `S` or `TS`.
    pub level: String,
    /// The marking in canonical text, with what follows its level: `SECRET//NOFORN`, `(S)`.
    pub text: String,
    /// Index of the span.
    pub span: usize,
    /// Bytes of the original text.
    pub range: Range<usize>,
}

/// All profiles and detectors. Immutable; a reload makes a new one. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// What requests share.
pub(crate) struct Inner {
    pub(crate) scanners: Scanners,
    pub(crate) detectors: Vec<DetectorInfo>,
    pub(crate) classifiers: Vec<Arc<dyn Classifier>>,
    /// `None` if there are no classifiers.
    pub(crate) pool: Option<Pool>,
    /// Name to index into `plans`.
    profiles: BTreeMap<String, usize>,
    plans: Vec<ProfilePlans>,
    /// Every marking, whatever the profiles say.
    pub(crate) markings: Plan,
    warnings: Vec<Problem>,
    digest: String,
    pub(crate) redaction_key: Option<RedactionKey>,
    /// What the files say.
    written: Vec<Profile>,
}

/// A profile's plans.
struct ProfilePlans {
    /// As its rules say.
    written: Plans,
    /// With a block where they flag or redact.
    strict: Plans,
}

/// By stage and origin.
type Plans = Vec<((Stage, Origin), Plan)>;

/// A profile, and whether whatever it flags is blocked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen {
    number: usize,
    pub(crate) strict: bool,
}

/// Under which profile texts are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Under<'p> {
    profile: &'p str,
    strict: bool,
}

impl<'p> Under<'p> {
    /// As the profile's rules say.
    pub fn profile(profile: &'p str) -> Under<'p> {
        Under {
            profile,
            strict: false,
        }
    }

    /// The same, with a block wherever a rule flags or redacts, if so asked. Nothing makes a rule milder.
    #[must_use]
    pub fn blocking_what_it_flags(self, strict: bool) -> Under<'p> {
        Under { strict, ..self }
    }
}

impl<'p> From<&'p str> for Under<'p> {
    fn from(profile: &'p str) -> Under<'p> {
        Under::profile(profile)
    }
}

impl Engine {
    /// Loads profiles and the detectors that they name.
    ///
    /// # Errors
    /// Every problem of every file at once. Warnings alone do not fail.
    pub fn load(settings: Settings) -> Result<Engine, Vec<Problem>> {
        let inner = load::load(settings)?;
        Ok(Engine {
            inner: Arc::new(inner),
        })
    }

    /// SHA-256 over all profile files and detector digests, 64 hex digits.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Every detector that is loaded.
    pub fn detectors(&self) -> &[DetectorInfo] {
        &self.inner.detectors
    }

    /// What looked odd at load but did not stop it.
    pub fn warnings(&self) -> &[Problem] {
        &self.inner.warnings
    }

    /// The rules that somebody was to look at by that day, or is soon.
    pub fn warnings_at(&self, today: Date) -> Vec<Problem> {
        let rules = self.inner.written.iter().flat_map(|profile| &profile.rules);
        let reviews = rules.filter_map(|rule| rule.ladder.review.as_ref());
        reviews
            .filter_map(|review| review.warning_at(today))
            .collect()
    }

    /// Every rule of every profile.
    pub fn rules(&self) -> impl Iterator<Item = RuleInfo<'_>> {
        self.inner.written.iter().flat_map(|profile| {
            let rules = profile.rules.iter();
            rules.map(|rule| RuleInfo {
                profile: &profile.name,
                id: &rule.id,
                written: rule.action,
                action: rule.effect(),
                budget: rule.ladder.budget,
            })
        })
    }

    /// Whether there is such a profile.
    pub fn has_profile(&self, name: &str) -> bool {
        self.inner.profiles.contains_key(name)
    }

    /// The names of all profiles, sorted.
    pub fn profile_names(&self) -> impl Iterator<Item = &str> {
        self.inner.profiles.keys().map(String::as_str)
    }

    /// Markings in the texts, each once, in the order in which they first appear. Always on: needs no profile, and runs
    /// before access is decided. Of texts with more different markings than any document has, the last that is given is of
    /// the highest level.
    ///
    /// First form: banner lines (`TOP SECRET//SI//NOFORN`), and portion marks (`(S//NF)`). A marking found in text is a
    /// signal, not proof.
    pub fn markings(&self, spans: &[Span<'_>]) -> Vec<Marking> {
        markings::find(&self.inner, spans)
    }

    /// Judges whole texts.
    ///
    /// Cancel safe: dropping the future abandons the judgement, and queued classifier work for it is skipped.
    ///
    /// # Errors
    /// Whenever no verdict can be reached in time, with what had run until then; never "allowed".
    pub async fn screen(
        &self,
        under: impl Into<Under<'_>>,
        stage: Stage,
        spans: &[Span<'_>],
        deadline: Instant,
    ) -> Result<Screening, Unjudged> {
        let profile = self.profile(under.into()).map_err(|why| Unjudged {
            why,
            report: Report::default(),
        })?;
        screen::screen(&self.inner, profile, stage, spans, deadline).await
    }

    /// Begins the judgement of a growing answer.
    ///
    /// # Errors
    /// [`Undecided::UnknownProfile`].
    pub fn stream<'p>(&self, under: impl Into<Under<'p>>) -> Result<AnswerScreen, Undecided> {
        let profile = self.profile(under.into())?;
        Ok(AnswerScreen::new(Arc::clone(&self.inner), profile))
    }

    fn profile(&self, under: Under<'_>) -> Result<Chosen, Undecided> {
        let number = self.inner.profiles.get(under.profile).copied();
        Ok(Chosen {
            number: number.ok_or(Undecided::UnknownProfile)?,
            strict: under.strict,
        })
    }
}

impl Inner {
    /// What a profile looks for in texts of a stage and origin.
    pub(crate) fn plan(
        &self,
        profile: Chosen,
        stage: Stage,
        origin: Origin,
    ) -> Result<&Plan, Undecided> {
        let plans = self.plans.get(profile.number);
        let plans = plans.ok_or(Undecided::UnknownProfile)?;
        let plans = match profile.strict {
            true => &plans.strict,
            false => &plans.written,
        };
        let mut of = plans.iter().filter(|(key, _)| *key == (stage, origin));
        of.next()
            .map(|(_, plan)| plan)
            .ok_or(Undecided::UnknownProfile)
    }
}
