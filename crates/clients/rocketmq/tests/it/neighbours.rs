//! Servers that are none, or not well: every wait ends, and the error says what is wrong.

use std::time::{Duration, Instant};

use riverrun_base::Error;
use riverrun_rocketmq_client::{Client, ClientOptions};
use riverrun_testkit::tcp;

async fn failure(address: String) -> Error {
    let mut options = ClientOptions::new(&address).unwrap();
    options.request_timeout = Duration::from_secs(1);
    options.connect_timeout = Duration::from_secs(1);
    let client = Client::new(options).unwrap();
    let begin = Instant::now();
    let error = client.route("topic").await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}: {error}", begin.elapsed());
    assert!(error.is_retryable(), "{error}");
    error
}

#[tokio::test]
async fn nobody_listens() {
    let error = failure("127.0.0.1:1".to_owned()).await;
    assert!(error.to_string().contains("RocketMQ at 127.0.0.1:1 cannot be reached: Connection refused"), "{error}");
}

#[tokio::test]
async fn somebody_listens_and_says_nothing() {
    let error = failure(tcp::Server::silent().address().to_string()).await;
    assert!(error.to_string().contains("no name server answers"), "{error}");
    let server = tcp::Server::silent();
    let error = failure(server.address().to_string()).await;
    assert!(error.to_string().contains("did not answer in time"), "{error}");
}

#[tokio::test]
async fn somebody_closes_every_connection_and_is_not_called_without_end() {
    let server = tcp::Server::closing();
    let error = failure(server.address().to_string()).await;
    assert!(error.to_string().contains("no name server answers"), "{error}");
    assert!(server.accepted() < 10, "{} connections in one second", server.accepted());
}

#[tokio::test]
async fn somebody_speaks_something_else() {
    let server = tcp::Server::answering("HTTP/1.1 400 Bad Request\r\n\r\n");
    let error = failure(server.address().to_string()).await;
    assert!(error.to_string().contains("no frame of RocketMQ"), "{error}");
}
