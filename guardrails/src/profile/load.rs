//! From files to profiles.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use super::fields::{At, Fields, Problems};
use super::ladder;
use super::pattern::{self, PatternList};
use super::{MaskAs, On, Profile, Rule, Subject, shadows};
use crate::shape::Shape;
use crate::{Action, Measured, Problem, ProfileFile, Score, Severity};

/// The detectors that rules may name.
pub(crate) struct Vocabulary {
    /// Whether there is a key that masks can name values with.
    pub(crate) has_key: bool,
    pub(crate) detectors: Vec<KnownDetector>,
}

/// A detector by the name that rules use.
pub(crate) struct KnownDetector {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) subject: Subject,
    /// Empty for pattern lists, which the files themselves define.
    pub(crate) labels: Vec<String>,
    /// How often honest texts reach which score.
    pub(crate) measured: Vec<Measured>,
}

/// What the files say.
pub(crate) struct Loaded {
    pub(crate) profiles: Vec<Profile>,
    /// All patterns of all lists.
    pub(crate) patterns: Vec<Shape>,
    /// Problems of both severities.
    pub(crate) problems: Vec<Problem>,
}

/// Reads all files. The problems decide whether the rest may be used.
pub(crate) fn load(files: &[ProfileFile], vocabulary: &mut Vocabulary) -> Loaded {
    let mut loaded = Loaded {
        profiles: Vec::new(),
        patterns: Vec::new(),
        problems: Vec::new(),
    };
    let tables: Vec<_> = files
        .iter()
        .map(|file| (file, parse(file, &mut loaded.problems)))
        .collect();
    let mut lists: Vec<PatternList> = Vec::new();
    for (file, table) in &tables {
        let mut problems = Problems {
            file,
            found: &mut loaded.problems,
        };
        for (name, fields) in sections(table, "pattern", &mut problems) {
            if lists.iter().any(|list| list.name == name.value) {
                problems.report(
                    name.span.clone(),
                    format!("a second pattern list is named `{}`", name.value),
                );
            }
            lists.push(pattern::read(&name.value, fields, &mut problems));
        }
    }
    vocabulary.learn_patterns(&lists);
    for (file, table) in &tables {
        let mut problems = Problems {
            file,
            found: &mut loaded.problems,
        };
        for (name, fields) in sections(table, "profile", &mut problems) {
            if loaded
                .profiles
                .iter()
                .any(|profile| profile.name == name.value)
            {
                problems.report(
                    name.span.clone(),
                    format!("a second profile is named `{}`", name.value),
                );
            }
            loaded
                .profiles
                .push(profile(&name, fields, vocabulary, &mut problems));
        }
        for key in table
            .keys()
            .filter(|key| !SECTIONS.contains(&key.get_ref().as_ref()))
        {
            problems.unknown("section", key.get_ref(), key.span(), SECTIONS);
        }
    }
    warn_of_unread_lists(&tables, &lists, vocabulary, &mut loaded);
    loaded.patterns = lists.into_iter().flat_map(|list| list.shapes).collect();
    loaded
}

/// A pattern list that no rule of any profile names is looked for nowhere.
fn warn_of_unread_lists(
    tables: &[(&ProfileFile, DeTable<'_>)],
    lists: &[PatternList],
    vocabulary: &Vocabulary,
    loaded: &mut Loaded,
) {
    let mut detectors = vocabulary.detectors.iter();
    let pattern = detectors.find(|detector| detector.name == PATTERN);
    let rules = loaded.profiles.iter().flat_map(|profile| &profile.rules);
    let about: Vec<&Rule> = rules
        .filter(|rule| pattern.is_some_and(|pattern| pattern.subject == rule.subject))
        .collect();
    let is_read = |list: &PatternList| {
        let mut labels = list.shapes.iter().map(|shape| &shape.label);
        labels.any(|label| about.iter().any(|rule| rule.wants(label)))
    };
    let unread = lists
        .iter()
        .filter(|list| !list.shapes.is_empty() && !is_read(list));
    let unread: Vec<&str> = unread.map(|list| list.name.as_str()).collect();
    for (file, table) in tables {
        let lists = table
            .get("pattern")
            .and_then(|all| all.get_ref().as_table());
        let names = lists.into_iter().flat_map(DeTable::keys);
        for name in names.filter(|name| unread.contains(&name.get_ref().as_ref())) {
            let message = format!("no rule names the pattern list `{}`", name.get_ref());
            let hint = "a rule about `pattern@1` looks for it";
            let problem = Problem::at(&file.path, &file.text, name.span(), message);
            loaded.problems.push(problem.hint(hint).warning());
        }
    }
}

const SECTIONS: [&str; 2] = ["profile", "pattern"];

fn parse<'i>(file: &'i ProfileFile, problems: &mut Vec<Problem>) -> DeTable<'i> {
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    problems.extend(errors.iter().map(|error| {
        let span = error.span().unwrap_or(0..0);
        Problem::at(
            &file.path,
            &file.text,
            span,
            format!("not TOML: {}", error.message()),
        )
    }));
    table.into_inner()
}

