//! Encrypted connections, by rustls. A RocketMQ server tells TLS from plain text by the first byte, on the same port.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use riverrun_base::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address;

/// How connections are encrypted, and how far servers' certificates are checked.
#[derive(Clone, Debug)]
pub struct Tls {
    check: Check,
    authority: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Nothing,
    Authority,
    AuthorityAndHost,
}

impl Tls {
    /// Certificates are checked against the public authorities, and against the server's address.
    #[must_use]
    pub fn verified() -> Self {
        Self { check: Check::AuthorityAndHost, authority: None, identity: None }
    }

    /// Whoever answers is taken for the server, as Java's client does by default (`tls.client.authServer=false`): this
    /// keeps listeners out, not impostors.
    #[must_use]
    pub fn unverified() -> Self {
        Self { check: Check::Nothing, authority: None, identity: None }
    }

    /// Checks certificates against those of a PEM file, instead of the public authorities.
    #[must_use]
    pub fn authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.authority = Some(file.into());
        self
    }

    /// Takes a certificate of the right authority whatever host it is made out to: brokers are known by numbers.
    #[must_use]
    pub fn any_host(mut self) -> Self {
        if self.check == Check::AuthorityAndHost {
            self.check = Check::Authority;
        }
        self
    }

    /// Shows servers that ask for one this certificate; PEM files of the chain and of its key.
    #[must_use]
    pub fn identity(mut self, certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((certificates.into(), key.into()));
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    /// One cannot be read, or does not hold what it should.
    pub(crate) fn connector(&self) -> Result<TlsConnector> {
        let provider = Arc::new(ring::default_provider());
        let internal = |error: rustls::Error| Error::internal("TLS cannot be set up").caused_by(error);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(internal)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.verifier(provider)?));
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificates, key)) => {
                let unusable = |error| unusable(key, error);
                let private = PrivateKeyDer::from_pem_file(key).map_err(unusable)?;
                builder.with_client_auth_cert(read_certificates(certificates)?, private).map_err(|error| {
                    Error::user(format!("{} and {} are no identity", certificates.display(), key.display()))
                        .caused_by(error)
                })?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Verifier> {
        let mut roots = RootCertStore::empty();
        match &self.authority {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(file) => {
                for certificate in read_certificates(file)? {
                    roots.add(certificate).map_err(|error| {
                        Error::user(format!("{} holds no usable certificate", file.display())).caused_by(error)
                    })?;
                }
            }
        }
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| Error::user("no certificate to check the servers' against").caused_by(error))?;
        Ok(Verifier { check: self.check, chain, provider })
    }
}

fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unusable(file, error))?;
    certificates.collect::<Result<_, _>>().map_err(|error| unusable(file, error))
}

fn unusable(file: &Path, error: rustls::pki_types::pem::Error) -> Error {
    Error::user(format!("cannot read {} as PEM", file.display())).caused_by(error.to_string())
}

/// Encrypts a connection to this address.
pub(crate) async fn connect(
    connector: &TlsConnector,
    address: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(address::host(address).to_owned())
        .map_err(|error| Error::user("the server's address cannot be checked").caused_by(error))?;
    connector.connect(name, stream).await.map_err(|error| {
        let is_about_certificate = error.to_string().contains("certificate");
        let error = Error::external(format!("no encrypted connection with {address}")).caused_by(error);
        if is_about_certificate {
            error.hint("name the authority that signed the server's certificate ('tls.client.trustCertPath'), or check no certificates")
        } else {
            error.hint("does the server take TLS (tls.server.mode)?").retryable()
        }
    })
}

/// Checks the server's certificate as far as is asked for; its signatures always.
#[derive(Debug)]
struct Verifier {
    check: Check,
    chain: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.check == Check::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        match self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // the chain is checked before the name
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Authority => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
