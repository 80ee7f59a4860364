//! TLS for the listeners: certificates from files, client certificates checked against the configured CA and its
//! revocation lists, and all of it replaceable while connections are open.
//!
//! A connection outlives a handshake by hours. So what was checked then is checked again before a request: as soon as
//! other files are in force, and every minute, for what a clock or a revocation list has ended meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::config::{ClientCertificates, ListenerConfig};
use crate::problem::Problem;

mod certificate;

pub use certificate::Certificate;

/// The settings in force, and what was checked under them.
pub struct Live {
    current: ArcSwap<Settings>,
    generation: AtomicU64,
}

/// What one set of files makes.
struct Settings {
    server: Arc<rustls::ServerConfig>,
    /// For the admin listener: HTTP/1.1, and a client certificate is never required.
    admin: Arc<rustls::ServerConfig>,
    /// `None` if no client certificate is asked for.
    verifier: Option<Verifier>,
}

/// A certificate that a client showed, with its chain, and when it last held.
#[derive(Debug)]
pub struct Shown {
    /// What it says.
    pub certificate: Certificate,
    chain: Vec<CertificateDer<'static>>,
    generation: AtomicU64,
    checked: AtomicI64,
}

/// A connection's certificate is checked again after so many seconds.
const CHECK_AGAIN_SECONDS: i64 = 60;

impl Live {
    /// Reads all files.
    ///
    /// # Errors
    /// A certificate, key, CA or revocation list that cannot be used.
    pub fn load(config: &ListenerConfig) -> Result<Live, Vec<Problem>> {
        Ok(Live {
            current: ArcSwap::from_pointee(settings(config)?),
            generation: AtomicU64::new(0),
        })
    }

    /// Reads all files again. Nothing changes if something is wrong with one.
    ///
    /// # Errors
    /// As [`Live::load`].
    pub fn reload(&self, config: &ListenerConfig) -> Result<(), Vec<Problem>> {
        self.current.store(Arc::new(settings(config)?));
        // After the settings: whoever sees the number checks under them.
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// For the next connection.
    pub fn server(&self) -> Arc<rustls::ServerConfig> {
        self.current.load().server.clone()
    }

    /// For the next connection of the admin listener.
    pub fn admin(&self) -> Arc<rustls::ServerConfig> {
        self.current.load().admin.clone()
    }

    /// What a client showed in a handshake that has just ended, at `now` in seconds since 1970.
    pub fn shown(&self, chain: &[CertificateDer<'_>], now: i64) -> Option<Shown> {
        let first = chain.first()?;
        Some(Shown {
            certificate: Certificate::read(first),
            chain: chain
                .iter()
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
            generation: AtomicU64::new(self.generation.load(Ordering::Acquire)),
            checked: AtomicI64::new(now),
        })
    }

    /// Whether a certificate still holds at `now`, in seconds since 1970.
    pub fn still_holds(&self, shown: &Shown, now: i64) -> bool {
        let generation = self.generation.load(Ordering::Acquire);
        let fresh = shown.generation.load(Ordering::Acquire) == generation
            && now.saturating_sub(shown.checked.load(Ordering::Acquire)) < CHECK_AGAIN_SECONDS;
        if fresh {
            return now <= shown.certificate.not_after;
        }
        let settings = self.current.load();
        let (Some(verifier), Some((first, rest))) = (&settings.verifier, shown.chain.split_first())
        else {
            return false;
        };
        let seconds = Duration::from_secs(u64::try_from(now).unwrap_or_default());
        let at = UnixTime::since_unix_epoch(seconds);
        let holds = verifier.verify_client_cert(first, rest, at).is_ok();
        if holds {
            shown.generation.store(generation, Ordering::Release);
            shown.checked.store(now, Ordering::Release);
        }
        holds
    }
}

/// The files that make the settings: whoever changes one means a reload.
pub fn files(config: &ListenerConfig) -> impl Iterator<Item = &Path> {
    [&config.certificate, &config.key]
        .into_iter()
        .chain(&config.client_ca)
        .chain(&config.client_crls)
        .map(PathBuf::as_path)
}

/// The settings that the files make.
///
/// # Errors
/// A certificate, key or CA that cannot be used.
fn settings(config: &ListenerConfig) -> Result<Settings, Vec<Problem>> {
    let chain = certificates(&config.certificate);
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|e| {
        Problem::about(
            &config.key,
            format!("holds no private key that can be read: {e}"),
        )
    });
    let verifier = client_verifier(config, config.client_certificates);
    let (chain, key, verifier) = match (chain, key, verifier) {
        (Ok(chain), Ok(key), Ok(verifier)) => (chain, key, verifier),
        (chain, key, verifier) => {
            return Err([chain.err(), key.err(), verifier.err()]
                .into_iter()
                .flatten()
                .collect());
        }
    };
    let optional = match config.client_certificates {
        ClientCertificates::Required => client_verifier(config, ClientCertificates::Optional),
        _ => Ok(verifier.clone()),
    };
    let optional = optional.map_err(|problem| vec![problem])?;
    let serve = |verifier, protocols: &[&[u8]]| {
        let (chain, key) = (chain.clone(), key.clone_key());
        server(config, chain, key, verifier, protocols).map_err(|problem| vec![problem])
    };
    Ok(Settings {
        server: serve(verifier.clone(), &[b"h2", b"http/1.1"])?,
        admin: serve(optional, &[b"http/1.1"])?,
        verifier,
    })
}

/// TLS 1.2 and 1.3, offering these protocols.
fn server(
    config: &ListenerConfig,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    verifier: Option<Verifier>,
    protocols: &[&[u8]],
) -> Result<Arc<rustls::ServerConfig>, Problem> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Problem::about(&config.certificate, e.to_string()))?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut tls = builder.with_single_cert(chain, key).map_err(|e| {
        Problem::about(
            &config.certificate,
            format!("the certificate does not fit its key: {e}"),
        )
    })?;
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(tls))
}

