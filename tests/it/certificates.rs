//! Client certificates that others made: cards, workloads and forgeries by OpenSSL, against a running gateway.

use std::path::{Path, PathBuf};
use std::process::Command;

use http::Method;
use tests::TestGateway;
use tests::client::{Client, Reply, Session};
use tests::gateway_under_test::{CHAT, TestGatewayBuilder, question};

use crate::executable::built_gateway;

const AUTH: &str = "2.16.840.1.101.2.1.11.42";
const PIV_AUTH: &str = "2.16.840.1.101.3.2.1.3.13";

/// A folder with certification authorities and what they issued.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Authority {
        let authority = Authority {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, subject) in [
            (
                "dod",
                "/C=US/O=U.S. Government/OU=DoD/OU=PKI/CN=DOD ID CA-70",
            ),
            ("agency", "/C=US/O=Agency/CN=Agency CA 2"),
            // Of the same name, and trusted by nobody.
            (
                "impostor",
                "/C=US/O=U.S. Government/OU=DoD/OU=PKI/CN=DOD ID CA-70",
            ),
        ] {
            authority.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "3650",
                "-subj",
                subject,
                "-keyout",
                &format!("{name}.key"),
                "-out",
                &format!("{name}.pem"),
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-addext",
                "keyUsage=critical,keyCertSign,cRLSign",
            ]);
            let database = authority.path(&format!("{name}.db"));
            std::fs::write(&database, "").unwrap();
            let settings = format!(
                "[ca]\ndefault_ca = it\n[it]\ndatabase = {}\ndefault_md = sha256\ndefault_crl_days = 30\ncrlnumber = {}\n",
                database.display(),
                authority.path(&format!("{name}.number")).display(),
            );
            std::fs::write(authority.path(&format!("{name}.cnf")), settings).unwrap();
            std::fs::write(authority.path(&format!("{name}.number")), "01\n").unwrap();
            authority.list(name);
        }
        let trusted = ["dod.pem", "agency.pem"]
            .map(|name| std::fs::read_to_string(authority.path(name)).unwrap());
        std::fs::write(authority.path("trusted.pem"), trusted.concat()).unwrap();
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl")
            .current_dir(self.folder.path())
            .args(arguments)
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {complaints}"
        );
    }

    /// Issues a certificate with extensions as OpenSSL writes them, valid for so many days from now.
    fn issue(&self, by: &str, name: &str, subject: &str, extensions: &str, days: i32) -> PathBuf {
        self.openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-utf8",
            "-subj",
            subject,
            "-keyout",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.csr"),
        ]);
        std::fs::write(self.path(&format!("{name}.ext")), extensions).unwrap();
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &format!("{name}.csr"),
            "-CA",
            &format!("{by}.pem"),
            "-CAkey",
            &format!("{by}.key"),
            "-CAcreateserial",
            "-days",
            &days.to_string(),
            "-extfile",
            &format!("{name}.ext"),
            "-out",
            &format!("{name}.pem"),
        ]);
        self.path(name)
    }

    /// Writes the authority's revocation list anew.
    fn list(&self, by: &str) {
        self.openssl(&[
            "ca",
            "-config",
            &format!("{by}.cnf"),
            "-gencrl",
            "-keyfile",
            &format!("{by}.key"),
            "-cert",
            &format!("{by}.pem"),
            "-out",
            &format!("{by}.crl"),
        ]);
    }

    fn revoke(&self, by: &str, name: &str) {
        self.openssl(&[
            "ca",
            "-config",
            &format!("{by}.cnf"),
            "-keyfile",
            &format!("{by}.key"),
            "-cert",
            &format!("{by}.pem"),
            "-revoke",
            &format!("{name}.pem"),
        ]);
        self.list(by);
    }

    /// A gateway that trusts two authorities, with their lists, and knows one card holder and one workload.
    fn gateway(&self) -> TestGatewayBuilder {
        let file = |name: &str| self.path(name).display().to_string();
        let listener = format!(
            "client_ca = {:?}\nclient_crls = [{:?}, {:?}]",
            file("trusted.pem"),
            file("dod.crl"),
            file("agency.crl")
        );
        TestGateway::new()
            .config(move |text| {
                let from = "client_ca = \"certs/ca.pem\"";
                assert!(text.contains(from), "{text}");
                *text = text.replace(from, &listener);
            })
            .file("policies/identities.toml", |text| {
                text.push_str(&format!(
                    "\n[card.dod]\nissuers = [\"CN=DOD ID CA-70,OU=PKI,OU=DoD,O=U.S. Government,C=US\"]\npolicies = [\"{AUTH}\"]\nprincipal = \"edipi\"\n\
                     [card.agency]\nissuers = [\"CN=Agency CA 2,O=Agency,C=US\"]\npolicies = [\"{PIV_AUTH}\"]\nprincipal = \"subject\"\n\
                     [spiffe]\ntrust_domains = [\"agency.example\"]\n"
                ));
                for principal in ["dod:1234567890", "spiffe:agency.example/web"] {
                    text.push_str(&format!(
                        "[identity.\"{principal}\"]\ntenant = \"demo/benefits/web\"\nclearance = \"CUI:PRVCY\"\nassurance = \"aal3\"\npurposes = [\"benefits.draft\"]\n"
                    ));
                }
            })
            .file("policies/tenants/demo-benefits/roles.csv", |text| {
                text.push_str("g, dod:1234567890, role:benefits-app, demo/benefits/web\ng, spiffe:agency.example/web, role:benefits-app, demo/benefits/web\n");
            })
    }
}

