//! Encrypted connections, as a table and a program ask for them.

use std::path::Path;

use riverrun_connect::TableContext;
use riverrun_rocketmq::{ROCKETMQ, RocketMQConfig, RocketMqSource, SimpleStringDeserializationSchema};
use riverrun_testkit::{RocketMqOptions, unique};

use crate::harness::{Reading, batch, people, people_of, try_writer, write_all};

/// A file of the certificates that the tests of the connector `http` have: of a server at 127.0.0.1, of its authority, of another.
fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/tests/it/certificates");
    folder.join(name).canonicalize().unwrap().display().to_string()
}

#[test]
fn tables_are_written_and_read_encrypted_and_strangers_are_found_out() {
    let server = RocketMqOptions::new().brokers(1).tls_with(file("server.pem"), file("server.key")).start();
    let topic = server.topic("encrypted", 1);
    let with =
        |more: &[(&str, &str)]| -> TableContext { people_of(&server, &topic, &[&[("useTls", "true")], more].concat()) };
    let authority = file("ca.pem");
    let table = with(&[("tlsTrustCertPath", &authority)]);
    write_all(&table, batch(&table, &["1|n1"]));
    for trusting in [&[("tlsTrustCertPath", &*authority), ("tlsVerify", "authority")][..], &[("tlsVerify", "none")]] {
        assert_eq!(Reading::start(&with(trusting)).take(1), ["1|n1"]);
    }
    for strange in [&[][..], &[("tls.client.trustCertPath", &*file("other.pem"))]] {
        let table = with(strange);
        let read = Reading::try_start(&table).err().unwrap().to_string();
        let written = try_writer(&table).err().unwrap().to_string();
        for error in [read, written] {
            assert!(error.contains("certificate") && error.contains("tls.client.trustCertPath"), "{error}");
        }
    }
    let program = RocketMqSource::<String, _>::new(
        SimpleStringDeserializationSchema,
        [
            (RocketMQConfig::NAME_SERVER_ADDR, server.name_server()),
            (RocketMQConfig::CONSUMER_GROUP, unique("cg")),
            (RocketMQConfig::CONSUMER_TOPIC, topic.clone()),
            (RocketMQConfig::TLS_ENABLE, "true".to_owned()),
            (RocketMQConfig::TLS_TRUST_CERT_PATH, authority),
        ],
    );
    let source = program.unwrap().set_start_from_earliest().set_bounded_at_end();
    assert_eq!(crate::typed::read(&source).unwrap().len(), 1);
}

#[test]
fn options_of_tls_that_do_not_go_together_are_refused() {
    let refused = |options: &[(&str, &str)]| ROCKETMQ.source.unwrap()(&people("t", options)).err().unwrap().to_string();
    assert!(refused(&[("tlsVerify", "none")]).contains("useTls"));
    assert!(refused(&[("tlsTrustCertPath", "ca.pem")]).contains("useTls"));
    assert!(refused(&[("useTls", "true"), ("tlsCertPath", "c.pem")]).contains("tlsKeyPath"));
    let both = [("useTls", "true"), ("tlsVerify", "none"), ("tlsTrustCertPath", "ca.pem")];
    assert!(refused(&both).contains("not to be checked"));
    let missing = people("t", &[("useTls", "true"), ("tlsTrustCertPath", "/nowhere/ca.pem")]);
    let error = Reading::try_start(&missing).err().unwrap().to_string();
    assert!(error.contains("/nowhere/ca.pem"), "{error}");
}
