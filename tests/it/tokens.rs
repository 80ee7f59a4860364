//! Tokens that others made: keys by OpenSSL, tokens by PyJWT. The good ones open what their subject may do, and every
//! classic forgery opens nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderName, HeaderValue, Method};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tests::AuditLog;
use tests::client::Reply;
use tests::gateway_under_test::{CHAT, TestGatewayBuilder, question};
use tests::{FakeLlama, TestGateway};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::executable::built_gateway;

/// A folder of keys and tokens.
struct Minted {
    folder: tempfile::TempDir,
    tokens: BTreeMap<String, String>,
}

impl Minted {
    fn new() -> Minted {
        let folder = tempfile::tempdir().unwrap();
        let now = audit::Clock::now(&audit::SystemClock) / 1_000_000_000;
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let python = repository.join(".portcullis/venv/bin/python");
        assert!(python.exists(), "`make test` makes {}", python.display());
        let output = Command::new(python)
            .arg(repository.join("tests/python/make_tokens.py"))
            .arg(folder.path())
            .arg(now.to_string())
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        let tokens = std::fs::read(folder.path().join("tokens.json")).unwrap();
        Minted {
            tokens: serde_json::from_slice(&tokens).unwrap(),
            folder,
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A gateway that trusts the issuer by its key set in a file, the cluster, and the front end by its secret.
    fn gateway(&self) -> TestGatewayBuilder {
        let issuers = format!(
            "\n[[issuer]]\nname = \"agency\"\niss = \"https://login.agency.example\"\naudience = [\"portcullis\"]\n\
             algorithms = [\"RS256\", \"ES256\", \"EdDSA\"]\njwks = {jwks:?}\n\
             [[issuer]]\nname = \"cluster\"\niss = \"https://kubernetes.default.svc.cluster.local\"\naudience = \"portcullis\"\n\
             algorithms = [\"RS256\"]\njwks = {jwks:?}\n\
             [[issuer]]\nname = \"chat\"\niss = \"https://chat.agency.example\"\naudience = [\"portcullis\"]\nsecret = {secret:?}\n\
             [[front_end]]\napplication = \"svc:contracts-app\"\nheader = \"x-chat-user-jwt\"\nissuer = \"chat\"\n",
            jwks = self.file("jwks.json"),
            secret = self.file("secret"),
        );
        people(TestGateway::new()).config(move |text| text.push_str(&issuers))
    }
}

/// Adds the people whom tokens name to the demo policies.
fn people(builder: TestGatewayBuilder) -> TestGatewayBuilder {
    let person = |principal: &str, tenant: &str, purpose: &str| {
        format!(
            "\n[identity.\"{principal}\"]\ntenant = \"{tenant}\"\nclearance = \"CUI:PRVCY+PROCURE\"\nassurance = \"aal3\"\npurposes = [\"{purpose}\"]\n"
        )
    };
    let records = [
        person("oidc:agency:alice", "demo/benefits/web", "benefits.draft"),
        person(
            "oidc:agency:auth0+7C42+20+25",
            "demo/benefits/web",
            "benefits.draft",
        ),
        person(
            "oidc:cluster:system:serviceaccount:benefits:web",
            "demo/benefits/web",
            "benefits.draft",
        ),
        person(
            "oidc:chat:alice",
            "demo/contracts/office",
            "contracts.review",
        ),
    ]
    .concat();
    let roles = "g, oidc:agency:alice, role:benefits-app, demo/benefits/web\n\
                 g, oidc:agency:auth0+7C42+20+25, role:benefits-app, demo/benefits/web\n\
                 g, oidc:cluster:system:serviceaccount:benefits:web, role:benefits-app, demo/benefits/web\n";
    builder
        .file("policies/identities.toml", move |text| {
            text.push_str(&records)
        })
        .file("policies/tenants/demo-benefits/roles.csv", move |text| {
            text.push_str(roles)
        })
        .file("policies/tenants/demo-contracts/roles.csv", |text| {
            text.push_str("g, oidc:chat:alice, role:contracts-app, demo/contracts/office\n");
        })
}

async fn bearer(gateway: &TestGateway, token: &str) -> Reply {
    gateway
        .post(Some(token), CHAT, &question("hello").to_string())
        .await
}

#[tokio::test]
async fn good_tokens_stand_for_their_subjects() {
    let minted = Minted::new();
    let gateway = minted.gateway().start().await;
    let good = [
        "good",
        "good_es256",
        "good_eddsa",
        "good_audience_list",
        "good_at_jwt",
        "good_odd_subject",
        "cluster",
    ];
    let mut ids = Vec::new();
    for name in good {
        let reply = bearer(&gateway, &minted.tokens[name]).await;
        assert_eq!(reply.status(), 200, "{name}: {}", reply.text());
        ids.push(reply.header("x-request-id").to_owned());
    }
    // A token proves aal2 unless its issuer is trusted further: the large model stays closed.
    let body = serde_json::json!({ "model": "llama-4-maverick", "messages": [{ "role": "user", "content": "hello" }] });
    let reply = gateway
        .post(Some(&minted.tokens["good"]), CHAT, &body.to_string())
        .await;
    assert_eq!(reply.status(), 403, "{}", reply.text());
    // Whom the policy does not know stays outside, however good the token.
    assert_eq!(
        bearer(&gateway, &minted.tokens["good_mallory"])
            .await
            .status(),
        401
    );
    let log = gateway.stop().await;
    log.check();
    let entry = &log.about(&ids[0])[0];
    assert_eq!(entry["who"]["principal"], "oidc:agency:alice");
    assert_eq!(entry["who"]["credential"], "token");
    let odd = &log.about(&ids[5])[0];
    assert_eq!(odd["who"]["principal"], "oidc:agency:auth0+7C42+20+25");
    let cluster = &log.about(&ids[6])[0];
    assert_eq!(
        cluster["who"]["principal"],
        "oidc:cluster:system:serviceaccount:benefits:web"
    );
}

/// Sends a question whose data the caller marks as `CUI`.
async fn marked(gateway: &TestGateway, token: &str) -> Reply {
    let client = gateway.client();
    let body = question("hello").to_string();
    let mut request = client.request(Method::POST, CHAT, Some(token), &body);
    let headers = request.headers_mut();
    headers.insert("x-portcullis-label", HeaderValue::from_static("CUI"));
    gateway.send(&client, request).await
}

/// Everybody of the agency has one record, and their tokens say to which tenant they belong and what they are
/// cleared for, within its bounds.
#[tokio::test]
async fn claims_say_who_somebody_is_within_the_bounds_of_the_record() {
    let minted = Minted::new();
    let gateway = minted
        .gateway()
        .file("policies/identities.toml", |text| {
            text.push_str(
                "\n[source.idp]\nissuer = \"agency\"\n\
                 claims = { tenant = \"office\", clearance = \"clearance\" }\n\
                 [identity.\"oidc:agency:*\"]\n\
                 tenant = { source = \"idp\", one_of = [\"demo/benefits/web\"] }\n\
                 clearance = { source = \"idp\", at_most = \"CUI:PRVCY\" }\n\
                 assurance = \"aal2\"\npurposes = [\"benefits.draft\"]\n",
            );
        })
        .file("policies/tenants/demo-benefits/roles.csv", |text| {
            text.push_str("g, oidc:agency:*, role:benefits-app, demo/benefits/web\n");
        })
        .start()
        .await;
    let mut entries = Vec::new();
    for (name, status) in [
        ("anna", 200),
        ("anna_uncleared", 403),
        ("anna_elsewhere", 401),
        ("anna_of_cluster", 401),
    ] {
        let reply = marked(&gateway, &minted.tokens[name]).await;
        assert_eq!(reply.status(), status, "{name}: {}", reply.text());
        entries.push(reply.header("x-request-id").to_owned());
    }
    let log = gateway.stop().await;
    log.check();
    let served = &log.about(&entries[0])[0];
    assert_eq!(served["who"]["principal"], "oidc:agency:anna");
    assert_eq!(served["who"]["tenant"], "demo/benefits/web");
    let refused = &log.about(&entries[1])[0];
    assert_eq!(refused["who"]["principal"], "oidc:agency:anna");
    assert_eq!(refused["reason"], "label_above_clearance", "{refused}");
}

#[tokio::test]
async fn every_classic_forgery_is_refused_and_the_entry_says_which() {
    let forgeries = [
        ("alg_none", "token_malformed"),
        ("alg_none_signed", "token_algorithm"),
        ("alg_none_mixed", "token_algorithm"),
        ("no_alg", "token_algorithm"),
        ("confusion_pem", "token_algorithm"),
        ("confusion_pem_stripped", "token_algorithm"),
        ("confusion_jwk", "token_algorithm"),
        ("published_secret", "token_algorithm"),
        ("encryption_key", "token_key"),
        ("other_algorithm", "token_algorithm"),
        ("algorithm_of_another_key", "token_key"),
        ("unknown_kid", "token_key"),
        ("foreign_key", "token_signature"),
        ("kid_path", "token_key"),
        ("embedded_jwk", "token_signature"),
        ("embedded_jku", "token_key"),
        ("critical", "token_malformed"),
        ("other_type", "token_malformed"),
        ("nested", "token_malformed"),
        ("signature_stripped", "token_malformed"),
        ("signature_missing", "token_malformed"),
        ("signature_of_another", "token_signature"),
        ("payload_padded", "token_malformed"),
        ("four_parts", "token_malformed"),
        ("claim_twice", "token_malformed"),
        ("wrong_audience", "token_audience"),
        ("no_audience", "token_audience"),
        ("audience_prefix", "token_audience"),
        ("wrong_issuer", "token_issuer"),
        ("issuer_slash", "token_issuer"),
        ("no_issuer", "token_issuer"),
        ("expired", "token_expired"),
        ("no_expiry", "token_malformed"),
        ("not_yet", "token_not_yet_valid"),
        ("from_the_future", "token_not_yet_valid"),
        ("too_long", "token_lifetime"),
        ("no_subject", "token_subject"),
        ("empty_subject", "token_subject"),
        ("long_subject", "token_subject"),
        ("too_large", "token_malformed"),
        // The user's token of a front end is no credential of its own.
        ("user", "token_of_a_front_end"),
    ];
    let minted = Minted::new();
    let llama = FakeLlama::replying("never").start().await;
    let gateway = minted
        .gateway()
        .backend(&llama)
        .setting("limits", "unauthenticated_per_second_max = 1000")
        .start()
        .await;
    let mut told = Vec::new();
    for (name, reason) in forgeries {
        let reply = bearer(&gateway, &minted.tokens[name]).await;
        assert_eq!(
            (reply.status(), reply.code().as_str()),
            (401, "invalid_api_key"),
            "{name}"
        );
        told.push((name, reason, reply.header("x-request-id").to_owned()));
    }
    assert_eq!(llama.requests_seen(), 0);
    let log = gateway.stop().await;
    log.check();
    for (name, reason, id) in told {
        assert_eq!(log.about(&id)[0]["reason"], reason, "{name}");
    }
    assert!(
        !log.raw_text().contains("mallory"),
        "nothing that a forged token says stands in an entry"
    );
}

#[tokio::test]
async fn a_token_and_a_certificate_of_two_principals_are_nobody() {
    let minted = Minted::new();
    let gateway = minted.gateway().start().await;
    let client = gateway.client_as("benefits-app");
    let body = question("hello").to_string();
    let request = client.request(Method::POST, CHAT, Some(&minted.tokens["good"]), &body);
    assert_eq!(gateway.send(&client, request).await.status(), 401);
    gateway.stop().await.check();
}

/// A chat by the front end, with the tokens of users.
async fn for_user(gateway: &TestGateway, principal: &str, tokens: &[&str]) -> Reply {
    let client = gateway.client();
    let key = Some(gateway.key(principal));
    let mut request = client.request(Method::POST, CHAT, key, &question("hello").to_string());
    for token in tokens {
        let value = HeaderValue::from_str(token).unwrap();
        request
            .headers_mut()
            .append(HeaderName::from_static("x-chat-user-jwt"), value);
    }
    gateway.send(&client, request).await
}

#[tokio::test]
async fn a_front_end_asks_for_its_user_and_both_are_recorded_and_must_be_permitted() {
    let minted = Minted::new();
    let gateway = minted.gateway().start().await;
    let [user, mallory, foreign, direct] =
        ["user", "user_mallory", "user_foreign", "good"].map(|name| minted.tokens[name].as_str());
    let front = "svc:contracts-app";
    let reply = for_user(&gateway, front, &[user]).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let served = reply.header("x-request-id").to_owned();
    let refused = [
        ("no user", front, vec![]),
        ("a user whom the policy does not know", front, vec![mallory]),
        (
            "a token that the front end did not sign",
            front,
            vec![foreign],
        ),
        ("a token of another issuer", front, vec![direct]),
        ("two users", front, vec![user, user]),
        ("no token at all", front, vec![""]),
        (
            "an application that is no front end",
            "svc:benefits-app",
            vec![user],
        ),
    ];
    for (what, principal, tokens) in refused {
        let reply = for_user(&gateway, principal, &tokens).await;
        assert_eq!(reply.status(), 401, "{what}: {}", reply.text());
    }
    // The user is not suspended, the application has the role: take the user's away, and it is over.
    gateway.replace(
        "policies/tenants/demo-contracts/roles.csv",
        "g, oidc:chat:alice, role:contracts-app",
        "g, oidc:chat:alice, role:suspended",
    );
    gateway.gateway().clone().reload().await;
    let reply = for_user(&gateway, front, &[user]).await;
    assert_eq!(
        reply.status(),
        404,
        "the model is not visible to the user: {}",
        reply.text()
    );
    let hidden = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    for id in [&served, &hidden] {
        let who = &log.about(id)[0]["who"];
        assert_eq!(who["principal"], front);
        assert_eq!(who["on_behalf_of"], "oidc:chat:alice");
    }
    // Both sides of the first request under the policies as they are now: the user's is over.
    let (explained, permitted) = explain(&log, &served);
    assert!(!permitted, "{explained}");
    let [application, user] = explained.split("\n\nhidden").collect::<Vec<_>>()[..] else {
        panic!("not two sides: {explained}");
    };
    assert!(application.starts_with("permit by CO-201"), "{explained}");
    assert!(
        application.contains("svc:contracts-app of demo/contracts/office"),
        "{explained}"
    );
    assert!(
        application.contains("it was decided under another bundle"),
        "{explained}"
    );
    assert!(
        user.contains("the user for whom `svc:contracts-app` asked"),
        "{explained}"
    );
    assert!(
        user.contains("oidc:chat:alice of demo/contracts/office"),
        "{explained}"
    );
}

/// What `policy explain` says to a recorded request, and whether it would be permitted.
pub(crate) fn explain(log: &AuditLog, request: &str) -> (String, bool) {
    let output = Command::new(built_gateway())
        .args(["policy", "explain", "--entry", request])
        .arg("--log")
        .arg(&log.dir)
        .arg("--dir")
        .arg(log.policies())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code().is_some_and(|code| code < 2),
        "{complaints}"
    );
    (said, output.status.success())
}

#[tokio::test]
async fn a_recorded_request_is_explained_as_it_was_decided() {
    let gateway = TestGateway::new().start().await;
    let ask = async |principal: &str, model: &str| {
        let body = serde_json::json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] });
        let reply = gateway
            .post(Some(gateway.key(principal)), CHAT, &body.to_string())
            .await;
        (reply.status(), reply.header("x-request-id").to_owned())
    };
    let permitted = ask("svc:benefits-app", "llama-3.3-70b").await;
    let denied = ask("svc:benefits-app", "llama-4-maverick").await;
    let hidden = ask("svc:audit-probe", "llama-3.3-70b").await;
    assert_eq!([permitted.0, denied.0, hidden.0], [200, 403, 404]);
    let log = gateway.stop().await;
    let begins = |id: &str, with: &str| {
        let (said, _) = explain(&log, id);
        assert!(said.starts_with(with), "not {with}: {said}");
        assert!(
            said.contains(&format!("entry {id}, proved by an API key\n")),
            "{said}"
        );
    };
    begins(&permitted.1, "permit by BA-101");
    begins(&denied.1, "deny: ");
    begins(&hidden.1, "hidden: ");
    let unknown = "00000000-0000-7000-8000-000000000000";
    let output = Command::new(built_gateway())
        .args(["policy", "explain", "--entry", unknown, "--log"])
        .arg(&log.dir)
        .arg("--dir")
        .arg(log.policies())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no such request"));
}

