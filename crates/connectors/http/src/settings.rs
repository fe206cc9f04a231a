//! The options, checked together.

use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use riverrun_base::options::OptionReader;
use riverrun_base::{Error, Result, Secret};

use crate::client::{Auth, ClientSettings, Proxy, TlsFiles, basic};
use crate::core::{Batching, CoreSettings, Exhaustion};
use crate::failover::StoreSettings;
use crate::guard::Guard;
use crate::options::{
    BatchFormat, Compression, Concurrency, HttpOptions, OnExhausted, Probe, SECOND, Storage, StoreOptions,
};
use crate::url::Url;

/// What a writer goes by.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// When what is sent.
    pub(crate) core: CoreSettings,
    /// How it is sent.
    pub(crate) client: ClientSettings,
    /// Where records go whose tries are spent: the first store, and the second.
    pub(crate) stores: Vec<StoreSettings>,
    /// How long the stores may fail.
    pub(crate) failover_timeout: Duration,
    /// What is done about a store that cannot be reached at the start.
    pub(crate) probe: Probe,
    /// Whether bodies are shown in logs.
    pub(crate) log_bodies: bool,
}

impl Settings {
    /// Checks options; `fixed` is the destination, where no record chooses it. `headers` are those without columns.
    ///
    /// # Errors
    /// The user's mistakes.
    pub(crate) fn new(
        options: &HttpOptions,
        fixed: Option<&Url>,
        headers: HeaderMap,
        reader: &mut OptionReader,
    ) -> Result<Self> {
        let stores = stores(reader)?;
        let exhaustion = exhaustion(options.on_exhausted, !stores.is_empty())?;
        let auth = auth(options)?;
        let mut own: Vec<_> = fixed.iter().map(|url| &*url.origin).collect();
        if let Auth::ClientCredentials { url, .. } = &auth {
            own.push(&url.origin);
        }
        if fixed.is_none() && options.allowed.is_none() && !matches!(auth, Auth::None) {
            return Err(Error::user("credentials would be sent wherever a record says")
                .with("option", "sink.auth.*")
                .hint("say in 'sink.allowed-destinations' who may have them"));
        }
        let guard = Guard::new(options.allowed.as_deref(), &own)?;
        let client = ClientSettings {
            guard,
            version: options.version,
            tls: tls(options)?,
            proxy: proxy(options)?,
            auth,
            timeout: positive(options.request_timeout, "sink.threshold.request-timeout")?,
            keep_alive: positive(options.keep_alive, "sink.keep-alive")?,
            most_idle: options.requests,
            headers,
            compression: compression(options.compression)?,
            idempotency: idempotency(options)?,
            batch: options.batch_format,
            results: results(options)?,
            success: options.success_codes,
        };
        Ok(Self {
            core: core(options, exhaustion)?,
            client,
            stores,
            failover_timeout: options.failover_timeout,
            probe: options.probe,
            log_bodies: options.log_bodies,
        })
    }

    /// As a subtask of `parallelism` has them: a rate is for all of them together.
    pub(crate) fn share(mut self, parallelism: usize) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "a number of subtasks")]
        let share = parallelism.max(1) as f64;
        self.core.rate = self.core.rate.map(|rate| rate / share);
        self
    }
}

