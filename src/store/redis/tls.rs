use std::sync::Arc;

use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};

/// How a connection is encrypted, and who has to be at its other end.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) server_name: ServerName<'static>,
}

impl Tls {
    /// Trusts the certificates of `authorities` (PEM) alone, or without them whoever this system trusts. The cryptography is
    /// named here: whatever other crates made the process's default, or left undecided, does not matter.
    pub(super) fn new(server_name: ServerName<'static>, authorities: Option<&[u8]>) -> Result<Self> {
        let unusable = |error| Error::configuration("TLS for Redis could not be set up; its source says why").with_source(error);
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let builder = match authorities {
            Some(pem) => builder.with_root_certificates(roots(pem)?),
            None => builder.with_platform_verifier().map_err(unusable)?,
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(builder.with_no_client_auth())), server_name })
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore> {
    let refused =
        "the certificate authority for Redis is no certificate in PEM; give one that begins with -----BEGIN CERTIFICATE-----";
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| Error::configuration(refused).with_source(error))?;
        roots.add(certificate).map_err(|error| Error::configuration(refused).with_source(error))?;
    }
    if roots.is_empty() { Err(Error::configuration(refused)) } else { Ok(roots) }
}