#[tokio::test]
async fn the_admin_interface_opens_to_people_on_duty_only() {
    let minted = Minted::new();
    let duty = |duty: &'static str| {
        move |text: &mut String| text.push_str(&format!("duties = [\"{duty}\"]\n"))
    };
    // The last record of the file is oidc:chat:alice's, a front end's; alice of the agency gets the duty.
    let gateway = minted
        .gateway()
        .file("policies/identities.toml", |text| {
            *text = text.replace(
                "[identity.\"oidc:agency:alice\"]\n",
                "[identity.\"oidc:agency:alice\"]\nduties = [\"auditor\"]\n",
            );
        })
        .file("policies/identities.toml", duty("operator"))
        .start()
        .await;
    let key = gateway.key("svc:benefits-app").to_owned();
    let refused = [
        ("nothing", None, 401),
        ("an API key", Some(key.as_str()), 401),
        (
            "a forgery",
            Some(minted.tokens["foreign_key"].as_str()),
            401,
        ),
        (
            "a token that has run out",
            Some(minted.tokens["expired"].as_str()),
            401,
        ),
        (
            "a front end's user, operator or not",
            Some(minted.tokens["user"].as_str()),
            401,
        ),
        (
            "somebody without a duty",
            Some(minted.tokens["good_odd_subject"].as_str()),
            403,
        ),
        (
            "a stranger",
            Some(minted.tokens["good_mallory"].as_str()),
            401,
        ),
    ];
    for (what, token, status) in refused {
        for (method, path) in [("GET", "/policy"), ("POST", "/reload")] {
            assert_eq!(
                gateway.admin_ask(method, path, token).await.0,
                status,
                "{what}: {path}"
            );
        }
    }
    let auditor = Some(minted.tokens["good"].as_str());
    let (status, said) = gateway.admin_ask("GET", "/policy", auditor).await;
    assert_eq!(status, 200, "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let digest = gateway.gateway().rules.load().policy.digest().to_owned();
    assert_eq!(said["digest"], digest.as_str());
    assert_eq!(said["rejected_at"], serde_json::Value::Null);
    // An auditor looks, and changes nothing.
    assert_eq!(gateway.admin_ask("POST", "/reload", auditor).await.0, 403);
    // The duty is the policy's to give: as an operator, alice may.
    gateway.replace(
        "policies/identities.toml",
        "duties = [\"auditor\"]",
        "duties = [\"operator\"]",
    );
    gateway.gateway().clone().reload().await;
    let (status, said) = gateway.admin_ask("POST", "/reload", auditor).await;
    assert_eq!(status, 200, "{said}");
    assert!(said.contains("\"result\":\"unchanged\""), "{said}");
    gateway.replace("policies/bundle.toml", "revision = 1", "revision = one");
    let (status, said) = gateway.admin_ask("POST", "/reload", auditor).await;
    assert_eq!(status, 409, "{said}");
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(
        said["problems"][0]["file"]
            .as_str()
            .unwrap()
            .ends_with("bundle.toml"),
        "{said}"
    );
    assert_eq!(
        said["digest"],
        gateway.gateway().rules.load().policy.digest()
    );
    gateway.stop().await.check();
}

