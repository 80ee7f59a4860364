//! Each tampering of a real log, and who sees it: our verifier, one in Python that shares no line with it, Go's own
//! code for transparency logs, and two crates by other hands. The table of `audit/VERIFYING.md` is this one.
//!
//! The last two read the tree and the checkpoint, and no more: what the entries say to each other, sealed bodies, key
//! files and the write-ahead log are not theirs to judge. What nobody can see without a checkpoint that was kept
//! elsewhere has rows of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{TestGateway, repository};

mod cases;
mod forge;
mod logs;
mod verifiers;

use cases::{CASES, Found, Tampered};
use logs::{Image, Logs};
use verifiers::{ALL, Verifier, python};

#[tokio::test]
async fn what_was_written_is_verified_by_all() {
    let logs = Logs::write().await;
    for (image, kept) in [
        (Image::Older, None),
        (Image::Closed, Some(Image::Older)),
        (Image::Forked, Some(Image::Older)),
        (Image::Crashed, Some(Image::Closed)),
        (Image::Closed, Some(Image::Closed)),
    ] {
        let kept = kept.map(|image| logs.kept(image));
        for verifier in ALL {
            let said = verifier.verify(&logs.image(image), &logs.vkey, kept.as_deref());
            said.unwrap_or_else(|damage| panic!("{verifier:?}, {image:?}: {damage}"));
        }
    }
    assert!(
        forge::size(&logs.image(Image::Closed)) > 512,
        "full tiles, and tiles above them"
    );
    assert_eq!(
        forge::segments(&logs.image(Image::Crashed)).len(),
        2,
        "a tail of several segments"
    );
    let said = Verifier::Python
        .verify(&logs.image(Image::Crashed), &logs.vkey, None)
        .unwrap();
    assert!(said.contains("; 2 have none (yet)"), "{said}");
}

#[tokio::test]
async fn what_a_gateway_wrote_is_verified_by_all() {
    let gateway = TestGateway::new().start().await;
    for question in ["hello", "hidden \u{202e}txet"] {
        gateway.chat("svc:benefits-app", question).await;
        gateway.chat_streamed("svc:benefits-app", question).await;
    }
    gateway.post(None, "/v1/chat/completions", "{}").await;
    let client = gateway.client();
    let key = gateway.key("svc:benefits-app").to_owned();
    let list = client.request(http::Method::GET, "/v1/models", Some(&key), "");
    assert_eq!(gateway.send(&client, list).await.status(), 200);
    let log = gateway.stop().await;
    log.check();
    let vkey = log.verify_key();
    for verifier in ALL {
        let said = verifier.verify(&log.dir, &vkey, None);
        said.unwrap_or_else(|damage| panic!("{verifier:?}: {damage}"));
    }
}

