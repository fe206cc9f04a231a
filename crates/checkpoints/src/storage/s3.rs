//! S3, and what speaks its protocol.
//!
//! An object is whole or not there, and durable when its PUT is answered. A file is created by `If-None-Match: *`; a server that ignores
//! that is found by [`super::check()`].

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig};
use riverrun_base::{Error, Result};

use super::location::Location;
use super::network::{Failure, Pieces, Remote};
use super::{Entry, StoreOptions};

/// How many objects of a folder are removed at once.
const REMOVED_AT_ONCE: usize = 16;

/// A bucket, and the connections to it.
#[derive(Debug)]
pub(super) struct Bucket(AmazonS3);

impl Bucket {
    pub(super) fn new(name: &str, options: &StoreOptions) -> Result<Self> {
        // Limits and repeating are this crate's matter, by the size of what is moved.
        let client = ClientOptions::new().with_timeout_disabled();
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let mut builder = match (&options.s3_access_key, &options.s3_secret_key) {
            // Nothing of the environment's identity may mix with that of the options.
            (Some(key), Some(secret)) => AmazonS3Builder::new()
                .with_access_key_id(key.expose())
                .with_secret_access_key(secret.expose())
                .with_region(variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| "us-east-1".to_owned())),
            _ => AmazonS3Builder::from_env(),
        };
        if let Some(token) = &options.s3_session_token {
            builder = builder.with_token(token.expose());
        }
        if let Some(region) = &options.s3_region {
            builder = builder.with_region(region);
        }
        let endpoint = options.s3_endpoint.clone().or_else(|| variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
        if let Some(endpoint) = &endpoint {
            builder = builder.with_endpoint(endpoint_of(endpoint, name, options.s3_path_style));
        }
        let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client = client.with_allow_http(plain);
        let builder = builder.with_bucket_name(name).with_retry(retry).with_client_options(client);
        let built = builder.with_virtual_hosted_style_request(!options.s3_path_style).build();
        built.map(Self).map_err(|error| {
            let hint = "check 's3.endpoint', 's3.region', 's3.access-key' and 's3.secret-key', or the variables AWS_*";
            Error::user(format!("cannot open s3://{name}")).caused_by(error).hint(hint)
        })
    }
}

/// The first of these variables that is set: Amazon's tools read them.
fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok())
}

/// The address of requests: with a scheme, and with the bucket in the host where it is not in the path.
fn endpoint_of(endpoint: &str, bucket: &str, path_style: bool) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", endpoint));
    if path_style { format!("{scheme}://{host}") } else { format!("{scheme}://{bucket}.{host}") }
}

/// What stands before the keys of a folder's objects.
#[derive(Debug)]
pub(super) struct S3 {
    bucket: Arc<Bucket>,
    url: String,
    prefix: String,
}

impl S3 {
    pub(super) fn new(bucket: Arc<Bucket>, location: &Location) -> Self {
        Self { bucket, url: location.to_string(), prefix: location.path.trim_start_matches('/').to_owned() }
    }

    fn key(&self, path: &str) -> Result<Path, Failure> {
        Path::parse(format!("{}/{path}", self.prefix)).map_err(|error| Failure::Refused(error.to_string(), None))
    }

    async fn put_as(&self, path: &str, bytes: &[u8], mode: PutMode) -> Result<(), Failure> {
        let payload = PutPayload::from(bytes.to_vec());
        let put = self.bucket.0.put_opts(&self.key(path)?, payload, mode.into()).await;
        match put.map(drop).map_err(classified) {
            // What is missing when a file is written is the bucket.
            Err(Failure::Absent) => Err(no_bucket()),
            outcome => outcome,
        }
    }
}

impl Remote for S3 {
    fn url(&self) -> &str {
        &self.url
    }

