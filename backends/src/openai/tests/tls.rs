//! TLS to a server whose certificate authority is named in a file, and to no other.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;

#[tokio::test]
async fn an_answer_over_tls() {
    let ca = Ca::new("the right CA");
    let scripts = vec![stream(HELLO_STREAM), stream(HELLO_STREAM)];
    let fake = Fake::start_tls(scripts, ca.server("127.0.0.1")).await;
    let folder = tempfile::tempdir().unwrap();
    let upstream = OpenAi::new(tls_settings(&fake, folder.path(), &ca)).unwrap();
    for _ in 0..2 {
        let mut answer = upstream.send(streamed(), in_a_minute()).await.unwrap();
        assert_eq!(drain(&mut answer).await.unwrap().len(), 4);
    }
    assert_eq!(fake.connections(), 1, "kept over TLS too");
}

#[tokio::test]
async fn another_certificate_authority_is_not_trusted() {
    let ca = Ca::new("the wrong CA");
    let fake = Fake::start_tls(vec![stream(HELLO_STREAM)], ca.server("127.0.0.1")).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = tls_settings(&fake, folder.path(), &Ca::new("the right CA"));
    let error = ask_with(settings, streamed()).await.unwrap_err();
    assert_eq!(error.failure(), &Failure::Tls);
    assert!(!error.detail().is_empty());
    assert!(fake.seen().is_empty(), "no prompt went up");
}

#[tokio::test]
async fn another_name_is_not_trusted() {
    let ca = Ca::new("the right CA");
    let fake = Fake::start_tls(vec![stream(HELLO_STREAM)], ca.server("other.example")).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = tls_settings(&fake, folder.path(), &ca);
    let error = ask_with(settings, streamed()).await.unwrap_err();
    assert_eq!(error.failure(), &Failure::Tls);
}

/// A certificate authority for one test.
pub(super) struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    pub(super) fn new(name: &str) -> Ca {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ca(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn server(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Writes the CA's certificate where settings can name it.
pub(super) fn write_ca(folder: &Path, ca: &Ca) -> PathBuf {
    let path = folder.join("ca.pem");
    std::fs::write(&path, ca.0.pem()).unwrap();
    path
}

fn tls_settings(fake: &Fake, folder: &Path, ca: &Ca) -> OpenAiSettings {
    let url = format!("https://{}/v1", fake.address);
    let mut settings = OpenAiSettings::new("fake", url.parse().unwrap());
    settings.ca_file = Some(write_ca(folder, ca));
    settings
}