/// The tables `[KIND.NAME]` of a file.
fn sections<'t, 'i>(
    table: &'t DeTable<'i>,
    kind: &'static str,
    problems: &mut Problems<'_>,
) -> Vec<(At<String>, Fields<'t, 'i>)> {
    let Some(all) = table.get(kind) else {
        return Vec::new();
    };
    let Some(named) = all.get_ref().as_table() else {
        problems.report(
            all.span(),
            format!("`{kind}` is a table of tables: [{kind}.NAME]"),
        );
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in named {
        let name = At {
            value: key.get_ref().to_string(),
            span: key.span(),
        };
        pattern::is_name(&name, problems);
        if let Some(fields) = Fields::new(value, &format!("a {kind}"), problems) {
            found.push((name, fields));
        }
    }
    found
}

impl Vocabulary {
    fn learn_patterns(&mut self, lists: &[PatternList]) {
        let shapes = lists
            .iter()
            .flat_map(|list| &list.shapes)
            .map(|shape| shape.label.clone());
        let labels: Vec<String> = lists
            .iter()
            .map(|list| list.name.clone())
            .chain(shapes)
            .collect();
        for detector in self
            .detectors
            .iter_mut()
            .filter(|detector| detector.name == PATTERN)
        {
            detector.labels.clone_from(&labels);
        }
    }

    fn find(&self, name: &At<String>, problems: &mut Problems<'_>) -> Option<&KnownDetector> {
        let (wanted, version) = name.value.split_once('@').unwrap_or((&name.value, ""));
        let spelled = |detector: &KnownDetector| format!("{}@{}", detector.name, detector.version);
        let Some(detector) = self
            .detectors
            .iter()
            .find(|detector| detector.name == wanted)
        else {
            let known: Vec<String> = self.detectors.iter().map(spelled).collect();
            problems.unknown(
                "detector",
                &name.value,
                name.span.clone(),
                known.iter().map(String::as_str),
            );
            return None;
        };
        if version != detector.version.to_string() {
            let message = format!("there is no version `{version}` of detector `{wanted}`");
            problems.report_with(
                name.span.clone(),
                message,
                format!("write `{}`", spelled(detector)),
            );
            return None;
        }
        Some(detector)
    }
}

/// The name of the detector that runs the pattern lists.
pub(crate) const PATTERN: &str = "pattern";

fn profile(
    name: &At<String>,
    mut fields: Fields<'_, '_>,
    vocabulary: &Vocabulary,
    problems: &mut Problems<'_>,
) -> Profile {
    fields.text("description", problems);
    let unread = kinds(&mut fields, "unread", problems).unwrap_or_default();
    let mut seen = BTreeMap::new();
    let mut rules = Vec::new();
    let mut spans = Vec::new();
    let errors = |problems: &Problems<'_>| {
        let found = problems.found.iter();
        found
            .filter(|found| found.severity == Severity::Error)
            .count()
    };
    let before = errors(problems);
    for table in fields.tables("rule", problems) {
        let span = table.id_span();
        if let Some(rule) = rule(table, vocabulary, problems) {
            if seen.insert(Arc::clone(&rule.id), ()).is_some() {
                problems.report(
                    span.clone(),
                    format!("a second rule of this profile has the id `{}`", rule.id),
                );
            }
            rules.push(rule);
            spans.push(span);
        }
    }
    fields.finish(problems);
    if errors(problems) == before {
        check_gaps(name, &rules, &unread, problems);
        shadows::warn(&rules, &spans, vocabulary, problems);
    }
    Profile {
        name: name.value.clone(),
        rules,
    }
}

