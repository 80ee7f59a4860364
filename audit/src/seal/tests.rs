use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::document::Sealed;
use crate::fixtures::{self, HOLDERS, Holder};
use crate::keyfile;

/// When the throw-away certificates are valid: 2030.
const NOW: u64 = 1_900_000_000_000_000_000;

fn sealer() -> Sealer {
    Sealer::new(fixtures::recipients())
}

fn seal(epoch: &EpochKey, text: &str) -> SealedBody {
    let body = Body::new(Direction::Request, vec![fixtures::text("stop[0]", text)]);
    epoch.seal(fixtures::request(1), &body).expect("sealed")
}

fn sealed() -> (Vec<u8>, SealedBody) {
    let (epoch, keyring) = sealer().epoch(&fixtures::origin()).expect("an epoch");
    (keyring, seal(&epoch, "attack at dawn"))
}

/// The one text of the body.
fn open(holder: Holder, keyring: &[u8], body: &SealedBody) -> Result<String, Unopened> {
    let place = body.placed(Spot::default());
    let opener = fixtures::opener(holder);
    let origin = fixtures::origin();
    let document = opener.open(&origin, keyring, fixtures::request(1), &place, &body.bytes)?;
    let document = Sealed::read(&document).ok_or(Unopened::Document)?;
    Ok(document.text(0).unwrap_or_default().to_owned())
}

#[test]
fn every_recipient_opens() {
    let (keyring, body) = sealed();
    for holder in HOLDERS {
        assert_eq!(
            open(holder, &keyring, &body).as_deref(),
            Ok("attack at dawn"),
            "{holder:?}"
        );
    }
}

#[test]
fn who_is_not_on_the_list_does_not_open() {
    for alone in HOLDERS {
        let sealer = Sealer::new(fixtures::opener(alone).recipient());
        let (epoch, keyring) = sealer.epoch(&fixtures::origin()).expect("an epoch");
        let body = seal(&epoch, "text");
        for holder in HOLDERS {
            let opened = open(holder, &keyring, &body).map(|_| ());
            let expected = match holder == alone {
                true => Ok(()),
                false => Err(Unopened::NotForUs),
            };
            assert_eq!(opened, expected, "{holder:?} what is for {alone:?}");
        }
    }
}

#[test]
fn nothing_of_the_text_is_in_what_is_stored() {
    let (keyring, body) = sealed();
    for stored in [&body.bytes, &keyring] {
        assert!(
            !stored
                .windows(6)
                .any(|window| b"attack at dawn".windows(6).any(|text| text == window))
        );
    }
    let again = sealed().1;
    assert_ne!(
        (body.commit, body.ct),
        (again.commit, again.ct),
        "the same text twice shows nowhere"
    );
}

#[test]
fn bodies_cannot_change_places() {
    let (keyring, body) = sealed();
    let (place, opener) = (
        body.placed(Spot::default()),
        fixtures::opener(Holder::Recovery),
    );
    let open = |req, place: &BodyRef| {
        let origin = fixtures::origin();
        opener
            .open(&origin, &keyring, req, place, &body.bytes)
            .map(|_| ())
    };
    assert_eq!(open(fixtures::request(1), &place), Ok(()));
    assert_eq!(open(fixtures::request(2), &place), Err(Unopened::Altered));
    let other = BodyRef {
        dir: Direction::Response,
        ..place.clone()
    };
    assert_eq!(open(fixtures::request(1), &other), Err(Unopened::Altered));
    let other = BodyRef {
        commit: Digest([0; 32]),
        ..place.clone()
    };
    assert_eq!(
        open(fixtures::request(1), &other),
        Err(Unopened::Commitment)
    );
}

#[test]
fn a_keyring_file_of_another_epoch_or_log_is_seen() {
    let (keyring, body) = sealed();
    let (epoch, opener) = (body.epoch, fixtures::opener(Holder::P256));
    let elsewhere = Origin::new("gw2.agency.example/audit").expect("an origin");
    let open = |origin: &Origin, epoch| opener.epoch(origin, &keyring, epoch).map(|_| ());
    assert_eq!(open(&fixtures::origin(), epoch), Ok(()));
    assert_eq!(open(&elsewhere, epoch), Err(Unopened::Keyring));
    assert_eq!(
        open(&fixtures::origin(), Tag([0; 8])),
        Err(Unopened::Keyring)
    );
}

#[test]
fn no_altered_byte_of_a_body_opens() {
    let (keyring, body) = sealed();
    for at in 0..body.bytes.len() {
        let mut altered = body.clone();
        altered.bytes[at] ^= 1;
        let opened = open(Holder::P256, &keyring, &altered);
        assert_eq!(opened.map(|_| ()), Err(Unopened::Altered), "byte {at}");
    }
}

