//! TLS for the data listener: certificates from files, client certificates checked against the configured CA,
//! and what a checked client certificate says of its holder.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::config::{ClientCertificates, ListenerConfig};
use crate::problem::Problem;

/// What a client certificate says, once its chain has been checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// URIs of the subject alternative name, such as `spiffe://agency.example/app`.
    pub uris: Vec<String>,
    /// DNS names of the subject alternative name.
    pub dns: Vec<String>,
    /// SHA-256 of the certificate, 64 hex digits.
    pub sha256: String,
}

/// The listener's TLS settings, TLS 1.2 and 1.3, offering HTTP/2 and HTTP/1.1.
///
/// # Errors
/// A certificate, key or CA that cannot be used.
pub fn server(config: &ListenerConfig) -> Result<Arc<rustls::ServerConfig>, Vec<Problem>> {
    let chain = certificates(&config.certificate);
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|e| {
        Problem::about(
            &config.key,
            format!("holds no private key that can be read: {e}"),
        )
    });
    let verifier = client_verifier(config);
    let (chain, key, verifier) = match (chain, key, verifier) {
        (Ok(chain), Ok(key), Ok(verifier)) => (chain, key, verifier),
        (chain, key, verifier) => {
            return Err([chain.err(), key.err(), verifier.err()]
                .into_iter()
                .flatten()
                .collect());
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| vec![Problem::about(&config.certificate, e.to_string())])?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_single_cert(chain, key).map_err(|e| {
        vec![Problem::about(
            &config.certificate,
            format!("the certificate does not fit its key: {e}"),
        )]
    })?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(tls))
}

/// Reads the holder's names out of a certificate whose chain rustls has checked.
pub fn facts(certificate: &CertificateDer<'_>) -> Certificate {
    let sha256 = digest::digest(&digest::SHA256, certificate)
        .as_ref()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let mut facts = Certificate {
        sha256,
        ..Certificate::default()
    };
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return facts;
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return facts;
    };
    for name in &names.value.general_names {
        match name {
            GeneralName::URI(uri) => facts.uris.push((*uri).to_owned()),
            GeneralName::DNSName(dns) => facts.dns.push((*dns).to_owned()),
            _ => {}
        }
    }
    facts
}

type Verifier = Arc<dyn rustls::server::danger::ClientCertVerifier>;

fn client_verifier(config: &ListenerConfig) -> Result<Option<Verifier>, Problem> {
    let (ClientCertificates::Optional | ClientCertificates::Required, Some(file)) =
        (config.client_certificates, &config.client_ca)
    else {
        return Ok(None);
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|e| Problem::about(file, format!("holds a certificate that is no CA: {e}")))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match config.client_certificates {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    builder
        .build()
        .map(Some)
        .map_err(|e| Problem::about(file, e.to_string()))
}

/// The certificates of a PEM file; at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let unreadable = |e: rustls::pki_types::pem::Error| {
        Problem::about(file, format!("holds no certificate that can be read: {e}"))
    };
    let chain = CertificateDer::pem_file_iter(file)
        .map_err(unreadable)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    if chain.is_empty() {
        Err(Problem::about(file, "holds no certificate"))
    } else {
        Ok(chain)
    }
}