/// A profile that leaves a kind of text unread lets all of it pass: it has to say so.
fn check_gaps(name: &At<String>, rules: &[Rule], unread: &[On], problems: &mut Problems<'_>) {
    let mut named: Vec<On> = rules.iter().flat_map(|rule| rule.on.clone()).collect();
    if named.contains(&On::Response) {
        // They are responses too.
        named.push(On::ToolArguments);
    }
    let is_in = |kinds: &[On], part: &On| kinds.iter().any(|kind| kind.parts().contains(part));
    // Where nothing reads any part of a kind, that is one problem and not one for each part.
    let mut told: Vec<On> = Vec::new();
    for (word, on) in On::ALL {
        let parts = on.parts().iter().filter(|part| !told.contains(part));
        let parts: Vec<&On> = parts.collect();
        let passes = |part: &&On| !is_in(&named, part) && !is_in(unread, part);
        if !parts.is_empty() && parts.iter().all(passes) {
            told.extend(on.parts());
            let message = format!(
                "no rule of profile `{}` reads texts of kind `{word}`: all of them would pass",
                name.value
            );
            let hint = format!("add it to a rule's `on`, or say so: `unread = [\"{word}\"]`");
            problems.report_with(name.span.clone(), message, hint);
        }
        if unread.contains(&on) && on.parts().iter().any(|part| is_in(&named, part)) {
            let message = format!(
                "a rule of profile `{}` reads texts of kind `{word}`, which `unread` names",
                name.value
            );
            let hint = format!("take `{word}` out of `unread`");
            problems.warn(name.span.clone(), message, hint);
        }
    }
}

fn rule(
    mut fields: Fields<'_, '_>,
    vocabulary: &Vocabulary,
    problems: &mut Problems<'_>,
) -> Option<Rule> {
    let id = fields
        .needed("id", problems)
        .filter(|id| pattern::is_name(id, problems));
    let detector = fields.needed("detector", problems);
    let labels = fields.texts("labels", problems);
    if !fields.has("on") {
        fields.missing("on", problems);
    }
    let on = kinds(&mut fields, "on", problems);
    let at = fields.number("at", problems);
    let action = choice(&mut fields, "do", &ACTIONS, problems);
    let mask = choice(&mut fields, "mask", &MaskAs::ALL, problems);
    let hold = fields.flag("hold", problems);
    let ladder = ladder::Written::read(&mut fields, problems);
    if let Some(covers) = fields.text("covers", problems) {
        check_clause(&covers, problems);
    }
    fields.needed("why", problems);
    if !fields.has("do") {
        fields.missing("do", problems);
    }
    let span = fields.span.clone();
    fields.finish(problems);

    let named = detector?;
    let detector = vocabulary.find(&named, problems)?;
    if detector.labels.is_empty() {
        let message = format!(
            "`{}` finds nothing: no file has a pattern list",
            named.value
        );
        problems.report_with(named.span, message, "write a section [pattern.NAME]");
        return None;
    }
    check_labels(detector, labels.as_ref(), problems);
    let trained = matches!(detector.subject, Subject::Classifier(_));
    let at = reached(at, trained, &named.value, &span, problems)?;
    let action = action?;
    if trained && action.value == Action::Redact {
        let message = "a classifier judges whole windows, and cannot say which words to redact";
        problems.report_with(action.span.clone(), message, "use `block` or `flag`");
    }
    if let Some(mask) = &mask {
        check_mask(mask, action.value, vocabulary, problems);
    }
    let (id, on) = (id?, on?);
    if let Some(hold) = &hold {
        check_hold(hold, action.value, &on, problems);
    }
    let labels: Option<Vec<String>> =
        labels.map(|labels| labels.value.into_iter().map(|label| label.value).collect());
    let is_about = |label: &String| labels.as_ref().is_none_or(|labels| labels.contains(label));
    let measured = detector.measured.iter();
    let about = ladder::About {
        id: &id,
        subject: detector.subject,
        action: action.value,
        on: &on,
        at: &at,
        measured: measured.filter(|known| is_about(&known.label)).collect(),
    };
    let ladder = ladder.settle(&about, &span, problems);
    Some(Rule {
        id: Arc::from(id.value),
        subject: detector.subject,
        labels,
        on,
        at: at.value,
        action: action.value,
        mask: mask.map(|mask| mask.value).unwrap_or_default(),
        hold: hold.is_some_and(|hold| hold.value),
        ladder,
    })
}

/// The score at which a rule counts: a classifier's threshold, and of what is certain all there is.
fn reached(
    at: Option<At<f64>>,
    trained: bool,
    detector: &str,
    rule: &Range<usize>,
    problems: &mut Problems<'_>,
) -> Option<At<Score>> {
    let certain = At {
        value: Score::MAX,
        span: rule.clone(),
    };
    match at {
        Some(at) if trained => Some(At {
            value: threshold(&at, problems)?,
            span: at.span,
        }),
        Some(at) => {
            threshold(&at, problems)?;
            let message = format!("`at` changes nothing: `{detector}` is certain of what it finds");
            problems.warn(at.span, message, "leave it out");
            Some(certain)
        }
        None if trained => {
            problems.report_with(
                rule.clone(),
                "`at` is missing: a classifier needs a threshold",
                "see the model card",
            );
            None
        }
        None => Some(certain),
    }
}

