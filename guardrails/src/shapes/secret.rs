//! Credentials: formats with a distinctive beginning, and assignments to a telling name.
//!
//! A value without a distinctive form is found only next to a name (`password = …`), with letters and digits in it and
//! an entropy that words do not have.

use std::ops::Range;

use super::{Case, entropy, keyword};
use crate::redact::is_mask;
use crate::shape::{Candidate, Edge, Judge, Shape};

/// Whitespace, also as written inside a JSON string.
const SPACE: &str = r"(?:[ \t\r\n]|\\[rnt])";
/// What stands between a name and its value, quotes included, also inside a JSON string.
const ASSIGN: &str =
    r#"\\?["'`\])]{0,2}(?:[ \t]{0,4}(?:=|:=|=>|:)|[ \t]{1,4}is)[ \t]{0,4}\\?["'`]?"#;

pub(super) fn shapes() -> Vec<Shape> {
    let mut shapes = clouds();
    shapes.extend(code_hosts());
    shapes.extend(services());
    shapes.extend(models());
    shapes.extend(generic());
    shapes
}

fn exact(label: &str, words: &[&str], rest: &str) -> Shape {
    keyword(label, words, Case::Exact, rest, Edge::Free, Judge::ANY)
}

fn clouds() -> Vec<Shape> {
    let words = [
        "secret_access",
        "secretaccess",
        "secret access",
        "secret-access",
    ];
    let assigned = format!("(?i-u:[_ -]?key){ASSIGN}[A-Za-z0-9/+]{{40}}");
    vec![
        exact(
            "aws_access_key",
            &["AKIA", "ASIA", "ABIA", "ACCA"],
            "[A-Z0-9]{16}",
        ),
        keyword(
            "aws_secret_key",
            &words,
            Case::Ignored,
            &assigned,
            Edge::Free,
            Judge::Code(last_40),
        ),
        exact("google_api_key", &["AIza"], "[A-Za-z0-9_-]{35}"),
        exact("azure_storage_key", &["AccountKey="], "[A-Za-z0-9+/]{86}=="),
        exact(
            "digitalocean_token",
            &["dop_v1_", "doo_v1_", "dor_v1_"],
            "[a-f0-9]{64}",
        ),
    ]
}

fn code_hosts() -> Vec<Shape> {
    let gitlab = [
        "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glft-", "glimt-", "glsoat-", "glagent-",
    ];
    vec![
        exact(
            "github_token",
            &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
            "[A-Za-z0-9]{36,255}",
        ),
        exact("github_token", &["github_pat_"], "[A-Za-z0-9_]{36,255}"),
        exact("gitlab_token", &gitlab, "[A-Za-z0-9_.-]{20,300}"),
        exact("npm_token", &["npm_"], "[A-Za-z0-9]{36}"),
        exact(
            "pypi_token",
            &["pypi-AgEIcHlwaS5vcmc"],
            "[A-Za-z0-9_-]{50,}",
        ),
    ]
}

fn services() -> Vec<Shape> {
    let slack = [
        "xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xoxc-", "xoxd-", "xapp-",
    ];
    let stripe = [
        "sk_live_", "sk_test_", "sk_prod_", "rk_live_", "rk_test_", "rk_prod_",
    ];
    let stores = [
        "postgres://",
        "postgresql://",
        "mysql://",
        "mongodb://",
        "mongodb+srv://",
        "redis://",
        "rediss://",
        "amqp://",
        "amqps://",
        "https://",
        "http://",
        "ftp://",
    ];
    vec![
        exact("slack_token", &slack, "[A-Za-z0-9-]{10,250}"),
        exact(
            "slack_webhook",
            &["hooks.slack.com/services/"],
            "[A-Za-z0-9+/]{30,80}",
        ),
        exact("stripe_key", &stripe, "[A-Za-z0-9]{10,99}"),
        exact(
            "sendgrid_key",
            &["SG."],
            r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
        ),
        keyword(
            "url_password",
            &stores,
            Case::Ignored,
            r"[!#-&(-.0-9;=?A-~]{1,64}:[!#-&(-.0-;=?A-~]{3,128}@",
            Edge::Free,
            Judge::Code(url_password),
        ),
    ]
}

