//! TLS and HTTP/2. The certificates in `certificates` are for these tests and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use riverrun_connect::Flush;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::harness::{Writing, table};

pub(crate) fn file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/certificates").join(name).display().to_string()
}

/// What the server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    One,
    Two,
}

/// A server that answers 200, and remembers version, authority and body of each request.
pub(crate) struct Encrypted {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<(Version, String, Bytes)>>>,
    _runtime: Runtime,
}

impl Encrypted {
    pub(crate) fn start(with_tls: bool, speaks: Speaks, asks_for_client: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = with_tls.then(|| acceptor(speaks, asks_for_client));
        let seen: Arc<Mutex<Vec<(Version, String, Bytes)>>> = Arc::default();
        let journal = Arc::clone(&seen);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, journal) = (acceptor.clone(), Arc::clone(&journal));
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(TokioIo::new(stream), speaks, journal).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(TokioIo::new(stream), speaks, journal).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, _runtime: runtime }
    }

    pub(crate) fn seen(&self) -> Vec<(Version, String, Bytes)> {
        self.seen.lock().unwrap().clone()
    }
}

fn acceptor(speaks: Speaks, asks_for_client: bool) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = if asks_for_client {
        builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
        )
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let mut config =
        builder.with_single_cert(chain, PrivateKeyDer::from_pem_file(file("server.key")).unwrap()).unwrap();
    config.alpn_protocols = vec![if speaks == Speaks::Two { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve<I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static>(
    io: I,
    speaks: Speaks,
    journal: Arc<Mutex<Vec<(Version, String, Bytes)>>>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let journal = Arc::clone(&journal);
        async move {
            let version = request.version();
            let authority = request.uri().authority().map(ToString::to_string);
            let authority = authority.or_else(|| Some(request.headers().get("host")?.to_str().ok()?.to_owned()));
            let body = request.into_body().collect().await?.to_bytes();
            journal.lock().unwrap().push((version, authority.unwrap_or_default(), body));
            Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        }
    });
    // The client's going away is its matter.
    let _ = match speaks {
        Speaks::One => hyper::server::conn::http1::Builder::new().serve_connection(io, service).await,
        Speaks::Two => {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
        }
    };
}

/// Sends 20 rows. The error, if they do not arrive.
pub(crate) fn send(url: &str, options: &[(&str, &str)]) -> Option<String> {
    let mut all = vec![
        ("url", url),
        ("format", "raw"),
        ("sink.threshold.retries", "1"),
        ("sink.retry.initial-backoff", "1 ms"),
        ("sink.threshold.timeout", "10 s"),
    ];
    all.extend(options);
    let mut writing = Writing::open(&table(&["v"], &all));
    writing.write_each((0..20).map(|n| n.to_string()));
    writing.writer.flush(Flush::End).err().map(|error| error.to_string())
}

#[test]
fn rows_go_through_tls_by_either_version_of_http() {
    for (speaks, version) in [(Speaks::One, Version::HTTP_11), (Speaks::Two, Version::HTTP_2)] {
        let server = Encrypted::start(true, speaks, false);
        let url = format!("https://localhost:{}/in", server.address.port());
        assert_eq!(send(&url, &[("sink.tls.ca", &file("ca.pem"))]), None);
        let seen = server.seen();
        assert_eq!(seen.len(), 20);
        assert!(
            seen.iter()
                .all(|(seen, authority, _)| *seen == version
                    && *authority == format!("localhost:{}", server.address.port())),
            "{seen:?}"
        );
    }
}

#[test]
fn http_2_is_spoken_without_tls_where_that_is_asked_for() {
    let server = Encrypted::start(false, Speaks::Two, false);
    assert_eq!(send(&format!("http://{}/in", server.address), &[("sink.http-version", "2")]), None);
    assert!(server.seen().len() == 20 && server.seen().iter().all(|(version, ..)| *version == Version::HTTP_2));
}

#[test]
fn a_server_of_another_authority_or_name_gets_nothing() {
    let server = Encrypted::start(true, Speaks::One, false);
    let url = format!("https://127.0.0.1:{}/in", server.address.port());
    for options in [&[][..], &[("sink.tls.ca", file("other.pem"))]] {
        let options: Vec<(&str, &str)> = options.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let error = send(&url, &options).unwrap();
        assert!(error.contains("certificate") && error.contains("TLS"), "{error}");
    }
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn a_server_that_wants_to_know_its_client_is_shown_a_certificate() {
    let server = Encrypted::start(true, Speaks::One, true);
    let url = format!("https://127.0.0.1:{}/in", server.address.port());
    let ca = file("ca.pem");
    let error = send(&url, &[("sink.tls.ca", &ca)]).unwrap();
    assert!(error.contains("could not be delivered") && server.seen().is_empty(), "{error}");
    assert_eq!(
        send(
            &url,
            &[
                ("sink.tls.ca", &ca),
                ("sink.tls.certificate", &file("client.pem")),
                ("sink.tls.key", &file("client.key"))
            ]
        ),
        None
    );
    assert_eq!(server.seen().len(), 20);
}
