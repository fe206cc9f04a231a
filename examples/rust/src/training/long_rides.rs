//! Rides of more than two hours: a timer, and state that is cleared.

use riverrun::prelude::*;

use super::TaxiRide;

const TWO_HOURS: i64 = 2 * 60 * 60 * 1000;

/// The ids of rides that take longer than two hours: told when two hours of event time have passed, and not only at the end. Start and
/// end can come in any order. Nothing is left in the state but for rides whose end never comes, or comes too late.
pub fn long_rides(rides: DataStream<TaxiRide>) -> DataStream<i64> {
    rides.key_by(|ride| ride.ride_id).process(LongRides::default()).name("Long rides").uid("long-rides")
}

/// Keeps the event of a ride that comes first.
#[derive(Clone, Default)]
struct LongRides {
    first: ValueState<TaxiRide>,
}

impl KeyedProcessFunction<i64, TaxiRide, i64> for LongRides {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.first = context.value_state(ValueStateDescriptor::new("first event"))?;
        Ok(())
    }

    fn process_element(
        &mut self,
        ride: TaxiRide,
        context: &mut KeyedContext<'_, i64>,
        out: &mut Collector<'_, i64>,
    ) -> FnResult {
        let Some(first) = self.first.take(context)? else {
            if ride.is_start {
                context.timer_service().register_event_time_timer(ride.event_time + TWO_HOURS)?;
            }
            self.first.update(context, ride)?;
            return Ok(());
        };
        if first.is_start && !ride.is_start {
            // The timer has not fired, or the event of the start would be gone.
            context.timer_service().delete_event_time_timer(first.event_time + TWO_HOURS)?;
        }
        if (ride.event_time - first.event_time).abs() > TWO_HOURS {
            out.collect(ride.ride_id);
        }
        Ok(())
    }

    fn on_timer(&mut self, _: i64, context: &mut KeyedContext<'_, i64>, out: &mut Collector<'_, i64>) -> FnResult {
        out.collect(*context.current_key());
        self.first.clear(context)?;
        Ok(())
    }
}
