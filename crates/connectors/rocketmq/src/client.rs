//! Clients of the cluster, and how a task's thread waits for them.

use std::future::Future;
use std::time::Duration;

use riverrun_base::{Error, Result, Secret};
use riverrun_connect::{Cancellation, TaskContext, io_runtime};
use riverrun_rocketmq_client::{Client, ClientOptions, Credentials, Tls};
use tokio::runtime::Handle;

use crate::options::TlsVerify;

/// How the cluster is reached.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    options: ClientOptions,
    /// The name servers, for errors.
    pub(crate) name_servers: String,
}

/// What a user says about it.
pub(crate) struct Access {
    pub(crate) name_servers: String,
    pub(crate) access_key: Option<String>,
    pub(crate) secret_key: Option<Secret>,
    pub(crate) tls: TlsAccess,
    pub(crate) heartbeat_ms: u64,
    pub(crate) route_ms: u64,
    pub(crate) pause_ms: u64,
}

/// What a user says about encryption.
pub(crate) struct TlsAccess {
    pub(crate) enabled: bool,
    pub(crate) verify: TlsVerify,
    /// A file with authorities.
    pub(crate) trust: Option<String>,
    /// Files with a certificate and its key.
    pub(crate) identity: (Option<String>, Option<String>),
}

impl TlsAccess {
    /// # Errors
    /// What does not go together.
    fn tls(self) -> Result<Option<Tls>> {
        let Self { enabled, verify, trust, identity } = self;
        if !enabled {
            if verify != TlsVerify::Full || trust.is_some() || identity != (None, None) {
                return Err(Error::user("connections are not encrypted, and there is more to say about it")
                    .with("option", "useTls")
                    .hint("set 'useTls' ('rocketmq.client.tls.enable' in programs) to 'true', or remove the other options of TLS"));
            }
            return Ok(None);
        }
        let mut tls = match verify {
            TlsVerify::Nothing if trust.is_some() => {
                return Err(Error::user("authorities are given, and certificates are not to be checked")
                    .with("option", "tlsVerify")
                    .hint("remove 'tlsTrustCertPath', or have certificates checked: 'full' or 'authority'"));
            }
            TlsVerify::Nothing => Tls::unverified(),
            TlsVerify::Authority => Tls::verified().any_host(),
            TlsVerify::Full => Tls::verified(),
        };
        if let Some(file) = trust {
            tls = tls.authority(file);
        }
        match identity {
            (Some(certificate), Some(key)) => Ok(Some(tls.identity(certificate, key))),
            (None, None) => Ok(Some(tls)),
            _ => Err(Error::user("a certificate and its key go together")
                .hint("set both 'tlsCertPath' and 'tlsKeyPath', or neither")),
        }
    }
}

impl Connection {
    /// Checks what the user says.
    ///
    /// # Errors
    /// An address is none, or one of the two keys is missing.
    pub(crate) fn new(access: Access) -> Result<Self> {
        // Java's clients are given commas as well.
        let name_servers = access.name_servers.replace(',', ";");
        let mut options =
            ClientOptions::new(&name_servers).map_err(|error| error.with("option", "nameServerAddress"))?;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let secret = access.secret_key.filter(|secret| !secret.expose().is_empty());
        options.credentials = match (given(access.access_key), secret) {
            (Some(key), Some(secret)) => Some(Credentials::new(key, secret)),
            (None, None) => None,
            _ => {
                return Err(Error::user("the access key and the secret key go together").hint(
                    "set both 'accessKey' and 'secretKey' ('access.key' and 'secret.key' in programs), or neither",
                ));
            }
        };
        options.tls = access.tls.tls()?;
        options.heartbeat_interval = Duration::from_millis(access.heartbeat_ms.max(1));
        options.route_interval = Duration::from_millis(access.route_ms.max(1));
        options.pause_max = Duration::from_millis(access.pause_ms.max(100));
        Ok(Self { options, name_servers })
    }

    /// A client; nothing is asked of any server yet.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn open(&self) -> Result<Client> {
        let handle = io_runtime()?;
        let _inside = handle.enter();
        Client::new(self.options.clone())
    }
}

/// Waits, in a task's thread, for what the shared I/O runtime does.
#[derive(Clone, Debug)]
pub(crate) struct Io {
    pub(crate) handle: Handle,
    cancellation: Cancellation,
}

impl Io {
    /// For a task.
    ///
    /// # Errors
    /// The operating system gives no threads.
    pub(crate) fn new(context: &TaskContext) -> Result<Self> {
        Ok(Self { handle: io_runtime()?, cancellation: context.cancellation.clone() })
    }

    /// What the future becomes, unless the job stops first.
    ///
    /// # Errors
    /// Those of the future, or [`Error::canceled`].
    pub(crate) fn wait<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.handle.block_on(async {
            tokio::select! {
                biased;
                () = self.cancellation.canceled() => Err(Error::canceled()),
                outcome = future => outcome,
            }
        })
    }

    /// Sleeps, unless the job stops first.
    ///
    /// # Errors
    /// [`Error::canceled`].
    pub(crate) fn sleep(&self, time: Duration) -> Result<()> {
        self.cancellation.sleep(time)
    }

    /// Whether the job stops.
    pub(crate) fn is_canceled(&self) -> bool {
        self.cancellation.is_canceled()
    }
}
