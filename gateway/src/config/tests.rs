use super::*;

const GOOD: &str = r#"
version = 1
mode = "development"
contact = "help desk, extension 4357"

[listener]
bind = ["127.0.0.1:8443", "[::1]:8443"]
zone = "opennet"
certificate = "certs/server.pem"
key = "certs/server.key"

[identity]
keys = "keys.toml"
hash_secret = "keys.secret"

[policy]
dir = "policies"

[audit]
dir = "log"
origin = "gw1.agency.example/audit"
signing_key = "log.key"
officers = ["officer.pem"]
recovery = "recovery.pem"

[[backend]]
name = "demo"
kind = "demo"

[[model]]
name = "llama-3.3-70b"
backend = "demo"
"#;

#[test]
fn production_says_how_long_records_are_kept() {
    let production = GOOD
        .replace("mode = \"development\"", "mode = \"production\"")
        .replace(
            "kind = \"demo\"",
            "kind = \"openai\"\nbase_url = \"https://llama.agency.example/v1\"",
        );
    let problems = parse(&production, &[]).expect_err("no records");
    assert!(
        problems
            .iter()
            .any(|p| p.message.contains("`[records]` is missing")),
        "{problems:#?}"
    );
    let records = |schedule: &str| {
        format!("{production}\n[records]\nschedule = \"{schedule}\"\nowner = \"Records Office\"\n")
    };
    let schedule = |text: &str| {
        parse(text, &[])
            .expect("a configuration")
            .records
            .expect("records")
            .schedule
    };
    assert_eq!(schedule(&records("unscheduled")), None);
    assert_eq!(
        schedule(&records("GRS 5.2 item 020")).as_deref(),
        Some("GRS 5.2 item 020")
    );
}

#[test]
fn a_route_can_have_an_audit_level_of_its_own() {
    use audit::Op::{ChatCompletions, Models, Unknown};
    let levels = |more: &str, environment: &[(&str, &str)]| {
        let text = GOOD.replace("[audit]\n", &format!("[audit]\n{more}\n"));
        let config = parse(&text, environment).expect("a configuration");
        [ChatCompletions, Models, Unknown].map(|op| config.audit.level(op))
    };
    assert_eq!(levels("", &[]), [AuditLevel::RequestResponse; 3]);
    assert_eq!(
        levels("level = \"metadata\"", &[]),
        [AuditLevel::Metadata; 3]
    );
    assert_eq!(
        levels(
            "level = \"request\"\nlevels = { chat_completions = \"full\" }",
            &[]
        ),
        [AuditLevel::Full, AuditLevel::Request, AuditLevel::Request]
    );
    assert_eq!(
        levels("", &[("PORTCULLIS_AUDIT__LEVEL", "full")]),
        [AuditLevel::Full; 3]
    );
    problem_of(
        "[audit]\n",
        "[audit]\nlevel = \"ful\"\n",
        20,
        9,
        "did you mean `full`?",
    );
    problem_of(
        "[audit]\n",
        "[audit]\nlevels.chat = \"full\"\n",
        20,
        8,
        "chat_completions",
    );
}

fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, Vec<Problem>> {
    let environment = environment
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    Config::parse(
        Path::new("/etc/portcullis/portcullis.toml"),
        text.to_owned(),
        environment,
    )
}

#[track_caller]
fn problem_of(from: &str, to: &str, line: u32, column: u32, said: &str) {
    assert!(
        GOOD.contains(from),
        "the test replaces something that is there"
    );
    let problems = parse(&GOOD.replacen(from, to, 1), &[]).expect_err("a problem");
    let found = problems.iter().any(|p| {
        let text = format!("{} {}", p.message, p.hint.clone().unwrap_or_default());
        (p.line, p.column) == (line, column) && text.contains(said)
    });
    assert!(found, "{problems:#?}");
}

