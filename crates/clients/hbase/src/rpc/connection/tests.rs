use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use riverrun_testkit::tcp;
use tokio::runtime::Runtime;

use super::*;
use crate::rpc::messages::{ExceptionResponse, GetProcedureResultRequest, MutateResponse, ResponseHeader};

fn options() -> Options {
    Options { call_timeout: Duration::from_millis(300), calls_in_flight: 4, ..Options::new("unused") }
}

fn address(server: &tcp::Server) -> Address {
    Address { host: server.address().ip().to_string(), port: server.address().port() }
}

fn call() -> Call {
    Call::new("Mutate", &GetProcedureResultRequest { proc_id: 1 })
}

/// Reads what a connection begins with.
fn greet(stream: &mut TcpStream) -> io::Result<()> {
    let mut opening = [0; 10];
    stream.read_exact(&mut opening)?;
    read_rest(stream, &opening[6..])
}

/// Reads a call; its number is not looked at, since they count from 0.
fn read_call(stream: &mut TcpStream) -> io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    read_rest(stream, &length)
}

fn read_rest(stream: &mut TcpStream, length: &[u8]) -> io::Result<()> {
    let length = u32::from_be_bytes(length.try_into().unwrap());
    stream.read_exact(&mut vec![0; usize::try_from(length).unwrap()])
}

