//! What is looked for in one kind of text: a profile's rules, worked out per stage and origin at load.

use std::sync::Arc;

use crate::profile::{MaskAs, Rule, Subject};
use crate::scan::{Active, Scanner};
use crate::{Action, Origin, Score, Stage};

/// The scanners of one engine, over all shapes that any profile uses.
pub(crate) struct Scanners {
    pub(crate) canonical: Scanner,
    pub(crate) original: Scanner,
    /// Per shape of each scanner, the detector it belongs to.
    pub(crate) canonical_detector: Vec<usize>,
    pub(crate) original_detector: Vec<usize>,
}

/// What is looked for in texts of one stage and origin.
#[derive(Default)]
pub(crate) struct Plan {
    /// The deterministic detectors that run.
    pub(crate) detectors: Vec<usize>,
    pub(crate) canonical: Side,
    pub(crate) original: Side,
    /// The classifiers that run, the cheapest first.
    pub(crate) classifiers: Vec<ClassifierPlan>,
    /// Whether nothing of a growing text leaves before its end.
    pub(crate) holds_all: bool,
}

/// The shapes of one scanner.
#[derive(Default)]
pub(crate) struct Side {
    /// Those that are looked for.
    pub(crate) active: Active,
    /// Those whose open candidates hold text back: their action changes the text.
    pub(crate) holding: Active,
    /// Per shape, the strictest rule about it.
    pub(crate) verdicts: Vec<Option<Verdict>>,
}

/// What a rule makes of a finding.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) rule: Arc<str>,
    pub(crate) threshold: Score,
    pub(crate) action: Action,
    /// What it would be without the rule's rung.
    pub(crate) written: Action,
    /// Whether a mask names the value.
    pub(crate) named: bool,
}

impl Verdict {
    /// Of two the stricter; of equally strict ones the one that will be, once both enforce.
    fn strictness(&self) -> (Action, Action) {
        (self.action, self.written)
    }
}

/// One classifier, and what the rules ask of it.
pub(crate) struct ClassifierPlan {
    /// Index among the engine's classifiers.
    pub(crate) classifier: usize,
    /// Index among the engine's detectors.
    pub(crate) detector: usize,
    /// What it costs: see [`crate::DetectorInfo::tier`].
    pub(crate) tier: u8,
    /// Label by label.
    pub(crate) asked: Vec<AskedLabel>,
}

/// A rule's question about one label of a classifier.
pub(crate) struct AskedLabel {
    /// Index among the classifier's labels.
    pub(crate) label: usize,
    pub(crate) verdict: Verdict,
}

impl ClassifierPlan {
    /// Whether it can stop a text, which then waits for it.
    pub(crate) fn may_block(&self) -> bool {
        self.asked
            .iter()
            .any(|asked| asked.verdict.action == Action::Block)
    }
}

/// A classifier, as plans know it.
pub(crate) struct KnownClassifier {
    /// Its index among the detectors.
    pub(crate) detector: usize,
    pub(crate) tier: u8,
    pub(crate) labels: Vec<String>,
}

/// What plans are worked out from.
pub(crate) struct Planner<'a> {
    pub(crate) scanners: &'a Scanners,
    pub(crate) classifiers: &'a [KnownClassifier],
}

impl Planner<'_> {
    /// The plan for texts of a stage and origin; `strict` blocks where a rule flags or redacts.
    pub(crate) fn plan(&self, rules: &[Rule], stage: Stage, origin: Origin, strict: bool) -> Plan {
        let rules: Vec<&Rule> = rules
            .iter()
            .filter(|rule| rule.selects(stage, origin))
            .collect();
        let scanners = self.scanners;
        let canonical = side(
            &scanners.canonical,
            &scanners.canonical_detector,
            &rules,
            strict,
        );
        let original = side(
            &scanners.original,
            &scanners.original_detector,
            &rules,
            strict,
        );
        let mut detectors: Vec<usize> = rules
            .iter()
            .filter_map(|rule| rule.subject.deterministic())
            .collect();
        detectors.sort_unstable();
        detectors.dedup();
        let stops = |rule: &&&Rule| rule.hold && verdict(rule, strict).action == Action::Block;
        Plan {
            detectors,
            canonical,
            original,
            classifiers: self.classifier_plans(&rules, strict),
            holds_all: stage == Stage::Answer && rules.iter().find(stops).is_some(),
        }
    }

    fn classifier_plans(&self, rules: &[&Rule], strict: bool) -> Vec<ClassifierPlan> {
        let plans = self
            .classifiers
            .iter()
            .enumerate()
            .map(|(classifier, known)| {
                let about = rules
                    .iter()
                    .filter(|rule| rule.subject == Subject::Classifier(classifier));
                let asked = about.flat_map(|rule| {
                    let chosen = known
                        .labels
                        .iter()
                        .enumerate()
                        .filter(|(_, label)| rule.wants(label));
                    chosen.map(|(label, _)| AskedLabel {
                        label,
                        verdict: verdict(rule, strict),
                    })
                });
                ClassifierPlan {
                    classifier,
                    detector: known.detector,
                    tier: known.tier,
                    asked: asked.collect(),
                }
            });
        let asked = plans.filter(|plan| !plan.asked.is_empty());
        let mut plans: Vec<ClassifierPlan> = asked.collect();
        plans.sort_by_key(|plan| plan.tier);
        plans
    }
}

fn side(scanner: &Scanner, detector_of: &[usize], rules: &[&Rule], strict: bool) -> Side {
    let verdicts: Vec<Option<Verdict>> = scanner
        .shapes()
        .iter()
        .zip(detector_of)
        .map(|(shape, detector)| {
            let about = rules.iter().filter(|rule| {
                rule.subject == Subject::Shapes(*detector) && rule.wants(&shape.label)
            });
            // Of equally strict rules the first one written is named.
            about
                .map(|rule| verdict(rule, strict))
                .reduce(|first, next| match next.strictness() > first.strictness() {
                    true => next,
                    false => first,
                })
        })
        .collect();
    let holds = |verdict: &Option<Verdict>| {
        verdict
            .as_ref()
            .is_some_and(|verdict| verdict.action >= Action::Redact)
    };
    Side {
        active: Active(verdicts.iter().map(Option::is_some).collect()),
        holding: Active(verdicts.iter().map(holds).collect()),
        verdicts,
    }
}

fn verdict(rule: &Rule, strict: bool) -> Verdict {
    let effect = rule.effect();
    let action = match strict && effect >= Action::Flag {
        true => Action::Block,
        false => effect,
    };
    Verdict {
        rule: Arc::clone(&rule.id),
        threshold: rule.at,
        action,
        written: rule.action,
        named: rule.mask == MaskAs::Name,
    }
}
