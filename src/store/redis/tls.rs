use std::sync::Arc;

use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A client certificate and its key, in PEM.
#[derive(Clone)]
pub(super) struct ClientCertificate {
    pub(super) chain: Vec<u8>,
    pub(super) key: Arc<Zeroizing<Vec<u8>>>,
}

/// TLS that trusts the certificates of `authorities` (PEM) alone, or without them those that this system trusts. The provider of
/// cryptography is named here, so that the process's default, or none, does not matter.
pub(super) fn connector(authorities: Option<&[u8]>, own: Option<&ClientCertificate>) -> Result<TlsConnector> {
    let unusable = |error| Error::configuration("TLS for Redis could not be set up; its source says why").with_source(error);
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match authorities {
        Some(pem) => builder.with_root_certificates(roots(pem)?),
        None => builder.with_platform_verifier().map_err(unusable)?,
    };
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            let refused = "the client certificate for Redis cannot be used; give its chain and its private key in PEM";
            let key = PrivateKeyDer::from_pem_slice(&own.key).map_err(|_| Error::configuration(refused))?;
            let chain = certificates(&own.chain, refused)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| Error::configuration(refused).with_source(error))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(pem: &[u8]) -> Result<RootCertStore> {
    let refused =
        "the certificate authority for Redis is no certificate in PEM; give one that begins with -----BEGIN CERTIFICATE-----";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, refused)? {
        roots.add(certificate).map_err(|error| Error::configuration(refused).with_source(error))?;
    }
    Ok(roots)
}

/// At least one.
fn certificates(pem: &[u8], refused: &'static str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| Error::configuration(refused).with_source(error))?;
    if certificates.is_empty() { Err(Error::configuration(refused)) } else { Ok(certificates) }
}
