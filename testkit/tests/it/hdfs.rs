use riverrun_testkit::{HdfsServer, hdfs};

#[test]
fn it_comes_back_on_the_same_port_after_a_kill_of_one_node_and_of_both() {
    let mut server = HdfsServer::start();
    let url = server.url();
    assert_ne!(url, hdfs().url());
    server.kill9_name_node();
    server.restart();
    server.kill9();
    server.restart();
    assert_eq!(server.url(), url);
}
