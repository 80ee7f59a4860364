//! A bearer token on its way in: taking it apart, finding its issuer and key, and judging its claims never panics, and
//! nothing that the fuzzer makes is believed, since it has no key.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use gateway::config::{IssuerConfig, KeysAt};
use gateway::identity::Issuers;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| {
    let file = std::env::temp_dir().join(format!("portcullis-fuzz-{}.secret", std::process::id()));
    std::fs::write(&file, "a secret that no fuzzer guesses: 6b1f").expect("a writable folder");
    let issuer = IssuerConfig {
        name: "i".to_owned(),
        iss: "i".to_owned(),
        audience: vec!["a".to_owned()],
        algorithms: vec![jsonwebtoken::Algorithm::HS256],
        keys: KeysAt::Secret(file),
        refresh: Duration::from_secs(300),
        leeway: Duration::from_secs(30),
        lifetime_max: Duration::from_secs(86_400),
        assurance: policy::Assurance::Aal2,
        front_end_only: false,
    };
    Issuers::load(&[issuer]).unwrap_or_else(|_| panic!("the issuer loads"))
});

fuzz_target!(|text: &str| {
    let mut checking = std::pin::pin!(ISSUERS.check(text, Timestamp::UNIX_EPOCH));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    // A shared secret is at hand: nothing is waited for.
    let std::task::Poll::Ready(checked) = checking.as_mut().poll(&mut context) else {
        panic!("it waits");
    };
    let checked = checked.map(|token| token.principal);
    assert!(checked.is_err(), "{checked:?}");
});