fn core(options: &HttpOptions, exhaustion: Exhaustion) -> Result<CoreSettings> {
    let at_least_one = |value: usize, option: &'static str| match value {
        0 => Err(Error::user(format!("'{option}' is 0, and nothing would ever be sent")).hint("it is 1 at least")),
        value => Ok(value),
    };
    let bytes = |value: riverrun_base::MemorySize| usize::try_from(value.0).unwrap_or(usize::MAX);
    let batching = match options.batch_format {
        BatchFormat::None => None,
        _ => Some(Batching {
            rows: at_least_one(options.batch_rows, "sink.batch.max-rows")?,
            bytes: at_least_one(bytes(options.batch_bytes), "sink.batch.max-bytes")?,
            age: options.batch_age,
        }),
    };
    let rate = match options.rate_limit {
        Some(rate) if !(rate.is_finite() && rate > 0.0) => {
            return Err(
                Error::user(format!("{rate} is no number of requests a second")).with("option", "sink.rate-limit")
            );
        }
        rate => rate,
    };
    Ok(CoreSettings {
        queue_rows: at_least_one(options.queue_rows, "sink.threshold.queue-capacity")?,
        queue_bytes: at_least_one(bytes(options.queue_bytes), "sink.queue.max-bytes")?,
        requests: at_least_one(options.requests, "sink.threshold.num-writers")?,
        is_adaptive: options.concurrency == Concurrency::Adaptive,
        retries: options.retries,
        retry_timeout: options.retry_timeout,
        initial_backoff: options.initial_backoff,
        max_backoff: options.max_backoff,
        success_codes: options.success_codes,
        retry_codes: options.retry_codes,
        fatal_codes: options.fatal_codes,
        bisect_codes: options.bisect_codes,
        batching,
        rate,
        breaker_failures: options.breaker_failures,
        breaker_pause: options.breaker_pause,
        exhaustion,
    })
}

fn exhaustion(said: Option<OnExhausted>, has_store: bool) -> Result<Exhaustion> {
    match said {
        Some(OnExhausted::Failover) if !has_store => Err(Error::user(
            "'sink.on-exhausted' = 'failover' needs a failover store",
        )
        .hint("add 'sink.failover.storage' = 'local', 'kafka', 'mysql', 'postgresql', 'sqlite', 'hbase' or 'hdfs'")),
        Some(OnExhausted::Fail | OnExhausted::Drop) if has_store => {
            Err(Error::user("there is a failover store, and 'sink.on-exhausted' does not use it")
                .hint("write 'sink.on-exhausted' = 'failover', or remove 'sink.failover.storage'"))
        }
        Some(OnExhausted::Drop) => Ok(Exhaustion::Drop),
        Some(OnExhausted::Fail) => Ok(Exhaustion::Fail),
        Some(OnExhausted::Failover) => Ok(Exhaustion::Failover),
        None if has_store => Ok(Exhaustion::Failover),
        None => Ok(Exhaustion::Fail),
    }
}

fn stores(reader: &mut OptionReader) -> Result<Vec<StoreSettings>> {
    let first: StoreOptions = reader.read()?;
    let second_is_there = reader.peek(&format!("{SECOND}sink.failover.storage")).is_some();
    let mut all = Vec::new();
    if first.storage == Storage::None {
        if second_is_there {
            return Err(Error::user("there is a second failover store and no first")
                .hint("write 'sink.failover.storage' for the one store there is"));
        }
        return Ok(all);
    }
    all.push(StoreSettings::new(first)?);
    if second_is_there {
        let second: StoreOptions = reader.read_under(SECOND)?;
        all.push(StoreSettings::new(second).map_err(|error| error.with("store", "second"))?);
    }
    Ok(all)
}

fn auth(options: &HttpOptions) -> Result<Auth> {
    let missing =
        |key: &str| Error::user(format!("'{key}' is missing")).hint("the options of one way to authorize go together");
    let basics = options.basic_username.is_some() || options.basic_password.is_some();
    let oauth = options.oauth_url.is_some() || options.oauth_id.is_some() || options.oauth_secret.is_some();
    if [basics, options.bearer.is_some(), oauth].into_iter().filter(|is| *is).count() > 1 {
        return Err(Error::user("requests can be authorized in one way only")
            .hint("keep one of 'sink.auth.basic.*', 'sink.auth.bearer-token', 'sink.auth.oauth2.*'"));
    }
    if basics {
        let user = options.basic_username.as_ref().ok_or_else(|| missing("sink.auth.basic.username"))?;
        return Ok(Auth::Header(basic(user, options.basic_password.as_ref().map_or("", Secret::expose))));
    }
    if let Some(token) = &options.bearer {
        return Ok(Auth::Header(Secret::new(format!("Bearer {}", token.expose()))));
    }
    if !oauth {
        return Ok(Auth::None);
    }
    let url = options.oauth_url.as_ref().ok_or_else(|| missing("sink.auth.oauth2.token-url"))?;
    let url = Url::parse(url).map_err(|why| {
        Error::user(format!("the URL of the tokens is not valid: {why}")).with("option", "sink.auth.oauth2.token-url")
    })?;
    Ok(Auth::ClientCredentials {
        url,
        id: options.oauth_id.clone().ok_or_else(|| missing("sink.auth.oauth2.client-id"))?,
        secret: options.oauth_secret.clone().ok_or_else(|| missing("sink.auth.oauth2.client-secret"))?,
        scope: options.oauth_scope.clone(),
    })
}

