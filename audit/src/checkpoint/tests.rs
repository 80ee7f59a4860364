use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::fixtures;

#[test]
fn keys_of_other_logs_parse_and_print_the_same() {
    for text in [
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert_eq!(VerifyKey::parse(text).expect("a key").to_string(), text);
    }
    assert!(
        VerifyKey::parse("sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
            .is_err()
    );
}

/// The signature is OpenSSL's, over the same text with the same key.
#[test]
fn a_note_reads_as_specified() {
    let signer = Signer::from_pkcs8(fixtures::origin(), &PKCS8).expect("a key");
    let note = signer.note(70_000, [7; 32]);
    assert_eq!(
        note,
        "gw1.agency.example/audit\n70000\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n\n\
         — gw1.agency.example/audit +47b3d/HQKLLwMCp1+EfP1BF1i53ycuiCsr8OCecwF2byV1/v91A5JCOeMIDHpkSzZZ/rIgXYdsrmbGmWrEysnp6mAw=\n"
    );
    let checkpoint = Checkpoint::open(&note, &signer.verify_key()).expect("it holds");
    assert_eq!(
        (checkpoint.size, checkpoint.root),
        (70_000, Digest([7; 32]))
    );
}

/// RFC 8032 section 7.1, test 1, as PKCS#8.
const PKCS8: [u8; 48] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];

#[test]
fn notes_of_others_are_told_apart() {
    let ours = Signer::generate(fixtures::origin()).expect("a key");
    let namesake = Signer::generate(fixtures::origin()).expect("a key");
    let stranger =
        Signer::generate(Origin::new("other.example/log").expect("an origin")).expect("a key");
    let note = ours.note(1, [1; 32]);
    let open =
        |note: &str| Checkpoint::open(note, &ours.verify_key()).map(|checkpoint| checkpoint.size);
    assert_eq!(open(&note), Ok(1));
    assert_eq!(
        open(&namesake.note(1, [1; 32])),
        Err(BadCheckpoint::Unsigned)
    );
    assert_eq!(
        open(&stranger.note(1, [1; 32])),
        Err(BadCheckpoint::OtherLog(stranger.origin().clone()))
    );
    assert_eq!(
        open(&note.replace("\n1\n", "\n2\n")),
        Err(BadCheckpoint::BadSignature)
    );
    assert_eq!(
        open(&note.replace("\n1\n", "\n01\n")),
        Err(BadCheckpoint::Malformed)
    );
    let cosigned = note.clone() + "— witness.example AAAAAAAA\n";
    assert_eq!(
        open(&cosigned),
        Ok(1),
        "lines of other keys are passed over"
    );
}

proptest! {
    #[test]
    fn no_note_makes_the_parser_fall_over(note in ".{0,300}") {
        let _ = Checkpoint::read(&note);
    }

    #[test]
    fn no_flipped_bit_is_signed(at in 0usize..240, bit in 0u8..8) {
        let signer = Signer::from_pkcs8(fixtures::origin(), &PKCS8).expect("a key");
        let mut note = signer.note(70_000, [7; 32]).into_bytes();
        if let Some(byte) = note.get_mut(at) {
            *byte ^= 1 << bit;
            let opened = String::from_utf8(note).ok().and_then(|note| Checkpoint::open(&note, &signer.verify_key()).ok());
            prop_assert_eq!(opened, None);
        }
    }
}

#[test]
fn key_files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log.key");
    let signer = Signer::create(fixtures::origin(), &file).expect("a new key");
    let loaded = Signer::load(fixtures::origin(), &file).expect("the same key");
    assert_eq!(signer.verify_key(), loaded.verify_key());
    assert!(
        matches!(
            Signer::create(fixtures::origin(), &file),
            Err(KeyError::Io(_))
        ),
        "never overwritten"
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    assert!(matches!(
        Signer::load(fixtures::origin(), &file),
        Err(KeyError::Exposed(0o640))
    ));
    assert!(!format!("{signer:?}").contains("PRIVATE"));
}