/// A message to one recipient has no byte that the recipient does not check.
#[test]
fn no_altered_byte_of_a_keyring_opens() {
    for holder in HOLDERS {
        let opener = fixtures::opener(holder);
        let sealer = Sealer::new(opener.recipient());
        let (epoch, keyring) = sealer.epoch(&fixtures::origin()).expect("an epoch");
        for at in 0..keyring.len() {
            let mut altered = keyring.clone();
            altered[at] ^= 1 << (at % 8);
            let opened = opener.epoch(&fixtures::origin(), &altered, epoch.tag());
            assert!(opened.is_err(), "{holder:?}: byte {at}");
        }
    }
}

#[test]
fn a_shortened_or_lengthened_keyring_is_none() {
    let (keyring, _) = sealed();
    for length in 0..keyring.len() {
        assert_eq!(Keyring::read(&keyring[..length]), None, "{length}");
    }
    assert_eq!(Keyring::read(&[&keyring[..], &[0]].concat()), None);
}

/// X.690 section 11.6; the recipients differ in kind and length.
#[test]
fn recipients_are_in_the_order_of_der() {
    let (keyring, _) = sealed();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keyring");
    std::fs::write(&file, &keyring).expect("written");
    let parsed = openssl(
        folder.path(),
        &["asn1parse", "-inform", "DER", "-in", "keyring"],
    );
    let parsed = String::from_utf8(parsed).expect("text");
    // The set's elements begin with 30 (KeyTrans) and a1 (KeyAgree).
    let elements: Vec<_> = parsed
        .lines()
        .filter(|line| line.contains("d=4 ") && line.contains("cons"))
        .take(3)
        .map(|line| {
            let at = line.split(':').next().expect("an offset").trim();
            let at: usize = at.parse().expect("an offset");
            keyring[at..].to_vec()
        })
        .collect();
    assert_eq!(elements.len(), 3, "{parsed}");
    assert!(elements.is_sorted(), "{parsed}");
}

fn openssl(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("openssl runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output.stdout
}

#[test]
fn openssl_opens_the_keyring_for_every_kind_of_recipient() {
    let (epoch, keyring) = sealer().epoch(&fixtures::origin()).expect("an epoch");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("keyring"), &keyring).expect("written");
    for holder in HOLDERS {
        let [key, certificate] = holder.files().map(|file| file.display().to_string());
        let open = ["cms", "-decrypt", "-inform", "DER", "-in", "keyring"];
        let as_whom = ["-recip", &certificate, "-inkey", &key];
        let line = openssl(folder.path(), &[&open[..], &as_whom].concat());
        let line: serde_json::Value = serde_json::from_slice(&line).expect("a line of JSON");
        let digits: String = epoch.key.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = serde_json::json!({
            "epoch": epoch.tag().to_string(),
            "origin": fixtures::origin().as_str(),
            "key": digits,
        });
        assert_eq!(line, expected, "{holder:?}");
    }
}

/// What OpenSSL seals in its own way is not in our one form; but our opener's arithmetic is the same.
#[test]
fn a_keyring_that_openssl_made_has_another_form() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("line"), "a line").expect("written");
    let [_, certificate] = Holder::P256.files().map(|file| file.display().to_string());
    let seal = ["cms", "-encrypt", "-aes-256-gcm", "-binary", "-in", "line"];
    let form = ["-outform", "DER", "-recip", &certificate];
    let made = openssl(folder.path(), &[&seal[..], &form].concat());
    assert_eq!(Keyring::read(&made), None);
}

fn refused(name: &str) -> String {
    let pem = match name {
        "p521" => include_str!("refused/p521.pem"),
        "ed25519" => include_str!("refused/ed25519.pem"),
        "x25519" => include_str!("refused/x25519.pem"),
        "rsa1024" => include_str!("refused/rsa1024.pem"),
        "signs-only-ec" => include_str!("refused/signs-only-ec.pem"),
        _ => include_str!("refused/signs-only-rsa.pem"),
    };
    let refused = Recipient::from_pem(pem, NOW).expect_err("not a recipient");
    refused.to_string()
}

#[test]
fn what_cannot_be_sealed_to_is_refused_with_the_reason() {
    for name in ["p521", "ed25519", "x25519"] {
        assert_eq!(
            refused(name),
            "the key is not one that can be sealed to: P-256, P-384 and RSA are",
            "{name}"
        );
    }
    assert_eq!(
        refused("rsa1024"),
        "the RSA key does not have 2048 to 8192 bits"
    );
    assert_eq!(
        refused("signs-only-ec"),
        "the certificate's key usage does not allow keyAgreement"
    );
    assert_eq!(
        refused("signs-only-rsa"),
        "the certificate's key usage does not allow keyEncipherment"
    );
}

