//! The files of a bundle: which names exist, what they hold, and their digest.
//!
//! The digest is SHA-256 over, for each file in the order of its path: the path's length (8 bytes,
//! big endian), the path with `/`, the content's length (8 bytes, big endian), the content; all
//! preceded by `portcullis policy bundle v1\n`.

use std::{
    collections::BTreeMap,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;

use super::{FILE_BYTES_MAX, FILES_MAX, fields::Place};
use crate::{
    hint::{Hint, did_you_mean},
    problem::{Problem, Problems, Source},
    records::Manifest,
    rule::RuleRef,
};

/// The readable files of a bundle by path.
pub(super) struct Files {
    sources: BTreeMap<String, Source>,
}

/// Reads every file below a folder, dot names excepted, into memory.
///
/// Symbolic links are followed, since mounted configuration is often made of them.
pub(crate) fn read(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Vec<Problem>> {
    let problems = Problems::default();
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        if let Err(error) = read_folder(dir, &folder, &mut folders, &mut files) {
            problems.file(folder, format!("cannot be read: {error}"), None);
        }
        if files.len() > FILES_MAX {
            problems.file(
                PathBuf::new(),
                format!("a bundle has at most {FILES_MAX} files"),
                None,
            );
            break;
        }
    }
    match problems.any_error() {
        true => Err(problems.into_sorted()),
        false => Ok(files),
    }
}

/// Reads the files of one folder and notes the folders in it, down to the depth that a bundle has.
fn read_folder(
    dir: &Path,
    folder: &Path,
    folders: &mut Vec<PathBuf>,
    files: &mut Vec<(PathBuf, Vec<u8>)>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(dir.join(folder))? {
        let name = entry?.file_name();
        if name.as_encoded_bytes().starts_with(b".") || files.len() > FILES_MAX {
            continue;
        }
        let path = folder.join(name);
        let meta = fs::metadata(dir.join(&path))?;
        if meta.is_dir() && path.components().count() <= FOLDERS_DEEP_MAX {
            folders.push(path);
        } else if meta.is_file() && meta.len() <= FILE_BYTES_MAX as u64 {
            let bytes = fs::read(dir.join(&path))?;
            files.push((path, bytes));
        } else {
            return Err(std::io::Error::other(format!(
                "`{}` is too deep, too large or no file",
                path.display()
            )));
        }
    }
    Ok(())
}

impl Files {
    /// Keeps what a bundle may hold and reports the rest, and what is missing.
    pub(super) fn sort(files: Vec<(PathBuf, Vec<u8>)>, problems: &Problems) -> Self {
        let mut sources = BTreeMap::new();
        if files.len() > FILES_MAX {
            problems.file(
                PathBuf::new(),
                format!("a bundle has at most {FILES_MAX} files"),
                None,
            );
        }
        for (path, bytes) in files.into_iter().take(FILES_MAX) {
            let Some(name) = name(&path) else {
                let near = did_you_mean(&file_name(&path), KNOWN_FILES);
                let hint = Hint::from(near).or("remove it");
                problems.file(
                    path,
                    "a bundle has no such file, so nobody would read it",
                    hint,
                );
                continue;
            };
            if let Some(source) = readable(path, bytes, problems) {
                sources.insert(name, source);
            }
        }
        let reported = problems.file_names();
        for required in REQUIRED {
            if !sources.contains_key(required) && !reported.contains(Path::new(required)) {
                problems.file(required.into(), "the bundle lacks this file", None);
            }
        }
        Self { sources }
    }

    /// A file by its path with `/`.
    pub(super) fn source(&self, name: &str) -> Option<&Source> {
        self.sources.get(name)
    }

    /// The files of attribute sources.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        let is_one = |name: &&String| name.starts_with("sources/");
        let all = self.sources.iter().filter(move |(name, _)| is_one(name));
        all.map(|(_, source)| source)
    }

    /// All files of one name: the baseline's first, then the tenants' by folder, with that folder.
    pub(super) fn named<'a>(&'a self, file: &str) -> Vec<(Option<&'a str>, &'a Source)> {
        let suffix = format!("/{file}");
        let of_tenant = |(name, source): (&'a String, &'a Source)| {
            Some((
                Some(name.strip_prefix("tenants/")?.strip_suffix(&suffix)?),
                source,
            ))
        };
        let baseline = self
            .source(&format!("baseline/{file}"))
            .map(|source| (None, source));
        baseline
            .into_iter()
            .chain(self.sources.iter().filter_map(of_tenant))
            .collect()
    }

    /// Every declared tenant has its folder with both files, and every folder is declared.
    pub(super) fn check_tenants(&self, manifest: &Manifest, problems: &Problems) {
        let reported = problems.file_names();
        for folder in manifest.tenants.keys() {
            for file in ["rules.csv", "roles.csv"] {
                let name = format!("tenants/{folder}/{file}");
                if !self.sources.contains_key(&name) && !reported.contains(Path::new(&name)) {
                    problems.file(
                        name.into(),
                        "the bundle lacks this file of a declared tenant",
                        None,
                    );
                }
            }
        }
        for name in self.sources.keys() {
            let folder = name
                .strip_prefix("tenants/")
                .and_then(|rest| rest.split_once('/'));
            if let Some((folder, _)) =
                folder.filter(|(folder, _)| !manifest.tenants.contains_key(*folder))
            {
                let near = did_you_mean(folder, manifest.tenants.keys().map(String::as_str));
                let hint = Hint::from(near).or(format!("add `[tenant.{folder}]` to bundle.toml"));
                problems.file(
                    name.into(),
                    format!("tenant `{folder}` is not declared"),
                    hint,
                );
            }
        }
    }

    /// The file and the line of a rule.
    pub(super) fn site(&self, rule: &RuleRef) -> Option<(&Source, Range<usize>)> {
        let source = self.source(&name(rule.file())?)?;
        Some((source, source.line_span(rule.line())))
    }

    /// One column of a rule.
    pub(super) fn cell(&self, rule: &RuleRef, column: usize) -> Option<(&Source, Range<usize>)> {
        let (source, line) = self.site(rule)?;
        let text = source.text.get(line.clone())?;
        let before: usize = text
            .split(',')
            .take(column)
            .map(|cell| cell.len() + 1)
            .sum();
        let cell = text.split(',').nth(column)?;
        let start = line.start + before + (cell.len() - cell.trim_start().len());
        Some((source, start..start + cell.trim().len()))
    }

    /// Path and text of every guardrail file.
    pub(super) fn guardrails(&self) -> Vec<(PathBuf, String)> {
        let files = self.named("guardrails.toml").into_iter();
        files
            .map(|(_, source)| (source.path.clone(), source.text.clone()))
            .collect()
    }

    /// The bundle's digest; see the module.
    pub(super) fn digest(&self) -> String {
        let mut parts: Vec<Vec<u8>> = vec![b"portcullis policy bundle v1\n".to_vec()];
        for (name, source) in &self.sources {
            for part in [name.as_bytes(), source.text.as_bytes()] {
                parts.push((part.len() as u64).to_be_bytes().to_vec());
                parts.push(part.to_vec());
            }
        }
        sha256(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

/// SHA-256 of the parts in a row, as lower-case hexadecimal.
pub(super) fn sha256(parts: &[&[u8]]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context
        .finish()
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The file's path with `/`, if a bundle has such a file.
fn name(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path
        .components()
        .map(|part| part.as_os_str().to_str())
        .collect::<Option<_>>()?;
    let fits = match parts.as_slice() {
        ["README.md"] => true,
        [file] => ROOT_FILES.contains(file),
        ["sources", file] => file.ends_with(".csv"),
        ["baseline", file] => BASELINE_FILES.contains(file),
        ["tenants", _, file] => TENANT_FILES.contains(file),
        _ => false,
    };
    fits.then(|| parts.join("/"))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The file as text, if it is text of a bearable size.
fn readable(path: PathBuf, bytes: Vec<u8>, problems: &Problems) -> Option<Source> {
    if bytes.len() > FILE_BYTES_MAX {
        problems.file(
            path,
            format!("the file is larger than {FILE_BYTES_MAX} bytes"),
            None,
        );
        return None;
    }
    let source = match String::from_utf8(bytes) {
        Ok(text) => Source::new(path, text),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let source = Source::new(path, String::from_utf8_lossy(error.as_bytes()).into_owned());
            let place = Place {
                source: &source,
                problems,
            };
            place.error(at..at + 1, "the file is not UTF-8", "save it as UTF-8");
            return None;
        }
    };
    if source.text.starts_with('\u{feff}') {
        let place = Place {
            source: &source,
            problems,
        };
        place.error(
            0..3,
            "the file begins with a byte order mark",
            Hint::remove(0..3).saying("save it without one"),
        );
        return None;
    }
    Some(source)
}

const REQUIRED: [&str; 7] = [
    "attributes.toml",
    "authorities.toml",
    "baseline/rules.csv",
    "bundle.toml",
    "identities.toml",
    "model.conf",
    "purposes.toml",
];

const ROOT_FILES: [&str; 6] = [
    "attributes.toml",
    "authorities.toml",
    "bundle.toml",
    "identities.toml",
    "model.conf",
    "purposes.toml",
];

const BASELINE_FILES: [&str; 4] = ["README.md", "guardrails.toml", "rules.csv", "tests.toml"];

const TENANT_FILES: [&str; 5] = [
    "README.md",
    "guardrails.toml",
    "roles.csv",
    "rules.csv",
    "tests.toml",
];

const KNOWN_FILES: [&str; 10] = [
    "attributes.toml",
    "authorities.toml",
    "bundle.toml",
    "guardrails.toml",
    "identities.toml",
    "model.conf",
    "purposes.toml",
    "roles.csv",
    "rules.csv",
    "tests.toml",
];

/// Folders below the bundle's: `tenants/<name>`.
const FOLDERS_DEEP_MAX: usize = 2;
