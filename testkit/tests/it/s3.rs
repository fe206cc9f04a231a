use std::net::TcpStream;

use riverrun_testkit::{S3Server, s3};

#[test]
fn it_comes_back_on_the_same_port() {
    let mut server = S3Server::start();
    let endpoint = server.endpoint();
    assert_ne!(endpoint, s3().endpoint());
    server.kill9();
    assert!(TcpStream::connect(endpoint.trim_start_matches("http://")).is_err());
    server.restart();
    assert_eq!(server.endpoint(), endpoint);
}
