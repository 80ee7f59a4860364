//! Reading a bundle: strictly, completely, and with every problem at its place.
//!
//! ```text
//! files ─▶ known names only, UTF-8, bounded ─▶ model.conf (digest) ─▶ TOML records ─▶ roles ─▶ rules
//!       ─▶ sections by tenant and action ─▶ matcher, dry-run ─▶ Policy
//! ```
//!
//! Invariants: a bundle with one error loads not at all; a file that is not read is an error, since
//! somebody believes that it is in force; no value is repaired or guessed. Later checks still run
//! after earlier ones failed, so that all problems come at once. Two exceptions: where a TOML file is
//! missing or no TOML, only the form of the other files is checked; the matcher needs a clean bundle.
//!
//! Bounds: [`FILES_MAX`] files of [`FILE_BYTES_MAX`] bytes, [`SECTION_ROWS_MAX`] rows a section.

use std::{
    collections::BTreeMap,
    panic::resume_unwind,
    path::{Path, PathBuf},
    thread,
};

use crate::{
    cache::Cache,
    cases::Case,
    matcher::{MODEL_SHA256, Matcher, RoleLink, Template},
    problem::{Problem, Problems, Severity},
    records::{Attributes, Authority, Identities, Manifest, Purposes},
    rule::Rule,
    snapshot::{Loaded, Part, Policy, TenantRules},
};

mod attributes;
mod cards;
mod cases;
mod csv;
mod duties;
mod fields;
mod files;
mod identities;
mod lints;
mod manifest;
mod mend;
mod purposes;
mod roles;
mod rules;
mod sections;
mod sources;
mod toml_repair;

#[cfg(test)]
pub(crate) use files::read as files_of;

use fields::{Fields, Place};
use files::Files;
use roles::Roles;

/// Most files that a bundle may hold.
pub(crate) const FILES_MAX: usize = 4096;

/// Most bytes that one file may hold.
pub(crate) const FILE_BYTES_MAX: usize = 16 << 20;

/// Rows in one section above which the loader warns: about 0.2 ms per decision.
pub(crate) const SECTION_ROWS_WARN: usize = 200;

/// Most rows in one section: about 2 ms per decision.
pub(crate) const SECTION_ROWS_MAX: usize = 2000;

impl Policy {
    /// Loads a bundle from its folder. Names that start with a dot are skipped.
    ///
    /// # Errors
    /// Every problem of every file, warnings included, when at least one is an error.
    pub fn load(dir: &Path) -> Result<Loaded, Vec<Problem>> {
        let in_dir = |mut problem: Problem| {
            problem.file = dir.join(&problem.file);
            problem
        };
        let loaded = match files::read(dir) {
            Ok(files) => Self::from_files(files),
            Err(problems) => Err(problems),
        };
        match loaded {
            Ok(Loaded { policy, warnings }) => Ok(Loaded {
                policy: Policy {
                    root: dir.to_owned(),
                    ..policy
                },
                warnings: warnings.into_iter().map(in_dir).collect(),
            }),
            Err(problems) => Err(problems.into_iter().map(in_dir).collect()),
        }
    }

    /// Loads a bundle from memory: paths relative to the bundle's folder, with their bytes.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn from_files(files: Vec<(PathBuf, Vec<u8>)>) -> Result<Loaded, Vec<Problem>> {
        let problems = Problems::default();
        let draft = Draft::read(files, &problems);
        let policy = match (problems.any_error(), draft) {
            (false, Some(draft)) => draft.compile(&problems),
            _ => None,
        };
        let reported = problems.into_sorted();
        match policy {
            Some(policy)
                if reported
                    .iter()
                    .all(|problem| problem.severity == Severity::Warning) =>
            {
                Ok(Loaded {
                    policy,
                    warnings: reported,
                })
            }
            _ => Err(reported),
        }
    }
}

/// The keys for which the loader asks while it reads a bundle, as `identities.toml identity.*.tenant`.
#[cfg(test)]
pub(crate) fn asked_keys(files: Vec<(PathBuf, Vec<u8>)>) -> std::collections::BTreeSet<String> {
    let problems = Problems::default();
    Draft::read(files, &problems);
    problems.asked.into_inner()
}

/// Everything read from a bundle, before it is compiled.
struct Draft {
    files: Files,
    template: Template,
    records: Records,
    rules: Vec<Rule>,
    cases: Vec<Case>,
}

/// The content of the TOML files, and of `roles.csv`.
struct Records {
    manifest: Manifest,
    attributes: Attributes,
    purposes: Purposes,
    authorities: Vec<Authority>,
    identities: Identities,
    roles: Roles,
}

impl Draft {
    /// Reads all files. `None` only where the rest could not be read without misleading problems.
    fn read(files: Vec<(PathBuf, Vec<u8>)>, problems: &Problems) -> Option<Self> {
        let files = Files::sort(files, problems);
        let template = files
            .source("model.conf")
            .and_then(|source| template(Place { source, problems }));
        let Some(records) = Records::read(&files, problems) else {
            for (_, source) in files
                .named("rules.csv")
                .into_iter()
                .chain(files.named("roles.csv"))
            {
                csv::rows(Place { source, problems });
            }
            return None;
        };
        let rules::Rules { rules, ids } =
            rules::read(&files, &rules::Known::new(&records), problems);
        let cases = cases::read(&files, &records, ids.as_ref(), problems);
        Some(Self {
            template: template?,
            records,
            rules,
            cases,
            files,
        })
    }

