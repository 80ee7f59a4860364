use proptest::prelude::*;

use super::*;

#[test]
fn no_two_subjects_share_a_principal() {
    let named = |subject: &str| principal("agency", subject).unwrap();
    assert_eq!(named("alice"), "oidc:agency:alice");
    assert_eq!(named("a|b"), "oidc:agency:a+7Cb");
    assert_eq!(named("a+7Cb"), "oidc:agency:a+2B7Cb");
    assert_eq!(named("ä"), "oidc:agency:+C3+A4");
    assert_eq!(principal("agency", ""), Err(TokenFault::Subject));
    assert_eq!(
        principal("agency", &"a".repeat(117)),
        Err(TokenFault::Subject)
    );
    assert!(principal("agency", &"a".repeat(116)).is_ok());
}

proptest! {
    #[test]
    fn principals_are_plain_and_distinct(a in ".{1,20}", b in ".{1,20}") {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
        if let (Ok(one), Ok(other)) = (principal("i", &a), principal("i", &b)) {
            prop_assert!(one.chars().all(plain));
            prop_assert_eq!(one == other, a == b);
        }
    }

    #[test]
    fn any_text_is_taken_apart_without_a_panic(text in ".{0,200}") {
        drop(Parts::split(&text));
    }

    #[test]
    fn any_header_and_claims_are_read_without_a_panic(header in "\\PC{0,80}", claims in "\\PC{0,120}") {
        let token = format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        if let Ok(parts) = Parts::split(&token) {
            let _ = parts.algorithm(&[Algorithm::RS256]);
            let _ = parts.kid();
            let _ = parts.claims.moment("exp");
            let _ = parts.claims.audience().count();
        }
    }
}

#[test]
fn moments_are_numbers_within_reason() {
    let claims = |text: &str| Claims::decode(&URL_SAFE_NO_PAD.encode(text)).unwrap();
    let exp = |value: &str| claims(&format!("{{\"exp\":{value}}}")).moment("exp");
    assert_eq!(exp("1795446000"), Ok(Some(1_795_446_000)));
    assert_eq!(exp("1795446000.9"), Ok(Some(1_795_446_000)));
    assert_eq!(exp("-1"), Ok(Some(-1)));
    for odd in [
        "\"1795446000\"",
        "null",
        "true",
        "[1]",
        "1e300",
        "18446744073709551615",
    ] {
        assert_eq!(exp(odd), Err(TokenFault::Malformed), "{odd}");
    }
    assert_eq!(claims("{}").moment("exp"), Ok(None));
}