#[tokio::test]
async fn keys_that_are_fetched_rotate_and_their_absence_is_no_denial() {
    let minted = Minted::new();
    let server = KeyServer::start().await;
    let issuer = format!(
        "\n[[issuer]]\nname = \"agency\"\niss = \"https://login.agency.example\"\naudience = [\"portcullis\"]\nalgorithms = [\"RS256\"]\n\
         jwks_url = \"https://localhost:{}/keys\"\nca = {:?}\n",
        server.port,
        server.folder.path().join("ca.pem").display().to_string(),
    );
    let gateway = people(TestGateway::new())
        .setting("limits", "unauthenticated_per_second_max = 1000")
        .config(move |text| text.push_str(&issuer))
        .start()
        .await;
    // Nothing can be had: neither an answer nor a denial.
    let reply = bearer(&gateway, &minted.tokens["good"]).await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (503, "identity_unavailable"),
        "{}",
        reply.text()
    );
    let undecided = reply.header("x-request-id").to_owned();
    server.publish(std::fs::read_to_string(minted.file("jwks.json")).unwrap());
    gateway.gateway().issuers.read_again().await;
    assert_eq!(bearer(&gateway, &minted.tokens["good"]).await.status(), 200);
    assert_eq!(
        bearer(&gateway, &minted.tokens["rotated"]).await.status(),
        401
    );
    // Twenty invented keys do not make twenty questions to the issuer.
    let asked = server.asked();
    for _ in 0..20 {
        bearer(&gateway, &minted.tokens["unknown_kid"]).await;
    }
    assert!(
        server.asked() <= asked + 1,
        "{} questions",
        server.asked() - asked
    );
    // Rotated: the new key opens, the old one does not any more.
    server.publish(std::fs::read_to_string(minted.file("next.json")).unwrap());
    gateway.gateway().issuers.read_again().await;
    assert_eq!(
        bearer(&gateway, &minted.tokens["rotated"]).await.status(),
        200
    );
    assert_eq!(bearer(&gateway, &minted.tokens["good"]).await.status(), 401);
    // The issuer is away: what is known goes on.
    server.publish(String::new());
    gateway.gateway().issuers.read_again().await;
    assert_eq!(
        bearer(&gateway, &minted.tokens["rotated"]).await.status(),
        200
    );
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.about(&undecided)[0]["type"], "req.undecided");
    assert_eq!(log.about(&undecided)[0]["reason"], "token_keys_unavailable");
}

