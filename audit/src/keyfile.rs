//! Private keys on disk: PEM, PKCS#8, readable by the owner alone. And the reading of PEM.

use std::fs::{File, OpenOptions, hard_link, remove_file};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::checkpoint::KeyError;

const LABEL: &str = "PRIVATE KEY";
/// A PKCS#8 document of the keys used here is under 300 bytes.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// Reads the PKCS#8 document of a PEM file, refusing one that others may read.
pub(crate) fn load(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed(mode));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    decode(&text)
}

/// Writes a PKCS#8 document to a new PEM file, durable on return: whole, or not at all.
pub(crate) fn create(path: &Path, der: &[u8]) -> Result<(), KeyError> {
    let part = path.with_added_extension("part");
    let written = write(&part, der).and_then(|()| hard_link(&part, path)); // which replaces nothing
    let removed = remove_file(&part);
    written?;
    removed?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

fn write(path: &Path, der: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(encode(der).as_bytes())?;
    file.sync_all()
}

/// The PKCS#8 document of a PEM text.
pub(crate) fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let first = documents(text, LABEL).into_iter().next().flatten();
    first.ok_or(KeyError::Malformed)
}

/// The documents of a PEM text under one label, in order; none in place of one that is not base64.
pub(crate) fn documents(text: &str, label: &str) -> Vec<Option<Zeroizing<Vec<u8>>>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let document = |rest: &str| {
        let (body, _) = rest.split_once(&end)?;
        let digits = Zeroizing::new(body.split_whitespace().collect::<String>());
        BASE64.decode(digits.as_bytes()).ok().map(Zeroizing::new)
    };
    text.split(&begin).skip(1).map(document).collect()
}

fn encode(der: &[u8]) -> Zeroizing<String> {
    let digits = Zeroizing::new(BASE64.encode(der));
    let mut text = Zeroizing::new(format!("-----BEGIN {LABEL}-----"));
    for (at, digit) in digits.chars().enumerate() {
        if at % 64 == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text.push('\n');
    text.push_str(&format!("-----END {LABEL}-----\n"));
    text
}