    fn unreachable(&self) -> &'static str {
        "is 's3.endpoint' (or AWS_ENDPOINT_URL) the server's address, is the server running and reachable from here, and are there \
         credentials ('s3.access-key' and 's3.secret-key', or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)?"
    }

    async fn put_new(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.put_as(path, bytes, PutMode::Create).await
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.put_as(path, bytes, PutMode::Overwrite).await
    }

    async fn get(&self, path: &str) -> Result<Pieces<'_>, Failure> {
        let found = self.bucket.0.get(&self.key(path)?).await.map_err(classified)?;
        Ok(found.into_stream().map_err(classified).boxed())
    }

    async fn head(&self, path: &str) -> Result<(), Failure> {
        self.bucket.0.head(&self.key(path)?).await.map(drop).map_err(classified)
    }

    async fn entries(&self, folder: &str) -> Result<Vec<Entry>, Failure> {
        let listed = self.bucket.0.list_with_delimiter(Some(&self.key(folder)?)).await.map_err(classified)?;
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        let folders = listed.common_prefixes.iter().map(|path| Entry { name: name(path), bytes: None });
        let files =
            listed.objects.iter().map(|object| Entry { name: name(&object.location), bytes: Some(object.size) });
        Ok(folders.chain(files).collect())
    }

    async fn remove(&self, path: &str) -> Result<(), Failure> {
        self.bucket.0.delete(&self.key(path)?).await.map_err(classified)
    }

    async fn remove_folder(&self, folder: &str) -> Result<(), Failure> {
        let objects = self.bucket.0.list(Some(&self.key(folder)?));
        let removed = objects.map_ok(|object| async move { self.bucket.0.delete(&object.location).await });
        let mut removed = removed.try_buffer_unordered(REMOVED_AT_ONCE);
        while let Some(outcome) = removed.next().await {
            outcome.map_err(classified)?;
        }
        Ok(())
    }
}

fn no_bucket() -> Failure {
    Failure::Refused("there is no such bucket".to_owned(), Some("make the bucket, or name another"))
}

/// What an answer of S3 means for a try.
fn classified(error: object_store::Error) -> Failure {
    use object_store::Error as S3Error;
    const KEYS: &str = "check 's3.access-key' and 's3.secret-key' (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), \
                        and that they may read, write, list and delete there";
    let text = chain(&error);
    match &error {
        S3Error::NotFound { .. } if text.contains("NoSuchBucket") => no_bucket(),
        S3Error::NotFound { .. } => Failure::Absent,
        S3Error::AlreadyExists { .. } | S3Error::Precondition { .. } => Failure::Taken,
        S3Error::PermissionDenied { .. } | S3Error::Unauthenticated { .. } => Failure::Refused(text, Some(KEYS)),
        S3Error::Generic { .. } if text.contains("redirect") => {
            Failure::Refused(text, Some("set 's3.region' (or AWS_REGION) to the bucket's region"))
        }
        S3Error::Generic { .. } if is_clients_fault(&text) => Failure::Refused(text, None),
        S3Error::Generic { .. } | S3Error::JoinError { .. } => Failure::Passing(text),
        _ => Failure::Refused(text, None),
    }
}

/// Whether the server answered a status 4xx that stays, by the client's text: its type is private.
fn is_clients_fault(text: &str) -> bool {
    let status = text.split_once("status code: 4").map_or("", |(_, rest)| rest);
    !status.is_empty() && !status.starts_with("08") && !status.starts_with("29")
}

/// An error with what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_scheme_and_the_bucket_where_it_belongs() {
        for (written, path_style, endpoint) in [
            ("http://h:9000/", true, "http://h:9000"),
            ("h:9000", true, "https://h:9000"),
            ("http://h:9000", false, "http://b.h:9000"),
        ] {
            assert_eq!(endpoint_of(written, "b", path_style), endpoint);
        }
    }

    #[test]
    fn a_status_that_stays_is_told_from_one_that_passes() {
        let text = |status: &str| format!("Server returned non-2xx status code: {status}: <Error/>");
        assert!(is_clients_fault(&text("400 Bad Request")));
        for passing in ["429 Too Many Requests", "408 Request Timeout", "503 Service Unavailable"] {
            assert!(!is_clients_fault(&text(passing)));
        }
    }
}
