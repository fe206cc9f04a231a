//! The stores that a job's checkpoints can be in, by URL.

use std::collections::BTreeMap;
use std::sync::Arc;
#[cfg(any(feature = "hdfs", feature = "s3"))]
use std::sync::{Mutex, PoisonError};

use riverrun_base::{Error, Result, Secret};

#[cfg(feature = "hdfs")]
use super::hdfs::{Client, Hdfs};
use super::local::Local;
use super::location::{Location, Scheme};
#[cfg(any(feature = "hdfs", feature = "s3"))]
use super::network::{Network, Patience};
#[cfg(feature = "s3")]
use super::s3::{Bucket, S3};
use super::{Storage, check};

riverrun_base::options! {
    /// How stores are reached. Without keys, S3 is reached as Amazon's tools do: by the variables `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`, or the machine's role. HDFS reads the files of
    /// `HADOOP_CONF_DIR`.
    pub struct StoreOptions {
        /// Address of an S3 server that is not Amazon's.
        "s3.endpoint" => s3_endpoint: Option<String>,
        /// Access key of S3.
        "s3.access-key" | "s3.access.key" => s3_access_key: Option<Secret>,
        /// Secret key of S3.
        "s3.secret-key" | "s3.secret.key" => s3_secret_key: Option<Secret>,
        /// Session token of S3, for keys that expire.
        "s3.session-token" | "s3.session.token" => s3_session_token: Option<Secret>,
        /// Region of S3.
        "s3.region" | "s3.endpoint.region" => s3_region: Option<String>,
        /// Whether the bucket stands in the path of S3's URLs, not in the host's name.
        "s3.path.style.access" | "s3.path-style-access" => s3_path_style: bool = "true",
        /// Passed to the HDFS client as Hadoop's settings, over those of `HADOOP_CONF_DIR`.
        "flink.hadoop.*" => hadoop: BTreeMap<String, String>,
    }
}

/// Opens stores, and shares the connections to each.
#[derive(Debug)]
pub struct Stores {
    #[cfg(any(feature = "hdfs", feature = "s3"))]
    options: StoreOptions,
    #[cfg(feature = "hdfs")]
    hdfs: Mutex<BTreeMap<String, Arc<Client>>>,
    #[cfg(feature = "s3")]
    s3: Mutex<BTreeMap<String, Arc<Bucket>>>,
}

impl Stores {
    /// Stores that are reached as the options say. Nothing is opened yet.
    ///
    /// # Errors
    /// The options contradict each other.
    pub fn new(options: StoreOptions) -> Result<Self> {
        if options.s3_access_key.is_some() != options.s3_secret_key.is_some() {
            return Err(
                Error::user("one of 's3.access-key' and 's3.secret-key' is missing").hint("give both, or neither")
            );
        }
        #[cfg(not(any(feature = "hdfs", feature = "s3")))]
        drop(options);
        Ok(Self {
            #[cfg(any(feature = "hdfs", feature = "s3"))]
            options,
            #[cfg(feature = "hdfs")]
            hdfs: Mutex::default(),
            #[cfg(feature = "s3")]
            s3: Mutex::default(),
        })
    }

    /// The folder that a URL names: `/folder` or `file:///folder`, `hdfs://host:port/folder`, `s3://bucket/folder` (or `s3a`, `s3p`).
    /// Nothing is connected, and the folder need not exist.
    ///
    /// # Errors
    /// The URL names no folder of a store that this program has.
    pub fn open(&self, url: &str) -> Result<Arc<dyn Storage>> {
        self.open_at(Location::parse(url)?)
    }

    /// As [`Self::open`], and [`check()`], before a job starts: it gives up within seconds.
    ///
    /// # Errors
    /// As [`Self::open`], or checkpoints cannot be kept there.
    pub fn open_checked(&self, url: &str) -> Result<Arc<dyn Storage>> {
        let location = Location::parse(url)?;
        check(&*self.open_with(location.clone(), true)?, "")?;
        self.open_at(location)
    }

    /// The folder that a file of this URL is in, and its name there.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_parent(&self, url: &str) -> Result<(Arc<dyn Storage>, String)> {
        let location = Location::parse(url)?;
        let (folder, name) = location.parent().ok_or_else(|| Error::user(format!("'{url}' is no file")))?;
        Ok((self.open_at(folder)?, name))
    }

    fn open_at(&self, location: Location) -> Result<Arc<dyn Storage>> {
        self.open_with(location, false)
    }

    /// `starting` has it give up soon.
    fn open_with(&self, location: Location, starting: bool) -> Result<Arc<dyn Storage>> {
        #[cfg(any(feature = "hdfs", feature = "s3"))]
        let patience = if starting { Patience::STARTING } else { Patience::RUNNING };
        #[cfg(not(any(feature = "hdfs", feature = "s3")))]
        let _ = starting;
        match location.scheme {
            Scheme::File => Ok(Arc::new(Local::new(&location))),
            #[cfg(feature = "hdfs")]
            Scheme::Hdfs => {
                let client = shared(&self.hdfs, &location.authority, |name| Client::new(name, &self.options))?;
                Ok(Arc::new(Network::new(Hdfs::new(client, &location), patience)))
            }
            #[cfg(feature = "s3")]
            Scheme::S3 => {
                let bucket = shared(&self.s3, &location.authority, |name| Bucket::new(name, &self.options))?;
                Ok(Arc::new(Network::new(S3::new(bucket, &location), patience)))
            }
            #[cfg(not(feature = "hdfs"))]
            Scheme::Hdfs => Err(not_built_in(&location, "hdfs")),
            #[cfg(not(feature = "s3"))]
            Scheme::S3 => Err(not_built_in(&location, "s3")),
        }
    }
}

/// What is open under a name, or is opened now.
#[cfg(any(feature = "hdfs", feature = "s3"))]
fn shared<T>(
    open: &Mutex<BTreeMap<String, Arc<T>>>,
    name: &str,
    new: impl FnOnce(&str) -> Result<T>,
) -> Result<Arc<T>> {
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = open.get(name) {
        return Ok(found.clone());
    }
    let opened = Arc::new(new(name)?);
    open.insert(name.to_owned(), opened.clone());
    Ok(opened)
}

#[cfg(not(all(feature = "hdfs", feature = "s3")))]
fn not_built_in(location: &Location, feature: &str) -> Error {
    Error::user(format!("checkpoints cannot be stored in {location}: this program was built without it"))
        .hint(format!("build it with the cargo feature `{feature}`"))
}
