//! Name servers: the same is asked of one after another until one answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use riverrun_base::{Error, Result};
use tokio::time::Instant;

use crate::client::Inner;
use crate::codes;
use crate::endpoint::{Endpoint, Repeat};
use crate::fields::FieldsBuilder;
use crate::frame::Frame;
use crate::route::Route;

impl Inner {
    /// The topic's route; none where there is no such topic.
    pub(crate) async fn fetch_route(&self, topic: &str) -> Result<Option<Route>> {
        let fields = FieldsBuilder::default().text("topic", topic).flag("acceptStandardJsonOnly", true);
        let (frame, server) = self.ask_name_servers(codes::GET_ROUTEINFO_BY_TOPIC, fields).await?;
        match frame.code {
            codes::SUCCESS => Route::parse(topic, &frame.body).map(Some),
            codes::TOPIC_NOT_EXIST => Ok(None),
            code => Err(codes::refusal(code, frame.remark(), "tell the route", server.address()).with("topic", topic)),
        }
    }

    /// Asks the name server that answered last, then the others, each for one request's time: first those that are not
    /// being left alone, then those.
    pub(crate) async fn ask_name_servers(&self, code: i16, fields: FieldsBuilder) -> Result<(Frame, Arc<Endpoint>)> {
        let first = self.preferred.load(Ordering::Relaxed);
        let count = self.name_servers.len();
        let order = (0..count).map(|index| (first + index) % count);
        let (pausing, ready): (Vec<_>, Vec<_>) = order.partition(|index| self.name_servers[*index].is_pausing());
        let mut errors = Vec::new();
        for index in ready.into_iter().chain(pausing) {
            let server = &self.name_servers[index];
            let deadline = Instant::now() + self.options.request_timeout;
            let answer = if count == 1 {
                server.call(code, fields.clone(), &[], deadline, Repeat::Harmless).await
            } else {
                let request = server.request(code, fields.clone(), &[])?;
                server.call_once(request, deadline).await
            };
            match answer {
                Ok(frame) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok((frame, Arc::clone(server)));
                }
                Err(failure) => errors.push(failure.error),
            }
        }
        let is_retryable = errors.iter().any(Error::is_retryable);
        let reasons: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let error = Error::external(format!("no name server answers: {}", reasons.join("; ")));
        Err(if is_retryable { error.retryable().hint("is it up, and the address right?") } else { error })
    }
}