    /// Sorts the rules into sections and compiles them.
    fn compile(self, problems: &Problems) -> Option<Policy> {
        let tenants = sections::sort(&self.records.identities, &self.rules);
        self.check_sizes(&tenants, problems);
        let sections = tenants.values().flat_map(|tenant| tenant.sections.values());
        let parts = sections.flat_map(|section| {
            let rule = |position: &usize| self.rules.get(*section.rows.get(*position)?);
            let rows = move |part: &Part| part.rows.iter().filter_map(rule).collect();
            section.parts.iter().map(rows)
        });
        // Each takes a quarter of the time that a large bundle takes, and neither needs the other.
        let (matcher, warnings) = thread::scope(|scope| {
            let linting = scope.spawn(|| lints::check(&self, &tenants));
            let matcher = Matcher::build(&self.template, parts, self.links());
            (matcher, linting.join())
        });
        match warnings {
            Ok(warnings) => problems.extend(warnings),
            Err(panic) => resume_unwind(panic),
        }
        let matcher = match matcher {
            Ok(matcher) => matcher,
            Err(error) => {
                problems.file("model.conf".into(), error.to_string(), None);
                return None;
            }
        };
        let Records {
            manifest,
            attributes,
            purposes,
            authorities,
            identities,
            ..
        } = self.records;
        let policy = Policy {
            digest: self.files.digest().into(),
            root: PathBuf::new(),
            manifest,
            attributes,
            purposes,
            authorities,
            identities,
            rules: self.rules,
            tenants,
            matcher,
            is_mutant: false,
            cases: self.cases,
            cache: Cache::default(),
            guardrails: self.files.guardrails(),
        };
        sections::dry_run(&policy, problems);
        Some(policy)
    }

    /// Every record's roles, inherited ones included.
    fn links(&self) -> impl Iterator<Item = RoleLink<'_>> {
        self.records.identities.all().flat_map(|identity| {
            identity.roles.iter().map(|role| RoleLink {
                record: &identity.record,
                role,
                tenant: &identity.tenant,
            })
        })
    }

    /// A decision costs time per row of its section: warns of large ones and refuses huge ones.
    fn check_sizes(&self, tenants: &BTreeMap<String, TenantRules>, problems: &Problems) {
        for (tenant, rules) in tenants {
            for (action, section) in &rules.sections {
                let rows = section.rows.len();
                let message = format!("{rows} rules speak about `{tenant}` and `{action}`");
                let hint = |bound| format!("keep below {bound}: narrow `dom` and `act`");
                let last = section.rows.last().and_then(|row| self.rules.get(*row));
                let Some((source, span)) = last.and_then(|rule| self.files.site(&rule.reference))
                else {
                    continue;
                };
                if rows > SECTION_ROWS_MAX {
                    problems.error(source, span, message, hint(SECTION_ROWS_MAX));
                } else if rows > SECTION_ROWS_WARN {
                    problems.warning(source, span, message, hint(SECTION_ROWS_WARN));
                }
            }
        }
    }
}

impl Records {
    /// Reads the records. `None` if a file is missing or no TOML: everything that refers to it would
    /// be reported as unknown, and bury the one mistake.
    fn read(files: &Files, problems: &Problems) -> Option<Self> {
        let parsed = RECORD_FILES.map(|name| {
            let place = Place {
                source: files.source(name)?,
                problems,
            };
            Some((place, place.parse()?))
        });
        let [
            Some(bundle),
            Some(attributes),
            Some(purposes),
            Some(authorities),
            Some(identities),
        ] = &parsed
        else {
            return None;
        };
        let manifest = manifest::read(Fields::root(bundle));
        let attributes = attributes::read(Fields::root(attributes));
        let purposes = purposes::read(Fields::root(purposes));
        let authorities =
            purposes::read_authorities(Fields::root(authorities), &purposes, &manifest);
        let known = sources::Known {
            files,
            manifest: &manifest,
            attributes: &attributes,
        };
        let mut identities = identities::read(Fields::root(identities), known, &purposes);
        files.check_tenants(&manifest, problems);
        let roles = roles::read(files, &manifest, &mut identities, problems);
        Some(Self {
            manifest,
            attributes,
            purposes,
            authorities,
            identities,
            roles,
        })
    }
}

/// The fixed model, if the file is the one whose digest is compiled in.
fn template(place: Place<'_>) -> Option<Template> {
    let digest = files::sha256(&[place.source.text.as_bytes()]);
    let template = Template::parse(&place.source.text).filter(|_| digest == MODEL_SHA256);
    if template.is_none() {
        let hint = "restore the file that came with this version of the gateway";
        place.error(
            0..0,
            format!("the access model is fixed, and this is another one (SHA-256 {digest})"),
            hint,
        );
    }
    template
}

/// In the order in which they are read.
const RECORD_FILES: [&str; 5] = [
    "bundle.toml",
    "attributes.toml",
    "purposes.toml",
    "authorities.toml",
    "identities.toml",
];