/// What the authentication certificate of a card says.
fn authentication(policy: &str) -> String {
    format!(
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\ncertificatePolicies={policy}\nbasicConstraints=CA:FALSE\n"
    )
}

fn client(gateway: &TestGateway, certificate: &Path) -> Client {
    gateway.client_with(
        &certificate.with_extension("pem"),
        &certificate.with_extension("key"),
    )
}

async fn chat(gateway: &TestGateway, client: &Client, model: &str) -> Reply {
    let mut body = question("hello");
    body["model"] = model.into();
    let request = client.request(Method::POST, CHAT, None, &body.to_string());
    gateway.send(client, request).await
}

async fn turned_away(gateway: &TestGateway, certificate: &Path) -> bool {
    let client = client(gateway, certificate);
    let body = question("hello").to_string();
    client
        .is_turned_away(client.request(Method::POST, CHAT, None, &body))
        .await
}

/// The same on one connection that stays open.
async fn again(session: &Session, client: &Client) -> Reply {
    let body = question("hello").to_string();
    session
        .send(client.request(Method::POST, CHAT, None, &body))
        .await
}

const JANE: &str = "/C=US/O=U.S. Government/OU=DoD/OU=PKI/OU=USA/CN=DOE.JANE.ANN.1234567890";

#[tokio::test]
async fn cards_and_workloads_stand_for_their_principals_and_nothing_else_does() {
    let authority = Authority::new();
    let gateway = authority.gateway().start().await;
    let good = authority.issue("dod", "jane", JANE, &authentication(AUTH), 30);
    let jane = client(&gateway, &good);
    // A card proves the highest assurance: the large model opens.
    let reply = chat(&gateway, &jane, "llama-4-maverick").await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let by_card = reply.header("x-request-id").to_owned();
    let svid = "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=URI:spiffe://agency.example/web\n";
    let workload = client(
        &gateway,
        &authority.issue("agency", "web", "/O=Agency", svid, 30),
    );
    let reply = chat(&gateway, &workload, "llama-3.3-70b").await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let by_workload = reply.header("x-request-id").to_owned();

    let no_eku = format!("keyUsage=critical,digitalSignature\ncertificatePolicies={AUTH}\n");
    let signature = format!(
        "keyUsage=critical,nonRepudiation\nextendedKeyUsage=clientAuth\ncertificatePolicies={AUTH}\n"
    );
    let two_uris = svid.replace("/web", "/web,URI:spiffe://agency.example/other");
    let elsewhere = svid.replace("agency.example", "elsewhere.example");
    let auth = authentication(AUTH);
    let card_alone = authentication("2.16.840.1.101.3.2.1.3.17");
    let agency = authentication(PIV_AUTH);
    let refused = [
        (
            "no_eku",
            "dod",
            JANE,
            no_eku.as_str(),
            "certificate_not_authentication",
        ),
        (
            "signature",
            "dod",
            JANE,
            &signature,
            "certificate_not_authentication",
        ),
        (
            "card_alone",
            "dod",
            JANE,
            &card_alone,
            "certificate_not_authentication",
        ),
        (
            "other_policy",
            "dod",
            JANE,
            &agency,
            "certificate_not_authentication",
        ),
        (
            "nine_digits",
            "dod",
            "/CN=DOE.JANE.123456789",
            &auth,
            "certificate_no_edipi",
        ),
        (
            "other_digits",
            "dod",
            "/CN=DOE.JANE.\u{661}234567890",
            &auth,
            "certificate_no_edipi",
        ),
        (
            "comma",
            "dod",
            "/CN=DOE.JANE.1234567890,evil",
            &auth,
            "certificate_no_edipi",
        ),
        (
            "two_names",
            "dod",
            "/CN=ROE.JOHN.0000000001/CN=DOE.JANE.1234567890",
            &auth,
            "certificate_no_edipi",
        ),
        ("nobody", "dod", "/CN=ROE.JOHN.9999999999", &auth, ""),
        ("unlisted", "agency", "/CN=DOE.JANE.1234567890", &agency, ""),
        (
            "two_uris",
            "agency",
            "/O=Agency",
            &two_uris,
            "certificate_not_authentication",
        ),
        (
            "elsewhere",
            "agency",
            "/O=Agency",
            &elsewhere,
            "certificate_not_authentication",
        ),
        // A service is never known by its common name.
        (
            "by_name",
            "agency",
            "/CN=svc:benefits-app",
            svid.split("subject").next().unwrap(),
            "certificate_not_authentication",
        ),
    ];
    let mut told = Vec::new();
    for (name, by, subject, extensions, reason) in refused {
        let certificate = authority.issue(by, name, subject, extensions, 30);
        let reply = chat(&gateway, &client(&gateway, &certificate), "llama-3.3-70b").await;
        assert_eq!(reply.status(), 401, "{name}: {}", reply.text());
        told.push((name, reason, reply.header("x-request-id").to_owned()));
    }
    // Neither the impostor of the same name, nor one that ran out, nor one that signed itself gets through the handshake.
    for (name, by, days) in [("forged", "impostor", 30), ("ended", "dod", -1)] {
        let certificate = authority.issue(by, name, JANE, &auth, days);
        assert!(turned_away(&gateway, &certificate).await, "{name}");
    }
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.about(&by_card)[0]["who"]["principal"], "dod:1234567890");
    assert_eq!(
        log.about(&by_workload)[0]["who"]["principal"],
        "spiffe:agency.example/web"
    );
    for (name, reason, id) in told {
        let entry = &log.about(&id)[0];
        assert_eq!(
            entry["reason"].as_str().unwrap_or_default(),
            reason,
            "{name}"
        );
    }
}

