//! Each ride with its fare: two keyed streams that wait for each other in state.

use riverrun::prelude::*;

use super::{TaxiFare, TaxiRide};

/// The start of each ride with what was paid for it, whichever comes first.
pub fn rides_and_fares(rides: DataStream<TaxiRide>, fares: DataStream<TaxiFare>) -> DataStream<(TaxiRide, TaxiFare)> {
    let starts = rides.filter(|ride| ride.is_start).key_by(|ride| ride.ride_id);
    let fares = fares.key_by(|fare| fare.ride_id);
    starts.connect(fares).process(Enrichment::default()).name("Rides and fares").uid("rides-and-fares")
}

/// Keeps the one that comes first until the other does.
#[derive(Clone, Default)]
struct Enrichment {
    ride: ValueState<TaxiRide>,
    fare: ValueState<TaxiFare>,
}

impl KeyedCoProcessFunction<i64, TaxiRide, TaxiFare, (TaxiRide, TaxiFare)> for Enrichment {
    fn open(&mut self, context: &mut RuntimeContext<'_>) -> FnResult {
        self.ride = context.value_state(ValueStateDescriptor::new("saved ride"))?;
        self.fare = context.value_state(ValueStateDescriptor::new("saved fare"))?;
        Ok(())
    }

    fn process_element1(
        &mut self,
        ride: TaxiRide,
        context: &mut KeyedContext<'_, i64>,
        out: &mut Collector<'_, (TaxiRide, TaxiFare)>,
    ) -> FnResult {
        match self.fare.take(context)? {
            Some(fare) => out.collect((ride, fare)),
            None => self.ride.update(context, ride)?,
        }
        Ok(())
    }

    fn process_element2(
        &mut self,
        fare: TaxiFare,
        context: &mut KeyedContext<'_, i64>,
        out: &mut Collector<'_, (TaxiRide, TaxiFare)>,
    ) -> FnResult {
        match self.ride.take(context)? {
            Some(ride) => out.collect((ride, fare)),
            None => self.fare.update(context, fare)?,
        }
        Ok(())
    }
}
