import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Collection;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** {@code Throughput NAMESERVER TOPIC MESSAGES}: prints seconds and CPU seconds of sending and of pulling, the second time each. */
@SuppressWarnings("deprecation")
public class Throughput {
  interface Work {
    void run() throws Exception;
  }

  public static void main(String[] words) {
    int outcome = 0;
    try {
      run(words);
    } catch (Exception e) {
      e.printStackTrace();
      outcome = 1;
    }
    System.exit(outcome); // the client's threads are no daemons
  }

  static void run(String[] words) throws Exception {
    String nameServer = words[0], topic = words[1];
    int messages = Integer.parseInt(words[2]);
    DefaultMQProducer producer = new DefaultMQProducer("throughput");
    producer.setNamesrvAddr(nameServer);
    // a busy machine is no reason to fail
    producer.setSendMsgTimeout(30_000);
    producer.start();
    send(producer, topic, messages);
    measured("send", () -> send(producer, topic, messages));
    producer.shutdown();
    DefaultMQPullConsumer consumer = new DefaultMQPullConsumer("throughput");
    consumer.setNamesrvAddr(nameServer);
    consumer.start();
    long visible = 0;
    while (visible < 2L * messages) { // queues are built behind the log
      visible = 0;
      for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(topic)) visible += consumer.maxOffset(queue);
    }
    pull(consumer, topic, 0, messages);
    measured("pull", () -> pull(consumer, topic, 1, messages));
  }

  static void send(DefaultMQProducer producer, String topic, int messages) throws Exception {
    byte[] body = new byte[100];
    Arrays.fill(body, (byte) 'x');
    Semaphore slots = new Semaphore(256);
    CountDownLatch open = new CountDownLatch(messages);
    AtomicLong failed = new AtomicLong();
    SendCallback callback = new SendCallback() {
      @Override
      public void onSuccess(SendResult result) {
        slots.release();
        open.countDown();
      }

      @Override
      public void onException(Throwable error) {
        failed.incrementAndGet();
        slots.release();
        open.countDown();
      }
    };
    for (int i = 0; i < messages; i++) {
      slots.acquire();
      producer.send(new Message(topic, "tag", Integer.toString(i), body), callback);
    }
    open.await();
    if (failed.get() > 0) throw new IllegalStateException(failed + " failed");
  }

  /** Each queue by a thread: its first half, or its second. */
  static void pull(DefaultMQPullConsumer consumer, String topic, int half, int messages) throws Exception {
    Collection<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(topic);
    AtomicLong count = new AtomicLong();
    Thread[] threads = new Thread[queues.size()];
    int t = 0;
    for (MessageQueue queue : queues) {
      threads[t] = new Thread(() -> {
        try {
          long end = consumer.maxOffset(queue), middle = end / 2;
          long at = half == 0 ? 0 : middle, until = half == 0 ? middle : end, found = 0, bytes = 0;
          while (at < until) {
            PullResult result = consumer.pull(queue, "*", at, 32);
            if (result.getMsgFoundList() != null) {
              for (MessageExt message : result.getMsgFoundList()) {
                found++;
                bytes += message.getBody().length + message.getTags().length() + message.getKeys().length();
              }
            }
            at = result.getNextBeginOffset();
          }
          if (bytes <= found * 100) throw new IllegalStateException();
          count.addAndGet(found);
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      });
      threads[t++].start();
    }
    for (Thread thread : threads) thread.join();
    if (Math.abs(count.get() - messages) > 32 * threads.length) throw new IllegalStateException("found " + count);
  }

  static void measured(String name, Work work) throws Exception {
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long begin = System.nanoTime(), cpu = system.getProcessCpuTime();
    work.run();
    System.out.println(name + " " + (System.nanoTime() - begin) / 1e9 + " " + (system.getProcessCpuTime() - cpu) / 1e9);
  }
}
