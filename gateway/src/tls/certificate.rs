//! What a client certificate says of its holder. Whether that is true has been checked, or not, by others.

use aws_lc_rs::digest;
use der::Decode as _;
use policy::CertificateFacts;
use rustls::pki_types::CertificateDer;
use x509_cert::name::Name;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// What a client certificate says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate {
    /// URIs of the subject alternative name, such as `spiffe://agency.example/app`.
    pub uris: Vec<String>,
    /// DNS names of the subject alternative name.
    pub dns: Vec<String>,
    /// SHA-256 of the certificate, 64 hex digits.
    pub sha256: String,
    /// The issuer (RFC 4514): the most specific part first.
    pub issuer: String,
    /// The subject (RFC 4514).
    pub subject: String,
    /// The subject, DER.
    pub subject_der: Vec<u8>,
    /// Every common name of the subject.
    pub common_names: Vec<String>,
    /// Certificate policies, dotted.
    pub policies: Vec<String>,
    /// Whether the extended key usage names client authentication.
    pub client_auth: bool,
    /// Whether the key usage has digital signatures.
    pub digital_signature: bool,
    /// Whether it is a certification authority's.
    pub is_ca: bool,
    /// The last second in which it is valid, since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// Reads a certificate. What cannot be read says nothing, and so leads to nobody.
    pub fn read(der: &CertificateDer<'_>) -> Certificate {
        let digest = digest::digest(&digest::SHA256, der);
        let mut certificate = Certificate {
            sha256: digest.as_ref().iter().map(|b| format!("{b:02x}")).collect(),
            ..Certificate::default()
        };
        let Ok((_, parsed)) = X509Certificate::from_der(der) else {
            return certificate;
        };
        certificate.not_after = parsed.validity().not_after.timestamp();
        certificate.is_ca = parsed.is_ca();
        certificate.issuer = name(parsed.issuer().as_raw());
        certificate.subject = name(parsed.subject().as_raw());
        certificate.subject_der = parsed.subject().as_raw().to_vec();
        certificate.common_names = parsed
            .subject()
            .iter_common_name()
            // One that is no text is still one too many.
            .map(|name| name.as_str().unwrap_or_default().to_owned())
            .collect();
        for extension in parsed.extensions() {
            certificate.extend(extension.parsed_extension());
        }
        certificate
    }

    fn extend(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
                        GeneralName::DNSName(dns) => self.dns.push((*dns).to_owned()),
                        _ => {}
                    }
                }
            }
            ParsedExtension::CertificatePolicies(policies) => self.policies.extend(
                policies
                    .iter()
                    .map(|policy| policy.policy_id.to_id_string()),
            ),
            ParsedExtension::ExtendedKeyUsage(usage) => self.client_auth |= usage.client_auth,
            ParsedExtension::KeyUsage(usage) => {
                self.digital_signature |= usage.digital_signature();
            }
            _ => {}
        }
    }

    /// The same in the words of the policy.
    pub fn facts(&self) -> CertificateFacts<'_> {
        CertificateFacts {
            san_uris: &self.uris,
            san_dns: &self.dns,
            sha256: &self.sha256,
            issuer: &self.issuer,
            subject_der: &self.subject_der,
            common_names: &self.common_names,
            policies: &self.policies,
            client_auth: self.client_auth,
            digital_signature: self.digital_signature,
            is_ca: self.is_ca,
        }
    }
}

/// A distinguished name as RFC 4514 writes it; empty if it cannot be read.
fn name(der: &[u8]) -> String {
    Name::from_der(der).map_or_else(|_| String::new(), |name| name.to_string())
}