/// How to redact is for rules that do, and naming values takes a key.
fn check_mask(
    mask: &At<MaskAs>,
    action: Action,
    vocabulary: &Vocabulary,
    problems: &mut Problems<'_>,
) {
    if action != Action::Redact {
        let message =
            format!("`mask` says how to redact, and this rule does not: `do = \"{action}\"`");
        problems.report_with(mask.span.clone(), message, "leave it out");
    } else if mask.value == MaskAs::Name && !vocabulary.has_key {
        let message = "there is no key to hash with";
        let hint = "name a file of 32 random bytes in portcullis.toml, section [guardrails]: \
                    `redaction_key = \"…\"`";
        problems.report_with(mask.span.clone(), message, hint);
    }
}

/// Only what can stop an answer has a reason to keep it back.
fn check_hold(hold: &At<bool>, action: Action, on: &[On], problems: &mut Problems<'_>) {
    if hold.value && action != Action::Block {
        let message = format!(
            "`hold` keeps an answer back for a rule that may block it, and this one does not: `do = \"{action}\"`"
        );
        problems.report_with(hold.span.clone(), message, "leave it out");
    } else if hold.value && !on.contains(&On::Response) {
        let message = "`hold` keeps answers back, and this rule reads none";
        problems.report_with(hold.span.clone(), message, "add `response` to its `on`");
    }
}

const ACTIONS: [(&str, Action); 4] = [
    ("allow", Action::Allow),
    ("flag", Action::Flag),
    ("redact", Action::Redact),
    ("block", Action::Block),
];

/// A field that is one of some words. `None` if absent or unknown (reported).
pub(super) fn choice<T: Copy>(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    known: &[(&'static str, T)],
    problems: &mut Problems<'_>,
) -> Option<At<T>> {
    let text = fields.text(name, problems)?;
    match known.iter().find(|(word, _)| *word == text.value) {
        Some((_, value)) => Some(At {
            value: *value,
            span: text.span,
        }),
        None => {
            problems.unknown(
                &format!("value of `{name}`"),
                &text.value,
                text.span,
                known.iter().map(|(word, _)| *word),
            );
            None
        }
    }
}

/// A list of kinds of text; `None` if absent.
fn kinds(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    problems: &mut Problems<'_>,
) -> Option<Vec<On>> {
    let mut kinds = Vec::new();
    for text in fields.texts(name, problems)?.value {
        match On::ALL.iter().find(|(word, _)| *word == text.value) {
            Some((_, known)) => kinds.push(*known),
            None => problems.unknown(
                "kind of text",
                &text.value,
                text.span,
                On::ALL.map(|(word, _)| word),
            ),
        }
    }
    Some(kinds)
}

fn threshold(at: &At<f64>, problems: &mut Problems<'_>) -> Option<Score> {
    if !(0.0..=1.0).contains(&at.value) {
        problems.report(at.span.clone(), "a threshold is from 0 to 1");
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "four decimals of a ratio")]
    let score = Score::from_ratio(at.value as f32);
    if score == Score::MIN {
        let message = "every text reaches a threshold of 0";
        problems.warn(at.span.clone(), message, "see the model card");
    }
    Some(score)
}

fn check_labels(
    detector: &KnownDetector,
    labels: Option<&At<Vec<At<String>>>>,
    problems: &mut Problems<'_>,
) {
    for label in labels.into_iter().flat_map(|labels| &labels.value) {
        if !detector.labels.contains(&label.value) {
            let what = format!("label of `{}@{}`", detector.name, detector.version);
            problems.unknown(
                &what,
                &label.value,
                label.span.clone(),
                detector.labels.iter().map(String::as_str),
            );
        }
    }
}

/// A clause of the responsible-use taxonomy.
fn check_clause(covers: &At<String>, problems: &mut Problems<'_>) {
    let number = covers
        .value
        .strip_prefix("RU-")
        .filter(|number| number.len() == 2);
    let number: Option<u32> = number.and_then(|number| number.parse().ok());
    if !number.is_some_and(|number| (1..=33).contains(&number)) {
        problems.report(
            covers.span.clone(),
            "`covers` is a clause from RU-01 to RU-33",
        );
    }
}