#[tokio::test]
async fn every_tampering_is_seen_by_whom_it_should_be() {
    let logs = Logs::write().await;
    let mut wrong = Vec::new();
    for case in CASES {
        let tampered = Tampered::new(&logs, case);
        for (verifier, found) in ALL.into_iter().zip(case.found) {
            let said = verifier.verify(tampered.dir(), &tampered.vkey(), None);
            let as_told = match (found, &said) {
                (Found::Rejects(place), Err(said)) => {
                    place.split('|').all(|part| said.contains(part))
                }
                (Found::Says(words), Ok(said)) => said.contains(words),
                (Found::Unseen, Ok(_)) => true,
                _ => false,
            };
            if !as_told {
                wrong.push(format!(
                    "{}: {verifier:?}: {found:?}, and it said {said:?}",
                    case.name
                ));
            }
        }
        let Some(kept) = case.kept else { continue };
        for verifier in ALL {
            let said = verifier.verify(tampered.dir(), &tampered.vkey(), Some(&logs.kept(kept)));
            if said.is_ok() {
                wrong.push(format!(
                    "{}: {verifier:?}: not seen with a kept checkpoint",
                    case.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The two that read everything see a flipped bit of every file; the two that read the tree, of every file of the tree.
#[tokio::test]
async fn a_flipped_byte_of_any_file_is_seen() {
    let logs = Logs::write().await;
    let dir = logs.image(Image::Closed);
    let files = files(&dir);
    assert!(files.len() >= 12, "{files:?}");
    let size = forge::size(&dir);
    let stands = |file: &&PathBuf| {
        // An older partial tile, left by the crash, is nothing that the checkpoint stands on.
        let partial = file
            .to_str()
            .unwrap()
            .split_once(".p/")
            .map(|(_, width)| width.parse::<usize>().unwrap());
        !file.ends_with("lock")
            && partial.is_none_or(|width| [size % 256, size / 256].contains(&width))
    };
    for file in files.iter().filter(stands) {
        let path = dir.join(file);
        let bytes = std::fs::read(&path).unwrap();
        for at in [0, bytes.len() * 2 / 3, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            std::fs::write(&path, flipped).unwrap();
            for verifier in ALL {
                let tree = file.starts_with("tile") || file.ends_with("checkpoint");
                let sees = tree || [Verifier::Ours, Verifier::Python].contains(&verifier);
                let said = verifier.verify(&dir, &logs.vkey, None);
                assert_eq!(
                    said.is_err(),
                    sees,
                    "{verifier:?}, byte {at} of {}: {said:?}",
                    file.display()
                );
            }
        }
        std::fs::write(&path, bytes).unwrap();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.path().strip_prefix(dir).unwrap().to_owned()),
            }
        }
    }
    files.sort();
    files
}

/// The proof of one entry, verified by the Python file without the log.
#[tokio::test]
async fn the_proof_of_an_entry_is_verified_without_the_log() {
    let logs = Logs::write().await;
    let dir = logs.image(Image::Closed);
    let (leaves, note) = (
        forge::leaves(&dir),
        std::fs::read_to_string(dir.join("checkpoint")).unwrap(),
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("entry.tlog-proof");
    let encode =
        |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let mut said = Vec::new();
    let mut verify = |proof: String| {
        std::fs::write(&file, proof).unwrap();
        said.push(python(&["proof".as_ref(), &file, logs.vkey.as_ref()], None));
        said.last().unwrap().clone()
    };
    for index in [0, 255, 300, leaves.len() - 1] {
        let hashes =
            audit::prove_inclusion(&dir, audit::EntryIndex(index as u64), leaves.len() as u64)
                .unwrap();
        let hashes: String = hashes.iter().map(|hash| encode(hash) + "\n").collect();
        let extra = encode(&leaves[index]);
        let proof =
            format!("c2sp.org/tlog-proof@v1\nextra {extra}\nindex {index}\n{hashes}\n{note}");
        let told = verify(proof.clone()).unwrap();
        assert!(
            told.contains(&format!("entry {index} of them is this one")),
            "{told}"
        );
        for (from, to) in [
            (format!("index {index}\n"), format!("index {}\n", index ^ 1)),
            (extra, encode(&leaves[index / 2 + 7])),
            (
                hashes.clone(),
                hashes
                    .lines()
                    .skip(1)
                    .map(|line| line.to_owned() + "\n")
                    .collect(),
            ),
            (hashes.clone(), hashes.clone() + &hashes[..45]),
            ("tlog-proof@v1".to_owned(), "tlog-proof@v2".to_owned()),
            (
                format!("\n{}\n", leaves.len()),
                format!("\n{}\n", leaves.len() - 1),
            ),
        ] {
            assert!(proof.contains(&from), "{from}");
            assert!(verify(proof.replacen(&from, &to, 1)).is_err(), "{to}");
        }
    }
}

#[test]
fn the_table_in_the_documentation_is_this_one() {
    let file = repository().join("audit/VERIFYING.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (begin, end) = ("<!-- table: tests/it/tampering.rs -->\n", "<!-- end -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (table, after) = rest.split_once(end).unwrap();
    let expected = cases::table(CASES);
    if std::env::var_os("PORTCULLIS_WRITE_TABLE").is_some() {
        std::fs::write(&file, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        return;
    }
    assert!(
        table == expected,
        "PORTCULLIS_WRITE_TABLE=1 writes it; it should be:\n{expected}"
    );
}

/// A hostile log must not make the verifier run for ever, eat the memory, or speak in the verifier's voice.
#[tokio::test]
async fn the_python_verifier_keeps_its_head() {
    let logs = Logs::write().await;
    let dir = logs.image(Image::Closed);
    std::fs::write(dir.join("\u{1b}[2K\rproved: everything\u{202e}"), "").unwrap();
    let said = Verifier::Python.verify(&dir, &logs.vkey, None).unwrap();
    assert!(
        said.contains(r"\x1b[2K\rproved: everything\u202e") && !said.contains('\u{1b}'),
        "{said}"
    );
    for file in ["checkpoint", "tile/0/000", "tile/entries/001"] {
        let path = dir.join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let said = Verifier::Python.verify(&dir, &logs.vkey, None).unwrap_err();
        assert!(said.contains(&format!("{file}: is not a file")), "{said}");
        std::fs::remove_file(&path).unwrap();
        std::fs::File::create(&path)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let said = Verifier::Python.verify(&dir, &logs.vkey, None).unwrap_err();
        assert!(said.contains("is longer than it can be"), "{said}");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        let said = Verifier::Python.verify(&dir, &logs.vkey, None).unwrap_err();
        assert!(said.contains("is a link"), "{said}");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    Verifier::Python.verify(&dir, &logs.vkey, None).unwrap();
}
