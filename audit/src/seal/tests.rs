use super::*;
use crate::fixtures;

fn sealed() -> (Opener, Keyring, SealedBody) {
    let opener = Opener::generate().expect("a key");
    let (epoch, keyring) = Sealer::new(opener.recipient())
        .epoch(&fixtures::origin())
        .expect("an epoch");
    let body = epoch
        .seal(fixtures::request(1), Direction::Request, b"attack at dawn")
        .expect("sealed");
    (opener, keyring, body)
}

#[test]
fn the_recipient_opens_and_nobody_else() {
    let (opener, keyring, body) = sealed();
    let place = body.placed(Spot::default());
    let open = |opener: &Opener| {
        opener.open(
            &keyring.to_bytes(),
            fixtures::request(1),
            &place,
            &body.bytes,
        )
    };
    assert_eq!(
        open(&opener).expect("it opens").as_slice(),
        b"attack at dawn"
    );
    let stranger = Opener::generate().expect("a key");
    assert_eq!(open(&stranger), Err(Unopened::NotForUs));
    assert_eq!(body.bytes.len() as u64, 14 + SEALING_BYTES);
}

#[test]
fn nothing_of_the_text_is_in_what_is_stored() {
    let (_, keyring, body) = sealed();
    for stored in [&body.bytes, &keyring.to_bytes()] {
        assert!(
            !stored
                .windows(6)
                .any(|window| b"attack at dawn".windows(6).any(|text| text == window))
        );
    }
    let again = sealed().2;
    assert_ne!(
        (body.commit, body.ct),
        (again.commit, again.ct),
        "the same text twice shows nowhere"
    );
}

#[test]
fn bodies_cannot_change_places() {
    let (opener, keyring, body) = sealed();
    let place = body.placed(Spot::default());
    let open = |req, place: &BodyRef| {
        opener
            .open(&keyring.to_bytes(), req, place, &body.bytes)
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
    let other = BodyRef {
        epoch: Tag([0; 8]),
        ..place
    };
    assert_eq!(open(fixtures::request(1), &other), Err(Unopened::Keyring));
}

#[test]
fn no_altered_byte_opens() {
    let (opener, keyring, body) = sealed();
    let place = body.placed(Spot::default());
    for at in 0..body.bytes.len() {
        let mut altered = body.bytes.clone();
        altered[at] ^= 1;
        let opened = opener.open(&keyring.to_bytes(), fixtures::request(1), &place, &altered);
        assert_eq!(opened.map(|_| ()), Err(Unopened::Altered), "byte {at}");
    }
}

#[test]
fn recipients_come_as_points_documents_and_text() {
    let recipient = Opener::generate().expect("a key").recipient();
    assert_eq!(
        Recipient::parse(&recipient.to_text()).expect("text"),
        recipient
    );
    let document = [&SPKI_P256[..], &recipient.0].concat();
    assert_eq!(Recipient::new(&document).expect("a document"), recipient);
    let mut off_the_curve = recipient.0;
    off_the_curve[64] ^= 1;
    assert!(Recipient::new(&off_the_curve).is_err());
}

#[test]
fn an_opener_survives_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("officer.key");
    let made = Opener::create(&file).expect("a new key");
    assert_eq!(
        Opener::load(&file).expect("the same key").recipient(),
        made.recipient()
    );
}