/// Asks the admin listener over TLS, as whoever holds the certificate.
async fn admin(
    gateway: &TestGateway,
    certificate: Option<&Path>,
    method: Method,
    path: &str,
    token: Option<&str>,
) -> Reply {
    let files = certificate.map(|name| (name.with_extension("pem"), name.with_extension("key")));
    let identity = files
        .as_ref()
        .map(|(chain, key)| (chain.as_path(), key.as_path()));
    let client = gateway.admin_client(identity);
    client.send(client.request(method, path, token, "")).await
}

// The command line waits for the gateway on a thread of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_interface_opens_to_a_card_on_duty() {
    let authority = Authority::new();
    let gateway = authority
        .gateway()
        .config(|text| {
            *text = text.replace("[admin]\n", "[admin]\ntls = true\n");
            // Of the data listener alone: probes have no card.
            *text = text.replace("\"optional\"", "\"required\"");
        })
        .file("policies/identities.toml", |text| {
            *text = text.replace(
                "[identity.\"dod:1234567890\"]\n",
                "[identity.\"dod:1234567890\"]\nduties = [\"auditor\"]\n",
            );
        })
        .start()
        .await;
    let jane = authority.issue("dod", "jane", JANE, &authentication(AUTH), 30);
    let john = JANE
        .replace("1234567890", "0987654321")
        .replace("JANE", "JOHN");
    let john = authority.issue("dod", "john", &john, &authentication(AUTH), 30);
    let uri = "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nbasicConstraints=CA:FALSE\n\
               subjectAltName=URI:spiffe://agency.example/web\n";
    let web = authority.issue("agency", "web", "/CN=web", uri, 30);
    let get = Method::GET;
    for (who, certificate, status) in [
        ("a card of an auditor", Some(&jane), 200),
        ("a card that stands for nobody", Some(&john), 401),
        ("a workload without a duty", Some(&web), 403),
        ("nothing", None, 401),
    ] {
        let certificate = certificate.map(PathBuf::as_path);
        let reply = admin(&gateway, certificate, get.clone(), "/policy", None).await;
        assert_eq!(reply.status(), status, "{who}: {}", reply.text());
    }
    // A probe shows nothing, and a key that comes with the card is no token.
    for path in ["/livez", "/readyz", "/metrics"] {
        let reply = admin(&gateway, None, get.clone(), path, None).await;
        assert_eq!(reply.status(), 200, "{path}");
    }
    let key = gateway.key("svc:benefits-app").to_owned();
    let reply = admin(&gateway, Some(&jane), get.clone(), "/policy", Some(&key)).await;
    assert_eq!(reply.status(), 401, "{}", reply.text());
    // As the command line does it.
    let status = Command::new(built_gateway())
        .args(["policy", "status", "--admin", &gateway.admin().to_string()])
        .arg("--ca")
        .arg(gateway.certs().join("ca.pem"))
        .arg("--cert")
        .arg(jane.with_extension("pem"))
        .arg("--key")
        .arg(jane.with_extension("key"))
        .arg("--dir")
        .arg(gateway.file("policies"))
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&status.stderr);
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success(), "{complaints}");
    assert!(said.starts_with("in force   demo revision 1"), "{said}");
    // An auditor looks, and changes nothing.
    let reply = admin(&gateway, Some(&jane), Method::POST, "/reload", None).await;
    assert_eq!(reply.status(), 403, "{}", reply.text());
    // No handshake with somebody whom nobody vouches for; nor without TLS.
    let forged = authority.issue("impostor", "forged", JANE, &authentication(AUTH), 30);
    let pem = (forged.with_extension("pem"), forged.with_extension("key"));
    let client = gateway.admin_client(Some((&pem.0, &pem.1)));
    assert!(
        client
            .is_turned_away(client.request(get.clone(), "/policy", None, ""))
            .await
    );
    // A card that is revoked opens nothing as soon as the list is read.
    authority.revoke("dod", "jane");
    gateway.gateway().clone().reload().await;
    let pem = (jane.with_extension("pem"), jane.with_extension("key"));
    let client = gateway.admin_client(Some((&pem.0, &pem.1)));
    assert!(
        client
            .is_turned_away(client.request(get, "/policy", None, ""))
            .await
    );
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_revocation_ends_a_connection_that_is_open() {
    let authority = Authority::new();
    let gateway = authority.gateway().start().await;
    let good = authority.issue("dod", "jane", JANE, &authentication(AUTH), 30);
    let jane = client(&gateway, &good);
    let session = jane.session().await;
    assert_eq!(again(&session, &jane).await.status(), 200);
    authority.revoke("dod", "jane");
    // Not yet: the list that is in force does not name it.
    assert_eq!(again(&session, &jane).await.status(), 200);
    gateway.gateway().clone().reload().await;
    assert!(gateway.gateway().reloads.state().failure.is_none());
    let reply = again(&session, &jane).await;
    assert_eq!(reply.status(), 401, "{}", reply.text());
    let id = reply.header("x-request-id").to_owned();
    assert!(
        turned_away(&gateway, &good).await,
        "nor is a new one opened"
    );
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.about(&id)[0]["reason"], "certificate_ended");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_or_has_run_out_changes_nothing() {
    let authority = Authority::new();
    let gateway = authority.gateway().start().await;
    let good = authority.issue("dod", "jane", JANE, &authentication(AUTH), 30);
    let jane = client(&gateway, &good);
    for broken in [
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
        "",
    ] {
        std::fs::write(authority.path("dod.crl"), broken).unwrap();
        gateway.gateway().clone().reload().await;
        let failure = gateway.gateway().reloads.state().failure.unwrap();
        assert!(failure.problems[0].file.ends_with("dod.crl"), "{failure:?}");
        assert_eq!(chat(&gateway, &jane, "llama-3.3-70b").await.status(), 200);
    }
    authority.openssl(&[
        "ca",
        "-config",
        "dod.cnf",
        "-gencrl",
        "-keyfile",
        "dod.key",
        "-cert",
        "dod.pem",
        "-out",
        "dod.crl",
        "-crl_lastupdate",
        "20200101000000Z",
        "-crl_nextupdate",
        "20200201000000Z",
    ]);
    gateway.gateway().clone().reload().await;
    let failure = gateway.gateway().reloads.state().failure.unwrap();
    assert!(
        failure.problems[0].message.contains("has run out"),
        "{failure:?}"
    );
    gateway.stop().await.check();
}
