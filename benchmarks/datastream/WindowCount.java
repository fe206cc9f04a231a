import java.time.Duration;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;

/** The same job as examples/rust/src/bin/window_count.rs: map, filter, keyBy, count in windows. Prints how many milliseconds it ran. */
public class WindowCount {
    public static class Event {
        public long key;
        public long time;
        public long value;
        public long other;

        public Event() {}

        public Event(long n) {
            key = n * 2654435761L % 1000;
            time = n / 100;
            value = n;
            other = n % 10;
        }
    }

    public static class Count implements AggregateFunction<Event, Long, Long> {
        public Long createAccumulator() {
            return 0L;
        }

        public Long add(Event event, Long count) {
            return count + 1;
        }

        public Long getResult(Long count) {
            return count;
        }

        public Long merge(Long a, Long b) {
            return a + b;
        }
    }

    public static void main(String[] args) throws Exception {
        long count = Long.parseLong(args[0]);
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.setParallelism(1);
        env.getConfig().enableObjectReuse();
        env.fromSequence(0, count - 1)
                .map(Event::new)
                .assignTimestampsAndWatermarks(
                        WatermarkStrategy.<Event>forMonotonousTimestamps().withTimestampAssigner((event, before) -> event.time))
                .filter(event -> event.other != 0)
                .keyBy(event -> event.key)
                .window(TumblingEventTimeWindows.of(Duration.ofSeconds(10)))
                .aggregate(new Count())
                .sinkTo(new DiscardingSink<>());
        JobExecutionResult result = env.execute("window count");
        System.out.println(result.getNetRuntime());
    }
}