#[test]
fn a_file_is_one_valid_certificate_and_nothing_else() {
    let [key, pem] = Holder::P256
        .files()
        .map(|file| std::fs::read_to_string(file).expect("a file"));
    let refused = |text: &str, now| match Recipient::from_pem(text, now) {
        Ok(recipient) => format!("{recipient:?}"),
        Err(refused) => refused.to_string(),
    };
    assert_eq!(refused("", NOW), "holds no certificate");
    assert_eq!(
        refused(&format!("{pem}{key}"), NOW),
        "holds a private key; that belongs with its officer, not here"
    );
    assert_eq!(
        refused(&format!("{pem}{pem}"), NOW),
        "holds 2 certificates; each recipient has a file of its own"
    );
    assert_eq!(
        refused(&pem.replace("MII", "MMI"), NOW),
        "the certificate cannot be understood"
    );
    let early = refused(&pem, 1_700_000_000_000_000_000);
    assert!(
        early.starts_with("the certificate is not valid before 2026-"),
        "{early}"
    );
    let late = refused(&pem, 5_000_000_000_000_000_000);
    assert!(
        late.starts_with("the certificate expired at 2126-"),
        "{late}"
    );
}

#[test]
fn nobody_is_sealed_to_twice() {
    let [recovery, officer] =
        [Holder::Recovery, Holder::P256].map(|holder| fixtures::opener(holder).recipient());
    let twice = Recipients::new(recovery.clone(), [officer.clone(), officer.clone()]);
    assert_eq!(
        twice.map(|_| ()),
        Err(BadRecipients::Twice(officer.digest()))
    );
    let both = Recipients::new(recovery.clone(), [recovery.clone()]);
    assert_eq!(
        both.map(|_| ()),
        Err(BadRecipients::Twice(recovery.digest()))
    );
    let alone = Recipients::new(recovery.clone(), []).expect("the recovery recipient alone");
    assert_eq!(alone.digests(), [recovery.digest()]);
}

#[test]
fn entries_name_a_certificate_as_openssl_does() {
    let [_, certificate] = Holder::Rsa.files().map(|file| file.display().to_string());
    let printed = openssl(
        Path::new("."),
        &[
            "x509",
            "-noout",
            "-fingerprint",
            "-sha256",
            "-in",
            &certificate,
        ],
    );
    let printed = String::from_utf8(printed).expect("text");
    let (_, digits) = printed.trim().split_once('=').expect("a fingerprint");
    let digest = fixtures::opener(Holder::Rsa).recipient().digest();
    assert_eq!(digits.replace(':', "").to_lowercase(), digest.to_string());
}

#[test]
fn an_opener_is_a_key_and_its_own_certificate() {
    let text = |holder: Holder| {
        holder
            .files()
            .map(|file| std::fs::read_to_string(file).expect("a file"))
    };
    let made = |key: Holder, certificate: Holder| {
        let opener = Opener::from_pem(&text(key)[0], &text(certificate)[1]);
        opener.map(|_| ()).map_err(|refused| refused.to_string())
    };
    for key in HOLDERS {
        for certificate in HOLDERS {
            let expected = match key == certificate {
                true => Ok(()),
                false => Err("the private key is not the one that the certificate is for".into()),
            };
            assert_eq!(
                made(key, certificate),
                expected,
                "{key:?} with {certificate:?}"
            );
        }
    }
}

#[test]
fn an_opener_survives_its_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let [key, certificate] = Holder::P256.files();
    let ours = folder.path().join("officer.key");
    let document = keyfile::decode(&std::fs::read_to_string(key).expect("a file"));
    keyfile::create(&ours, &document.expect("a key")).expect("written");
    let loaded = Opener::load(&ours, &certificate).expect("the same key");
    let expected = fixtures::opener(Holder::P256).recipient().digest();
    assert_eq!(loaded.recipient().digest(), expected);
    let exposed = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&ours, exposed).expect("set");
    assert!(Opener::load(&ours, &certificate).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sealed_opens_again(
        text in "\\PC{0,2000}",
        holder in 0..3_usize,
    ) {
        let (epoch, keyring) = sealer().epoch(&fixtures::origin()).expect("an epoch");
        let body = seal(&epoch, &text);
        prop_assert_eq!(open(HOLDERS[holder], &keyring, &body), Ok(text));
    }

    /// The part that belongs to other recipients may change unseen (the digest in the tree shows
    /// it); the key that comes out never does.
    #[test]
    fn an_altered_keyring_never_gives_another_key(
        at in any::<proptest::sample::Index>(),
        bit in 0..8_u32,
        holder in 0..3_usize,
    ) {
        let (epoch, mut keyring) = sealer().epoch(&fixtures::origin()).expect("an epoch");
        let at = at.index(keyring.len());
        keyring[at] ^= 1 << bit;
        let opener = fixtures::opener(HOLDERS[holder]);
        if let Ok(secret) = opener.epoch(&fixtures::origin(), &keyring, epoch.tag()) {
            prop_assert_eq!(*secret.key, **epoch.key);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_fall_over(
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..6_usize), 1..8),
    ) {
        let mut keyring = sealed().0;
        for (at, byte, more) in cuts {
            let at = at.index(keyring.len());
            keyring[at] = byte;
            keyring.splice(at..at, vec![byte; more]);
        }
        if let Some(read) = Keyring::read(&keyring) {
            prop_assert!((1..=RECIPIENTS_MAX).contains(&read.recipients()));
        }
    }
}