fn tls(options: &HttpOptions) -> Result<TlsFiles> {
    let identity = match (&options.tls_certificate, &options.tls_key) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        _ => return Err(Error::user("'sink.tls.certificate' and 'sink.tls.key' go together").hint("add the other one")),
    };
    Ok(TlsFiles { ca: options.tls_ca.clone(), identity })
}

fn proxy(options: &HttpOptions) -> Result<Option<Proxy>> {
    let Some(text) = &options.proxy else {
        if options.proxy_username.is_some() || options.proxy_password.is_some() {
            return Err(Error::user("there is a user of a proxy and no proxy").hint("add 'sink.proxy.url'"));
        }
        return Ok(None);
    };
    let bad = |why: &str| {
        Error::user(format!("'{text}' is no proxy: {why}"))
            .with("option", "sink.proxy.url")
            .hint("write http://host:port")
    };
    let url = Url::parse(text).map_err(|why| bad(&why))?;
    if url.origin.is_https || url.target.as_str() != "/" {
        return Err(bad("it is spoken to by HTTP, without TLS and without a path"));
    }
    let password = options.proxy_password.as_ref().map_or("", Secret::expose);
    let authorization = options.proxy_username.as_ref().map(|user| basic(user, password));
    Ok(Some(Proxy { host: url.origin.host.clone(), port: url.origin.port, authorization }))
}

fn compression(asked: Compression) -> Result<Compression> {
    if asked == Compression::Zstd && !cfg!(feature = "zstd") {
        return Err(Error::user("this build does not have Zstandard")
            .with("option", "sink.compression")
            .hint("use 'gzip'"));
    }
    Ok(asked)
}

fn idempotency(options: &HttpOptions) -> Result<Option<HeaderName>> {
    let Some(name) = &options.idempotency_header else {
        return Ok(None);
    };
    let name = header_name(name).map_err(|error| error.with("option", "sink.idempotency-key.header"))?;
    Ok(Some(name))
}

fn results(options: &HttpOptions) -> Result<Option<(String, String)>> {
    let Some(items) = &options.batch_results else { return Ok(None) };
    for (pointer, option) in [(items, "sink.batch.results"), (&options.batch_status, "sink.batch.results.status")] {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(Error::user(format!("'{pointer}' is no JSON pointer"))
                .with("option", option)
                .hint("it begins with '/'"));
        }
    }
    if options.batch_format == BatchFormat::None {
        return Err(Error::user("'sink.batch.results' is for batches").hint("add 'sink.batch.format'"));
    }
    Ok(Some((items.clone(), options.batch_status.clone())))
}

fn positive(duration: Duration, option: &'static str) -> Result<Duration> {
    if duration.is_zero() {
        return Err(Error::user("it must be more than nothing").with("option", option));
    }
    Ok(duration)
}

/// A header's name, if it is one that may be set.
///
/// # Errors
/// It is no name, or one that belongs to the message itself.
pub(crate) fn header_name(name: &str) -> Result<HeaderName> {
    let parsed: HeaderName = name.parse().map_err(|_| Error::user(format!("'{name}' is no name of a header")))?;
    let own = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "proxy-authorization",
    ];
    if own.contains(&parsed.as_str()) {
        return Err(Error::user(format!("the header '{name}' is the client's own and cannot be set")));
    }
    Ok(parsed)
}

/// A header's value: without line ends and other control characters, so nothing can be slipped in behind it.
///
/// # Errors
/// It has such a character. The value is not told.
pub(crate) fn header_value(name: &str, value: &str) -> Result<HeaderValue> {
    HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| Error::user(format!("the value of the header '{name}' has characters that no header can have")))
}