/// An https server that publishes a key set; with none, it answers 500.
struct KeyServer {
    folder: tempfile::TempDir,
    port: u16,
    set: Arc<std::sync::Mutex<String>>,
    asked: Arc<AtomicUsize>,
    /// Ends with the server.
    _serving: tokio::task::JoinSet<()>,
}

impl KeyServer {
    async fn start() -> KeyServer {
        let folder = tempfile::tempdir().unwrap();
        gateway::certs::dev(folder.path(), &[]).unwrap();
        let chain = CertificateDer::pem_file_iter(folder.path().join("server.pem"))
            .unwrap()
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.path().join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let socket = tokio::net::TcpListener::bind("localhost:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let (set, asked) = (
            Arc::new(std::sync::Mutex::new(String::new())),
            Arc::new(AtomicUsize::new(0)),
        );
        let (serve, counted) = (set.clone(), asked.clone());
        let mut serving = tokio::task::JoinSet::new();
        serving.spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 2048];
                if stream.read(&mut request).await.is_err() {
                    continue;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let body = serve.lock().unwrap().clone();
                let status = if body.is_empty() {
                    "500 Internal Server Error"
                } else {
                    "200 OK"
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        KeyServer {
            folder,
            port,
            set,
            asked,
            _serving: serving,
        }
    }

    fn publish(&self, set: String) {
        *self.set.lock().unwrap() = set;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}
