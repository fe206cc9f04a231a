//! TLS of requests: whom to trust, and what to show.

use std::path::Path;
use std::sync::Arc;

use riverrun_base::{Error, Result};
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use crate::options::Version;

/// Files of PEM.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    /// Certificates of authorities, beside the public ones.
    pub(crate) ca: Option<String>,
    /// What this client shows, and its key.
    pub(crate) identity: Option<(String, String)>,
}

/// Reads the files.
///
/// # Errors
/// One cannot be read, or holds something else.
pub(crate) fn config(files: &TlsFiles, version: Version) -> Result<Arc<ClientConfig>> {
    let builder = trusting(files.ca.as_deref(), "sink.tls.ca")?;
    let mut config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "sink.tls.certificate")?;
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, "sink.tls.key").caused_by(error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| unusable(certificate, "sink.tls.certificate").caused_by(error))?
        }
    };
    config.alpn_protocols = match version {
        Version::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Version::One => vec![b"http/1.1".to_vec()],
        Version::Two => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

/// Who trusts the public authorities, and those whose certificates are in a file that this option names.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub(crate) fn trusting(ca: Option<&str>, option: &'static str) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(ca) = ca {
        for certificate in certificates(ca, option)? {
            roots.add(certificate).map_err(|error| unusable(ca, option).caused_by(error))?;
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("TLS cannot be set up").caused_by(error))?;
    Ok(builder.with_root_certificates(roots))
}

fn certificates(file: &str, option: &'static str) -> Result<Vec<CertificateDer<'static>>> {
    let all =
        CertificateDer::pem_file_iter(Path::new(file)).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    match all {
        Ok(all) if all.is_empty() => Err(unusable(file, option).hint("it has no certificate in PEM")),
        Ok(all) => Ok(all),
        Err(error) => Err(unusable(file, option).caused_by(error)),
    }
}

fn unusable(file: &str, option: &'static str) -> Error {
    Error::user(format!("cannot use the file {file}")).with("option", option)
}