fn models() -> Vec<Shape> {
    let word = |label, words: &[&str], rest, judge| {
        keyword(label, words, Case::Exact, rest, Edge::Word, judge)
    };
    vec![
        exact("anthropic_key", &["sk-ant-"], "[A-Za-z0-9_-]{20,250}"),
        exact(
            "openai_key",
            &["sk-proj-", "sk-svcacct-", "sk-admin-"],
            "[A-Za-z0-9_-]{20,250}",
        ),
        word(
            "openai_key",
            &["sk-"],
            "[A-Za-z0-9]{32,128}",
            Judge::Code(with_digit),
        ),
        exact("huggingface_token", &["hf_"], "[A-Za-z0-9]{34}"),
        word(
            "portcullis_key",
            &["pc_"],
            "[A-Za-z0-9_-]{32,100}",
            Judge::Code(with_digit),
        ),
    ]
}

fn generic() -> Vec<Shape> {
    let jwt = r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*";
    let names = [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "api_key",
        "apikey",
        "api-key",
        "api key",
        "access_key",
        "accesskey",
        "access-key",
        "auth_key",
        "authkey",
        "credential",
        "encryption_key",
    ];
    let assigned = format!("[A-Za-z0-9_.-]{{0,24}}{ASSIGN}[A-Za-z0-9_.~+/=!@#$%^&*-]{{8,150}}");
    vec![
        keyword(
            "private_key",
            &["-----BEGIN"],
            Case::Exact,
            &private_key(),
            Edge::Free,
            Judge::ANY,
        ),
        keyword("jwt", &["eyJ"], Case::Exact, jwt, Edge::Word, Judge::ANY),
        keyword(
            "bearer_token",
            &["bearer "],
            Case::Ignored,
            "[ ]{0,2}[A-Za-z0-9._~+/=-]{20,}",
            Edge::Word,
            Judge::Code(bearer),
        ),
        keyword(
            "assigned_secret",
            &names,
            Case::Ignored,
            &assigned,
            Edge::Free,
            Judge::Code(assigned_value),
        ),
    ]
}

/// A PEM or armoured private key: the header alone counts; with it go encryption headers, base64 lines, a last short
/// line and the footer, as far as they follow.
fn private_key() -> String {
    let (s, base64) = (SPACE, "[A-Za-z0-9+/=]");
    let header = r" (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----";
    let notes = format!(r"(?:{s}+[A-Za-z-]+: [ -\[\]-~]+)*");
    let body = format!("(?:{s}*{base64}{{20,}}(?:{s}+{base64}{{20,}})*)?(?:{s}+{base64}{{1,19}})?");
    let footer = format!("(?:{s}*-----END [A-Z0-9 ]+-----)?");
    format!("{header}{notes}{body}{footer}")
}

fn last_40(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let end = candidate.text.len();
    Some(end.checked_sub(40)?..end)
}

fn with_digit(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let found = candidate.text.bytes().any(|byte| byte.is_ascii_digit());
    found.then_some(0..candidate.text.len())
}

fn bearer(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let start = candidate.text.rfind(' ')? + 1;
    let value = candidate.text.get(start..)?;
    is_random(value).then_some(start..candidate.text.len())
}

/// The password of `scheme://user:password@`, unless it is a mask already.
fn url_password(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let authority = candidate.text.find("://")? + 3;
    let start = authority + candidate.text.get(authority..)?.find(':')? + 1;
    let end = candidate.text.len().checked_sub(1)?;
    let password = candidate.text.get(start..end)?;
    (!is_mask(password)).then_some(start..end)
}

/// The value of an assignment, if it looks like a secret rather than like a word.
fn assigned_value(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let text = candidate.text;
    let sign = text.find([':', '=']);
    let is = text.find(" is").or_else(|| text.find("\tis"));
    let after = match (sign, is) {
        (Some(sign), Some(is)) if is < sign => is + 3,
        (Some(sign), _) => sign,
        (None, is) => is? + 3,
    };
    let quotes = [':', '=', '>', ' ', '\t', '\\', '"', '\'', '`'];
    let value = text.get(after..)?.trim_start_matches(quotes);
    let start = text.len() - value.len();
    let value = value.trim_end_matches(['.', '!', '*', '_', '-']);
    is_random(value).then(|| start..start + value.len())
}

/// At least 8 characters, letters and digits both, and more variety than words have.
fn is_random(value: &str) -> bool {
    let digit = value.bytes().any(|byte| byte.is_ascii_digit());
    let letter = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    value.len() >= 8 && digit && letter && entropy(value) >= ENTROPY_MIN
}

/// In bits per character: eight different characters have 3, `Summer2024` has 2.9.
const ENTROPY_MIN: f64 = 2.75;