fn answer(call_id: u32, processed: bool) -> Vec<u8> {
    let header = ResponseHeader { call_id: Some(call_id), ..Default::default() };
    let message = MutateResponse { processed: Some(processed) };
    framed(&[header.encode_length_delimited_to_vec(), message.encode_length_delimited_to_vec()].concat())
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

fn serving(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> tcp::Server {
    tcp::Server::new(move |stream| drop(serve(stream)))
}

async fn ask(connection: &Connection) -> Result<bool, Failure> {
    connection.ask::<MutateResponse>(call()).await.map(|(answer, _)| answer.processed())
}

fn reason(failure: Failure) -> String {
    match failure {
        Failure::Passing(passing) => passing.reason,
        Failure::Refused(refusal) => refusal.message,
    }
}

#[test]
fn answers_come_in_any_order_and_reach_who_asked() {
    let server = serving(|mut stream| {
        greet(&mut stream)?;
        read_call(&mut stream)?;
        read_call(&mut stream)?;
        // the second first
        stream.write_all(&answer(1, false))?;
        stream.write_all(&answer(0, true))?;
        read_call(&mut stream)
    });
    Runtime::new().unwrap().block_on(async {
        let connection = Connection::open(&address(&server), Service::Client, &options()).await.unwrap();
        let (first, second) = tokio::join!(ask(&connection), ask(&connection));
        assert_eq!((first, second), (Ok(true), Ok(false)));
    });
}

#[test]
fn a_connection_that_breaks_fails_who_waits_at_once_and_who_comes_later() {
    let server = serving(|mut stream| {
        greet(&mut stream)?;
        read_call(&mut stream)
    });
    Runtime::new().unwrap().block_on(async {
        let options = Options { call_timeout: Duration::from_secs(60), ..options() };
        let connection = Connection::open(&address(&server), Service::Client, &options).await.unwrap();
        let begin = Instant::now();
        let Err(Failure::Passing(failure)) = ask(&connection).await else { panic!("an answer") };
        assert!(failure.reason.contains("the connection is lost"), "{}", failure.reason);
        assert_eq!((failure.stale, failure.is_open), (Stale::Server, true));
        assert!(!connection.is_open());
        assert!(ask(&connection).await.is_err());
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    });
}

#[test]
fn a_silent_server_is_given_up_after_the_time_of_a_call() {
    let server = tcp::Server::silent();
    Runtime::new().unwrap().block_on(async {
        let connection = Connection::open(&address(&server), Service::Client, &options()).await.unwrap();
        let failure = ask(&connection).await.unwrap_err();
        assert!(reason(failure).contains("no answer within 300 ms"));
        assert!(!connection.is_open());
    });
}

#[test]
fn one_slow_call_does_not_cost_the_others_their_connection() {
    // long enough for the others on a busy machine
    let options = Options { call_timeout: Duration::from_secs(2), ..options() };
    let server = serving(|mut stream| {
        greet(&mut stream)?;
        read_call(&mut stream)?;
        for id in 1.. {
            read_call(&mut stream)?;
            stream.write_all(&answer(id, true))?;
        }
        Ok(())
    });
    Runtime::new().unwrap().block_on(async {
        let connection = Connection::open(&address(&server), Service::Client, &options).await.unwrap();
        let others = async {
            for _ in 0..5 {
                assert_eq!(ask(&connection).await, Ok(true));
            }
        };
        let (slow, ()) = tokio::join!(ask(&connection), others);
        let Err(Failure::Passing(slow)) = slow else { panic!("{slow:?}") };
        assert_eq!((slow.stale, slow.is_open), (Stale::Nothing, true));
        assert_eq!(ask(&connection).await, Ok(true));
    });
}

#[test]
fn no_more_calls_are_under_way_than_allowed() {
    let server = serving(|mut stream| {
        greet(&mut stream)?;
        for _ in 0..4 {
            read_call(&mut stream)?;
        }
        // a fifth call would be here by now, were it sent without waiting for an answer
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        let is_early = stream.read(&mut [0]).is_ok();
        stream.set_read_timeout(None)?;
        for id in 0..4 {
            stream.write_all(&answer(id, is_early))?;
        }
        for id in 4..8 {
            read_call(&mut stream)?;
            stream.write_all(&answer(id, is_early))?;
        }
        Ok(())
    });
    Runtime::new().unwrap().block_on(async {
        let options = Options { call_timeout: Duration::from_secs(20), ..options() };
        let connection = Connection::open(&address(&server), Service::Client, &options).await.unwrap();
        let answers = futures::future::join_all((0..8).map(|_| ask(&connection))).await;
        assert_eq!(answers, vec![Ok(false); 8]);
    });
}

#[test]
fn a_server_that_wants_a_login_is_named_even_though_it_hangs_up() {
    let server = serving(|mut stream| {
        let exception = ExceptionResponse {
            exception_class_name: Some("org.apache.hadoop.hbase.security.AccessDeniedException".into()),
            stack_trace: Some(
                "org.apache.hadoop.hbase.security.AccessDeniedException: Authentication is required".into(),
            ),
            do_not_retry: Some(true),
        };
        let header = ResponseHeader { call_id: Some(NO_CALL), exception: Some(exception), ..Default::default() };
        stream.read_exact(&mut [0; 6])?;
        // with bytes unread, as the server leaves them: the client's end is reset
        stream.write_all(&framed(&header.encode_length_delimited_to_vec()))
    });
    Runtime::new().unwrap().block_on(async {
        let connection = Connection::open(&address(&server), Service::Client, &options()).await.unwrap();
        let failure = ask(&connection).await.unwrap_err();
        assert_eq!(failure, exception::login_demanded());
    });
}

#[test]
fn what_is_no_answer_ends_the_connection() {
    for bytes in [b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), framed(b"\xff\xff"), framed(b"")] {
        let server = tcp::Server::answering(bytes);
        Runtime::new().unwrap().block_on(async {
            let connection = Connection::open(&address(&server), Service::Client, &options()).await.unwrap();
            let failure = reason(ask(&connection).await.unwrap_err());
            assert!(failure.contains("no answer of HBase") || failure.contains("malformed"), "{failure}");
        });
    }
}

#[test]
fn nobody_there_is_told_with_the_address() {
    let nobody = tcp::nobody();
    let server = Address { host: nobody.ip().to_string(), port: nobody.port() };
    Runtime::new().unwrap().block_on(async {
        let failure = Connection::open(&server, Service::Client, &options()).await.unwrap_err();
        assert!(reason(failure).starts_with(&format!("{nobody}: ")));
    });
}

#[test]
fn a_connection_that_is_dropped_is_closed() {
    let (sender, closed) = std::sync::mpsc::sync_channel(1);
    let server = serving(move |mut stream| {
        greet(&mut stream)?;
        let read = stream.read(&mut [0])?;
        sender.send(read).map_err(io::Error::other)
    });
    Runtime::new().unwrap().block_on(async {
        drop(Connection::open(&address(&server), Service::Client, &options()).await.unwrap());
        // none: the end
        let read = tokio::task::spawn_blocking(move || closed.recv_timeout(Duration::from_secs(20))).await.unwrap();
        assert_eq!(read, Ok(0));
    });
}
