//! Speaks to the control endpoint of a running process, or to Flink's job manager: the paths are the same.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use clap::Args;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use riverrun_base::{Error, Result};
use riverrun_cluster_model::{Errors, JobOverview, JobsOverview, Operation, Outcome, Triggered};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::rest::DEFAULT_ADDRESS;

/// A process that does not answer for so long is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// An answer is not longer.
const LARGEST_ANSWER: usize = 64 << 20;
/// A question is asked again after so long at first, and after [`SLOWEST`] in the end.
const FASTEST: Duration = Duration::from_millis(50);
const SLOWEST: Duration = Duration::from_secs(1);

/// Which process is meant.
#[derive(Debug, Args)]
pub(crate) struct AddressArgs {
    /// Where the process listens that runs the job: its '--rest'
    #[arg(short = 'm', long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS, visible_alias = "jobmanager")]
    address: String,
}

/// Which job is meant.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job's id, or its name where only one job has it
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) address: AddressArgs,
}

/// A client of one process. Every call opens a connection of its own.
pub(crate) struct Client {
    address: String,
    runtime: tokio::runtime::Runtime,
}

/// What an HTTP request came to.
struct Answered {
    status: StatusCode,
    body: Vec<u8>,
}

impl AddressArgs {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// The address is none.
    pub(crate) fn client(&self) -> Result<Client> {
        let address = self.address.strip_prefix("http://").unwrap_or(&self.address).trim_end_matches('/');
        let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(Error::user(format!("'--address {}' is not an address", self.address))
                .hint(format!("write host:port, such as {DEFAULT_ADDRESS}")));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::external("the operating system gives no I/O driver").caused_by(error))?;
        Ok(Client { address: address.to_owned(), runtime })
    }
}

impl Client {
    /// Asks.
    ///
    /// # Errors
    /// Nobody answers, or what is answered is an error.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.read(self.send(&Method::GET, path, Vec::new())?)
    }

    /// Triggers an operation, and waits until it has ended.
    ///
    /// # Errors
    /// As [`Self::get`], or the operation failed.
    pub(crate) fn trigger<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize, outcomes: &str) -> Result<T> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::internal("a request cannot be written").caused_by(error))?;
        let triggered: Triggered = self.read(self.send(&Method::POST, path, body)?)?;
        let path = format!("{outcomes}/{}", triggered.request_id);
        let mut pause = FASTEST;
        loop {
            let operation: Operation<T> = self.get(&path)?;
            match operation.operation {
                Some(Outcome::Done(product)) => return Ok(product),
                Some(Outcome::Failed { failure_cause }) => {
                    return Err(Error::external(first_line(&failure_cause.stack_trace)));
                }
                None => {}
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(SLOWEST);
        }
    }

    /// Cancels a job, and waits until it has ended.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn cancel(&self, job: &str) -> Result<()> {
        let path = format!("/jobs/{job}?mode=cancel");
        let _: serde_json::Value = self.read(self.send(&Method::PATCH, &path, Vec::new())?)?;
        let mut pause = FASTEST;
        // A process without jobs ends, and with it its endpoint.
        while let Ok(job) = self.job_of_id(job) {
            if job.is_none_or(|job| job.end_time >= 0) {
                break;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(SLOWEST);
        }
        Ok(())
    }

    /// The id of the job that a user names: by its id, or by its name among the jobs that run.
    ///
    /// # Errors
    /// As [`Self::get`], or there is none, or more than one.
    pub(crate) fn find(&self, named: &str) -> Result<String> {
        let JobsOverview { jobs } = self.get("/jobs/overview")?;
        find(&jobs, named)
    }

    fn job_of_id(&self, id: &str) -> Result<Option<JobOverview>> {
        let JobsOverview { jobs } = self.get("/jobs/overview")?;
        Ok(jobs.into_iter().find(|job| job.jid == id))
    }

    fn read<T: DeserializeOwned>(&self, answered: Answered) -> Result<T> {
        let Answered { status, body } = answered;
        if !status.is_success() {
            let told = serde_json::from_slice::<Errors>(&body).unwrap_or_default().errors;
            let message = told.first().map_or_else(|| format!("the process answers {status}"), |told| first_line(told));
            let error = if status.is_client_error() { Error::user(message) } else { Error::external(message) };
            return Err(error.with("address", &self.address));
        }
        serde_json::from_slice(&body).map_err(|error| {
            let message = "what answers is no control endpoint of Riverrun or Flink";
            Error::external(message).caused_by(error).with("address", &self.address)
        })
    }

    fn send(&self, method: &Method, path: &str, body: Vec<u8>) -> Result<Answered> {
        let exchanged = self.runtime.block_on(async {
            match timeout(PATIENCE, self.exchange(method, path, body)).await {
                Ok(exchanged) => exchanged,
                Err(_) => Err(Error::external(format!("no answer within {} s", PATIENCE.as_secs()))),
            }
        });
        exchanged.map_err(|error| error.with("address", &self.address))
    }

    async fn exchange(&self, method: &Method, path: &str, body: Vec<u8>) -> Result<Answered> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| {
            let hint = "start the job with 'riverrun run --rest', and name its address by --address if it is another";
            Error::external("no process can be reached").caused_by(error).hint(hint)
        })?;
        let broken = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::external("the exchange broke off").caused_by(error)
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.into()))?;
        let request = Request::builder()
            .method(method)
            .uri(format!("/v1{path}"))
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| broken(error.into()))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| broken(error.into()))?;
            let status = response.status();
            let body = to_bytes(Body::new(response.into_body()), LARGEST_ANSWER).await;
            Ok(Answered { status, body: body.map_err(|error| broken(error.into()))?.to_vec() })
        };
        tokio::pin!(answer);
        tokio::pin!(connection);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // Whether the connection ended well, the answer knows.
            _ = &mut connection => answer.await,
        }
    }
}

