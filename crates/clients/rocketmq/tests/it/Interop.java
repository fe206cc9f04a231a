import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.compression.CompressionType;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Apache's own client, for a comparison of bytes.
 *
 * <ul>
 *   <li>{@code send NAMESERVER TOPIC KIND,...}: a small and a large body with each compression, then both at once
 *   <li>{@code read NAMESERVER TOPIC}: prints tag, keys, a property, the body's length and hash, and the unique key
 * </ul>
 */
@SuppressWarnings("deprecation")
public class Interop {
  static final String SMALL = "small body";
  static final String LARGE = "large body, ".repeat(1000);

  public static void main(String[] words) {
    int outcome = 0;
    try {
      if (words[0].equals("send")) {
        send(words[1], words[2], words[3].split(","));
      } else {
        read(words[1], words[2]);
      }
    } catch (Exception e) {
      e.printStackTrace();
      outcome = 1;
    }
    System.exit(outcome); // the client's threads are no daemons
  }

  static void send(String nameServer, String topic, String[] kinds) throws Exception {
    for (String kind : kinds) {
      DefaultMQProducer producer = producer(nameServer, "interop" + kind);
      producer.setCompressType(CompressionType.of(kind));
      for (String body : new String[] {SMALL, LARGE}) check(producer.send(message(topic, kind, body)));
      producer.shutdown();
    }
    DefaultMQProducer producer = producer(nameServer, "interopBatch");
    List<Message> batch = new ArrayList<>();
    for (String body : new String[] {SMALL, LARGE}) batch.add(message(topic, "BATCH", body));
    check(producer.send(batch));
  }

  static DefaultMQProducer producer(String nameServer, String group) throws Exception {
    DefaultMQProducer producer = new DefaultMQProducer(group);
    producer.setInstanceName(group);
    producer.setNamesrvAddr(nameServer);
    producer.start();
    return producer;
  }

  static Message message(String topic, String tag, String body) {
    Message message = new Message(topic, tag, "k1 k2", body.getBytes(UTF_8));
    message.putUserProperty("shop", "s\u00fc\u00df");
    return message;
  }

  static void check(SendResult result) {
    if (result.getSendStatus() != SendStatus.SEND_OK) throw new IllegalStateException(result.toString());
  }

  static void read(String nameServer, String topic) throws Exception {
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("interop");
    consumer.setNamesrvAddr(nameServer);
    consumer.start();
    for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) {
      long at = consumer.minOffset(queue), end = consumer.maxOffset(queue);
      while (at < end) {
        PullResult result = consumer.pull(queue, "*", at, 32);
        if (result.getPullStatus() == PullStatus.FOUND) {
          for (MessageExt message : result.getMsgFoundList()) {
            int hash = 0;
            for (byte b : message.getBody()) hash = hash * 31 + b;
            out.println(message.getTags() + " [" + message.getKeys() + "] " + message.getUserProperty("shop") + " "
                + message.getBody().length + " " + hash + " " + message.getMsgId());
          }
        }
        at = result.getNextBeginOffset();
      }
    }
  }
}