#[test]
fn a_good_file_is_read_with_paths_relative_to_it() {
    let config = parse(GOOD, &[]).expect("good");
    assert_eq!(config.policy_dir, Path::new("/etc/portcullis/policies"));
    assert_eq!(config.listener.bind.len(), 2);
    assert_eq!(config.limits.body_bytes_max, 4 << 20);
    assert_eq!(config.models[0].upstream_name, "llama-3.3-70b");
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = parse(
        GOOD,
        &[
            ("PORTCULLIS_LISTENER__ZONE", "dmz"),
            ("PORTCULLIS_LIMITS__CHOICES_MAX", "2"),
        ],
    )
    .expect("good");
    assert_eq!(
        (config.listener.zone.as_str(), config.limits.choices_max),
        ("dmz", 2)
    );
}

#[test]
fn each_mistake_is_named_where_it_stands() {
    problem_of("zone = ", "zonee = ", 8, 1, "did you mean `zone`?");
    problem_of(
        "mode = \"development\"",
        "mode = \"produktion\"",
        3,
        8,
        "did you mean `production`?",
    );
    problem_of(
        "\"[::1]:8443\"",
        "\"localhost\"",
        7,
        27,
        "is not an address",
    );
    problem_of(
        "backend = \"demo\"",
        "backend = \"dmeo\"",
        32,
        11,
        "did you mean `demo`?",
    );
    problem_of(
        "kind = \"demo\"",
        "kind = \"openai\"",
        26,
        1,
        "`backend.base_url` is missing",
    );
    problem_of(
        "mode = \"development\"",
        "mode = \"production\"",
        26,
        1,
        "production refuses it",
    );
    problem_of(
        "zone = \"opennet\"",
        "zone = \"open net\"",
        8,
        8,
        "cannot name a zone",
    );
    problem_of(
        "keys = \"keys.toml\"",
        "keys = 7",
        13,
        8,
        "is integer where a string is wanted",
    );
    problem_of("dir = \"log\"", "", 19, 1, "`audit.dir` is missing");
    problem_of(
        "recovery = \"recovery.pem\"",
        "",
        19,
        1,
        "`audit.recovery` is missing",
    );
    problem_of(
        "officers = [\"officer.pem\"]",
        "officers = []",
        19,
        1,
        "`audit.officers` is missing",
    );
    problem_of(
        "officers = [\"officer.pem\"]",
        "recipient = \"officers.pub.pem\"",
        23,
        1,
        "unknown key `audit.recipient`",
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = GOOD
        .replace("zone = ", "zonee = ")
        .replace("\"keys.toml\"", "7")
        .replace("[policy]\ndir", "[policy]\ndri");
    let problems = parse(&text, &[]).expect_err("problems");
    assert!(problems.len() >= 5, "{problems:#?}");
}

#[test]
fn broken_toml_is_a_problem_with_a_place() {
    let problems = parse("[listener\nbind = 1", &[]).expect_err("broken");
    assert!(problems.iter().any(|p| p.line == 1), "{problems:#?}");
}

#[test]
fn an_admin_port_off_loopback_is_refused() {
    let problems = parse(&format!("{GOOD}\n[admin]\nbind = \"0.0.0.0:9443\"\n"), &[])
        .expect_err("not loopback");
    assert!(
        problems[0].message.contains("not on loopback"),
        "{problems:#?}"
    );
}

#[test]
fn a_body_is_never_larger_than_what_can_be_recorded_of_it() {
    let small = GOOD.replace("dir = \"log\"", "dir = \"log\"\nsegment_bytes = 1048576");
    let config = parse(&small, &[]).expect("good");
    assert_eq!(config.limits.body_bytes_max, 256 << 10);
    problem_of(
        "[[backend]]",
        "[limits]\nbody_bytes_max = 4194305\n[[backend]]",
        27,
        18,
        "fits into half of `audit.segment_bytes`",
    );
}

#[test]
fn issuers_whose_tokens_could_be_forged_are_refused() {
    let told = |more: &str| -> Vec<String> {
        let problems = parse(&format!("{GOOD}\n{more}"), &[]).expect_err("a mistake");
        let line = |p: &Problem| match &p.hint {
            Some(hint) => format!("{} ({hint})", p.message),
            None => p.message.clone(),
        };
        problems.iter().map(line).collect()
    };
    let issuer = |lines: &str| {
        format!(
            "[[issuer]]\nname = \"agency\"\niss = \"https://login.example\"\naudience = [\"portcullis\"]\n{lines}\n"
        )
    };
    let good = issuer("jwks = \"keys.json\"\nalgorithms = [\"RS256\"]");
    assert!(parse(&format!("{GOOD}\n{good}"), &[]).is_ok());
    assert_eq!(
        told(&issuer("jwks = \"keys.json\"\nalgorithms = [\"none\"]"))[0],
        "tokens signed with `none` are never believed (write one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA)"
    );
    assert_eq!(
        told(&issuer("jwks = \"keys.json\"\nalgorithms = [\"HS256\"]"))[0],
        "tokens signed with `HS256` are never believed (a shared secret goes into `secret`; with a key set it would let anybody sign with the public key)"
    );
    assert_eq!(
        told(&issuer("jwks = \"keys.json\"\nalgorithms = [\"RS265\"]"))[0],
        "tokens signed with `RS265` are never believed (did you mean `RS256`?)"
    );
    assert_eq!(
        told(&issuer("secret = \"secret\"\nuse = \"direct\""))[0],
        "whoever shares a secret can make tokens for anybody: such an issuer serves front ends only (write `use = \"front_end\"`, or let it sign with a key pair)"
    );
    assert_eq!(
        told(&issuer(
            "jwks = \"a\"\nsecret = \"b\"\nalgorithms = [\"RS256\"]"
        ))[0],
        "an issuer has its keys in exactly one place (write `jwks = \"keys.json\"`, or `jwks_url` and `ca`, or `secret`)"
    );
    assert_eq!(
        told(&issuer(
            "jwks_url = \"http://login.example/keys\"\nca = \"ca.pem\"\nalgorithms = [\"RS256\"]"
        ))[0],
        "`http://login.example/keys` is not an https address (keys are only as good as the way they come: write `https://…`)"
    );
    assert_eq!(
        told(&good.replace("audience = [\"portcullis\"]\n", ""))[0],
        "`issuer.audience` is missing: a token that was made for somebody else must not be believed (write `audience = [\"portcullis\"]`, as the issuer names this gateway)"
    );
    assert_eq!(
        told(&format!("{good}{good}"))[0],
        "this issuer has the `name` or the `iss` of `agency` (a token and a principal must lead to one issuer)"
    );
    let front = "[[front_end]]\napplication = \"svc:app\"\nheader = \"Authorization\"\nissuer = \"agncy\"\n";
    assert_eq!(
        told(&format!("{good}{front}")),
        [
            "`Authorization` cannot carry a user's token (write the header that the front end sends, such as `x-openwebui-user-jwt`)",
            "no `[[issuer]]` is called `agncy` (did you mean `agency`?)",
        ]
    );
}

#[test]
fn the_sentence_of_a_blocked_answer_is_checked() {
    let with = |answers: &str| parse(&format!("{GOOD}\n[answers]\n{answers}"), &[]);
    let line = GOOD.lines().count() as u32 + 3;
    for (answers, said) in [
        ("on_block = \"notise\"", "did you mean `notice`?"),
        ("notice = \" \"", "a notice has 1 to 500 characters"),
        ("notise = \"x\"", "did you mean `notice`?"),
        ("routes = { chat = \"notice\" }", "chat"),
        ("routes = { embeddings = \"notice\" }", "embeddings"),
    ] {
        let problems = with(answers).expect_err(answers);
        let [problem] = &problems[..] else {
            panic!("{problems:#?}");
        };
        let text = format!(
            "{} {}",
            problem.message,
            problem.hint.clone().unwrap_or_default()
        );
        assert!(problem.line == line && text.contains(said), "{problem:#?}");
    }
    let id = uuid::Uuid::nil();
    let said = |answers: &str, op| with(answers).expect(answers).answers.notice(op, id);
    assert_eq!(said("", audit::Op::Messages), None);
    let own = "on_block = \"notice\"\nnotice = \"No.\"\nroutes = { responses = \"finish\" }";
    assert_eq!(said(own, audit::Op::Responses), None);
    assert_eq!(
        said(own, audit::Op::Messages),
        Some(format!("No. (request {id})"))
    );
}