/// The job of this id, or the one that runs under this name.
fn find(jobs: &[JobOverview], named: &str) -> Result<String> {
    if let Some(job) = jobs.iter().find(|job| job.jid == named) {
        return Ok(job.jid.clone());
    }
    let running = || jobs.iter().filter(|job| job.end_time < 0);
    let told = |jobs: &[&JobOverview]| {
        let told: Vec<String> = jobs.iter().map(|job| format!("{} ({})", job.jid, short(&job.name))).collect();
        told.join(", ")
    };
    let found: Vec<&JobOverview> = running().filter(|job| job.name == named || short(&job.name) == named).collect();
    match found.as_slice() {
        [job] => Ok(job.jid.clone()),
        [] => {
            let error = Error::user(format!("no job with the id or name '{named}' runs"));
            let running: Vec<&JobOverview> = running().collect();
            Err(if running.is_empty() { error } else { error.hint(format!("there are: {}", told(&running))) })
        }
        several => Err(Error::user(format!("{} jobs are named '{named}'", several.len()))
            .hint(format!("name one by its id: {}", told(several)))),
    }
}

/// A job's name as it is shown elsewhere.
fn short(name: &str) -> String {
    name.replace("default_catalog.default_database.", "")
}

/// Flink puts a stack trace behind its message.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use riverrun_cluster_model::TaskCounts;

    use super::*;

    fn job(jid: &str, name: &str, end_time: i64) -> JobOverview {
        JobOverview {
            jid: jid.into(),
            name: name.into(),
            state: "RUNNING".into(),
            start_time: 0,
            end_time,
            duration: 0,
            tasks: TaskCounts::default(),
            pending_operators: 0,
        }
    }

    #[test]
    fn a_job_is_found_by_its_id_or_its_name_where_that_is_clear() {
        let jobs = [
            job("a1", "insert-into_default_catalog.default_database.t", -1),
            job("b2", "twice", -1),
            job("c3", "twice", -1),
            job("d4", "gone", 5),
        ];
        assert_eq!(find(&jobs, "d4").unwrap(), "d4");
        assert_eq!(find(&jobs, "insert-into_t").unwrap(), "a1");
        assert_eq!(find(&jobs, "insert-into_default_catalog.default_database.t").unwrap(), "a1");
        let error = find(&jobs, "twice").unwrap_err().to_string();
        assert_eq!(error, "2 jobs are named 'twice'; name one by its id: b2 (twice), c3 (twice)");
        let error = find(&jobs, "gone").unwrap_err().to_string();
        assert!(
            error.starts_with("no job with the id or name 'gone' runs; there are: a1 (insert-into_t), "),
            "{error}"
        );
        assert_eq!(find(&[], "x").unwrap_err().to_string(), "no job with the id or name 'x' runs");
    }

    #[test]
    fn an_address_needs_a_port() {
        let client = |address: &str| AddressArgs { address: address.into() }.client().map(|client| client.address);
        assert_eq!(client("http://localhost:8081/").unwrap(), "localhost:8081");
        assert_eq!(client("[::1]:80").unwrap(), "[::1]:80");
        for wrong in ["localhost", "localhost:http", ""] {
            assert!(client(wrong).unwrap_err().to_string().contains("write host:port"), "{wrong}");
        }
    }
}