type Verifier = Arc<dyn rustls::server::danger::ClientCertVerifier>;

fn client_verifier(
    config: &ListenerConfig,
    wanted: ClientCertificates,
) -> Result<Option<Verifier>, Problem> {
    let (ClientCertificates::Optional | ClientCertificates::Required, Some(file)) =
        (wanted, &config.client_ca)
    else {
        return Ok(None);
    };
    let roots = roots(file)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    // With a list, every certificate of a chain must be on none, and every issuer must have one that has not run out.
    let builder = match revoked(&config.client_crls)? {
        lists if lists.is_empty() => builder,
        lists => builder.with_crls(lists).enforce_revocation_expiration(),
    };
    let builder = match wanted {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    builder
        .build()
        .map(Some)
        .map_err(|e| Problem::about(file, e.to_string()))
}

/// Revocation lists, in PEM or DER.
fn revoked(files: &[PathBuf]) -> Result<Vec<CertificateRevocationListDer<'static>>, Problem> {
    let mut lists = Vec::new();
    for file in files {
        let bytes = std::fs::read(file)
            .map_err(|e| Problem::about(file, format!("cannot be read: {e}")))?;
        let found = match bytes.starts_with(b"-----BEGIN") {
            true => CertificateRevocationListDer::pem_slice_iter(&bytes)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| Problem::about(file, format!("holds no revocation list: {e}")))?,
            false => vec![CertificateRevocationListDer::from(bytes)],
        };
        let (true, Some(ends)) = (!found.is_empty(), found.iter().filter_map(ends).min()) else {
            return Err(
                Problem::about(file, "holds no revocation list that can be read")
                    .hint("a CRL in PEM or DER, with a `nextUpdate`"),
            );
        };
        if ends <= jiff::Timestamp::now().as_second() {
            return Err(Problem::about(
                file,
                "the revocation list has run out: nobody could show a certificate",
            )
            .hint("fetch the current one from where the CA publishes it"));
        }
        lists.extend(found);
    }
    Ok(lists)
}

/// The `nextUpdate` of a revocation list, in seconds since 1970.
fn ends(list: &CertificateRevocationListDer<'_>) -> Option<i64> {
    let (_, list) = CertificateRevocationList::from_der(list).ok()?;
    Some(list.next_update()?.timestamp())
}

/// The authorities of a PEM file; at least one.
///
/// # Errors
/// A file that cannot be read, or that holds something else.
pub fn roots(file: &Path) -> Result<RootCertStore, Problem> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|e| Problem::about(file, format!("holds a certificate that is no CA: {e}")))?;
    }
    Ok(roots)
}

/// The certificates of a PEM file; at least one.
///
/// # Errors
/// A file that cannot be read, or that holds something else.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
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
