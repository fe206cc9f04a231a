//! Commits what another has begun to commit, so that nothing of it can become visible twice, whoever else tries the same at the same time.
//!
//! What was sent to a broker and not answered may be carried out at any later time, by a network that was held up, and a process that
//! was stopped may wake and go on. So nothing is relied on but what the broker itself refuses: a commit of a half message whose
//! lifetime is over. Half messages of a checkpoint have one, and so have the copies that are sent here. For each queue:
//!
//! 1. *Claim* it: a number of our own is written where the queue's broker keeps a group's offset. The last claim counts.
//! 2. *Wait* until the broker refuses the checkpoint's half messages, and a *timer*, born behind the claim, with the lifetime of copies. What
//!    others have sent before the claim is then carried out or never will be.
//! 3. *Look* what is visible. What is not is sent again, as copies under the same unique keys:
//! 4. *Stamp*: the broker's time is asked for; then whether the claim still counts. The copies' lifetime is counted from the stamp.
//! 5. *Commit* them. What the broker refuses, because it was late, or what is not answered, begins anew with a claim.
//!
//! Why that is safe: let A and B do this. If A reads, in step 4, that its claim counts, then B's claim comes behind A's stamp, or B has read A's claim
//! and sends nothing. In the first case B's timer outlives A's copies; so when B looks, each of them is visible or will never be.
//!
//! What it relies on: a broker's clock does not go back, a request that the broker has let pass is carried out within [`CARRIED_OUT`], and
//! a claim is not forgotten: brokers write offsets to disk every 5 s, which is less than the wait. Brokers before 5.0 know no lifetimes:
//! there, and for half messages of checkpoints that know none, only time is waited.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::try_join_all;
use riverrun_base::{Error, Result};
use riverrun_rocketmq_client::{Client, HalfMessage, Producer, ProducerOptions, Queue};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::Connection;
use crate::committer::see_visible;
use crate::transactional::answer_checks;

/// How long a copy can be committed. Brokers take no less, by default.
const LIFETIME: Duration = Duration::from_secs(6);

/// How much later than expected a broker may refuse what is too old, before it is taken for one that knows no lifetimes: a broker's
/// `transactionTimeOut` is the least lifetime.
const REFUSED_WITHIN: Duration = Duration::from_secs(30);

/// The pause between two questions whether a lifetime is over.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a broker takes at most from letting a request pass to having it carried out.
const CARRIED_OUT: Duration = Duration::from_secs(1);

/// When a commit is carried out that was sent to a broker without lifetimes, or never will be: it drops what it has not begun
/// within 3 s (`waitTimeMillsInTransactionQueue`).
const UNDER_WAY: Duration = Duration::from_millis(3500);

/// The longest wait for the lifetimes of a checkpoint's half messages; a writer gives none more than six minutes.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// How long another process that has claimed the same is let do it, at most twice as long.
const YIELD: Duration = Duration::from_secs(8);

/// How many copies are sent and committed under one stamp: in much less than their lifetime.
const AT_ONCE: usize = 500;

/// Commits those of the half messages of a complete checkpoint that are not visible yet.
///
/// # Errors
/// A broker does not answer, was too slow, or another process has claimed the same: all of that may be tried again from the start.
pub(crate) async fn commit(connection: &Connection, halves: &[HalfMessage]) -> Result<()> {
    // a client of its own, which leaves the producers' group when this is over
    let client = connection.open()?;
    let mut questions = JoinSet::new();
    questions.spawn(answer_checks(client.clone()));
    let mut by_queue: BTreeMap<Queue, Vec<HalfMessage>> = BTreeMap::new();
    for half in client.uncommitted(halves).await? {
        by_queue.entry(half.queue.clone()).or_default().push(half);
    }
    if by_queue.is_empty() {
        return Ok(());
    }
    // all are claimed first, so that they are waited for together
    let mut claims = Vec::with_capacity(by_queue.len());
    for (queue, halves) in by_queue {
        claims.push(Claim::new(&client, queue, halves).await?);
    }
    for claim in &claims {
        claim.wait().await?;
    }
    sleep(CARRIED_OUT).await;
    for claim in &claims {
        claim.commit_rest().await?;
    }
    see_visible(&client, halves).await
}

/// A queue that was claimed.
struct Claim {
    client: Client,
    producer: Producer,
    queue: Queue,
    /// The checkpoint's half messages that were not visible.
    halves: Vec<HalfMessage>,
    number: i64,
    /// When it was made, by the broker's clock and by ours; not before.
    made: (i64, Instant),
    timer: HalfMessage,
}

