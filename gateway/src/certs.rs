//! `portcullis certs dev`: a throw-away CA with a server and client certificates, for trying things out and for tests.
//!
//! The folder holds `ca.pem`, `server.{pem,key}`, one `NAME.{pem,key}` per client, and those to whom bodies are sealed:
//! `officer.{pem,key}` (P-256) and `recovery.{pem,key}` (P-384). The CA's own key is thrown away.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SanType,
    SignatureAlgorithm,
};

/// What went wrong while making certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// The certificate library refused.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// the file
        path: PathBuf,
        /// why
        source: std::io::Error,
    },
}

/// The names of the server certificate.
const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes the folder's files; `clients` are pairs of a file name and the URI that names the client.
///
/// # Errors
/// A file that cannot be written.
pub fn dev(dir: &Path, clients: &[(&str, &str)]) -> Result<(), CertsError> {
    std::fs::create_dir_all(dir).map_err(|source| CertsError::Write {
        path: dir.to_owned(),
        source,
    })?;
    let ca = CertifiedIssuer::self_signed(ca_params(), KeyPair::generate()?)?;
    write(&dir.join("ca.pem"), ca.pem().as_bytes())?;

    let mut server = CertificateParams::new(SERVER_NAMES.map(str::to_owned))?;
    server
        .distinguished_name
        .push(DnType::CommonName, "portcullis development server");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    issue(dir, "server", server, &ca)?;

    for (name, uri) in clients {
        let mut client = CertificateParams::default();
        client.subject_alt_names = vec![SanType::URI((*uri).try_into()?)];
        client.distinguished_name.push(DnType::CommonName, *name);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        issue(dir, name, client, &ca)?;
    }

    recipient(dir, "officer", &PKCS_ECDSA_P256_SHA256, &ca)?;
    recipient(dir, "recovery", &PKCS_ECDSA_P384_SHA384, &ca)
}

/// A certificate to which keys can be sealed, and which is good for nothing else.
fn recipient(
    dir: &Path,
    name: &str,
    kind: &'static SignatureAlgorithm,
    ca: &CertifiedIssuer<'_, KeyPair>,
) -> Result<(), CertsError> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("portcullis development {name}"));
    params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    sign(dir, name, params, KeyPair::generate_for(kind)?, ca)
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(
        DnType::CommonName,
        "Portcullis development CA (do not trust)",
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn issue(
    dir: &Path,
    name: &str,
    mut params: CertificateParams,
    ca: &CertifiedIssuer<'_, KeyPair>,
) -> Result<(), CertsError> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    sign(dir, name, params, KeyPair::generate()?, ca)
}

fn sign(
    dir: &Path,
    name: &str,
    mut params: CertificateParams,
    key: KeyPair,
    ca: &CertifiedIssuer<'_, KeyPair>,
) -> Result<(), CertsError> {
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, ca)?;
    write(
        &dir.join(format!("{name}.pem")),
        certificate.pem().as_bytes(),
    )?;
    write(
        &dir.join(format!("{name}.key")),
        key.serialize_pem().as_bytes(),
    )
}

/// Private keys are among these files: readable by the owner only.
fn write(path: &Path, bytes: &[u8]) -> Result<(), CertsError> {
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(bytes)
    };
    write().map_err(|source| CertsError::Write {
        path: path.to_owned(),
        source,
    })
}
