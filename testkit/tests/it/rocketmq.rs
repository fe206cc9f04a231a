use riverrun_testkit::{RocketMqServer, rocketmq};

#[test]
fn they_come_back_on_the_same_ports_after_a_kill_of_one_broker_and_of_all() {
    let mut server = RocketMqServer::start();
    let (name_server, broker) = (server.name_server(), server.broker('a'));
    assert_ne!(name_server, rocketmq().name_server());
    let topic = server.topic("kept", 2);
    server.kill9_broker('a');
    server.restart();
    // on both brokers, from what they have stored
    server.kill9();
    server.restart();
    assert_eq!((server.name_server(), server.broker('a')), (name_server, broker));
    server.create_topic(&topic, 3);
}