impl Claim {
    async fn new(client: &Client, queue: Queue, halves: Vec<HalfMessage>) -> Result<Self> {
        let group = halves.first().map_or("", |half| half.group.as_str());
        let producer = client.producer(ProducerOptions::new(group))?;
        let number = claim_number();
        client.commit_offset(&claims_of(group), &queue, number).await?;
        let time = producer.broker_time(&queue).await?;
        let timer = producer.send_timer(&queue, time, LIFETIME).await?;
        Ok(Self { client: client.clone(), producer, queue, halves, number, made: (time, Instant::now()), timer })
    }

    /// Waits until nothing that others have sent before the claim can be carried out any more.
    async fn wait(&self) -> Result<()> {
        let (time, made) = self.made;
        let until = self.halves.iter().filter_map(|half| half.until).max();
        let refuses_old = match until {
            None => {
                sleep_until(made + UNDER_WAY).await;
                true
            }
            Some(until) => {
                let left = Duration::from_millis(u64::try_from(until.saturating_sub(time)).unwrap_or_default());
                if left > WAIT_MAX {
                    return Err(Error::external(
                        "the half messages of a checkpoint can be committed for longer than is waited",
                    )
                    .with("queue", &self.queue)
                    .with("seconds", left.as_secs())
                    .hint("is the clock of a broker, or of the machine that has written the checkpoint, wrong?"));
                }
                self.is_refused(made + left, &self.halves).await?
            }
        };
        let timer = std::slice::from_ref(&self.timer);
        if !refuses_old || !self.is_refused(made + LIFETIME, timer).await? {
            tracing::warn!(
                target: "riverrun_rocketmq",
                queue = %self.queue,
                "the broker takes commits of old half messages (RocketMQ before 5.0 does): nothing keeps another process from committing at the same time"
            );
        }
        Ok(())
    }

    /// Waits until the broker refuses to commit any of them, which is expected from `end` on.
    async fn is_refused(&self, end: Instant, halves: &[HalfMessage]) -> Result<bool> {
        sleep_until(end).await;
        loop {
            if self.client.are_expired(halves).await? {
                return Ok(true);
            }
            if Instant::now() > end + REFUSED_WITHIN {
                return Ok(false);
            }
            sleep(PAUSE).await;
        }
    }

    async fn commit_rest(&self) -> Result<()> {
        let missing = self.client.uncommitted(&self.halves).await?;
        for halves in missing.chunks(AT_ONCE) {
            let stamp = self.producer.broker_time(&self.queue).await?;
            self.check().await?;
            let copies =
                self.send_again(halves, stamp + i64::try_from(LIFETIME.as_millis()).unwrap_or_default()).await?;
            if !self.client.commit_in_time(&copies).await? {
                return Err(Error::external("the broker was too slow to commit messages")
                    .retryable()
                    .with("queue", &self.queue));
            }
        }
        Ok(())
    }

    /// Whether the claim still counts.
    async fn check(&self) -> Result<()> {
        let group = claims_of(self.producer.group());
        if self.client.committed_offset_of_master(&group, &self.queue).await? == Some(self.number) {
            return Ok(());
        }
        sleep(YIELD.mul_f64(1.0 + fastrand::f64())).await;
        Err(Error::external("another process commits the same checkpoint").retryable().with("queue", &self.queue))
    }

    async fn send_again(&self, halves: &[HalfMessage], until: i64) -> Result<Vec<HalfMessage>> {
        let stored = try_join_all(halves.iter().map(|half| self.client.read_half(half))).await?;
        let mut pending = Vec::with_capacity(halves.len());
        for (half, stored) in halves.iter().zip(&stored) {
            pending.push(self.producer.send_half_again(half, stored, until).await?);
        }
        let mut copies = Vec::with_capacity(halves.len());
        for copy in pending {
            copies.push(copy.await?);
        }
        Ok(copies)
    }
}

/// The group under whose name claims are kept.
fn claims_of(group: &str) -> String {
    format!("{group}-claims")
}

/// A number that no other claim has: milliseconds since 1970, and 20 bits of chance. Later ones are greater, as offsets are.
fn claim_number() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(now.as_millis()).unwrap_or_default() & ((1 << 43) - 1);
    (millis << 20) | i64::from(fastrand::u32(..1 << 20))
}
