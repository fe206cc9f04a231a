//! What is left of writers, brokers and answers that died.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use riverrun_connect::Committable;
use riverrun_protocol::CheckpointId;
use riverrun_testkit::process::Riverrun;
use riverrun_testkit::{KafkaServer, KafkaVersion, kafka, unique, wait_until};

use crate::harness::LIMIT;
use crate::transactions::{Attempt, done, lost, visible};

/// Where [`writes_and_waits_to_be_killed`] writes to: broker and topic.
const WRITE_TO: &str = "RIVERRUN_TEST_WRITE_TO";

#[test]
#[ignore = "the process that other tests kill"]
fn writes_and_waits_to_be_killed() {
    let Ok(target) = std::env::var(WRITE_TO) else { return };
    let (bootstrap, topic) = target.split_once(' ').unwrap();
    let attempt = Attempt::with(bootstrap, topic, topic, &[]);
    let _committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    let prepared = writer.write_and_prepare(0..1000, 1);
    // The rows of the next interval are on the broker, without a checkpoint.
    let _unfinished = writer.write_and_prepare(1000..1500, 2);
    writer.write(1500..1600);
    println!("prepared {}", String::from_utf8(prepared[0].0.clone()).unwrap());
    std::io::stdout().flush().unwrap();
    thread::sleep(Duration::from_secs(600));
}

/// Runs a writer in a process of its own, kills it, and returns what its checkpoint holds.
fn killed_writer(broker: &KafkaServer, topic: &str) -> Vec<Committable> {
    let process = Riverrun::builder_at(std::env::current_exe().unwrap())
        .args(["recovery::writes_and_waits_to_be_killed", "--exact", "--ignored", "--nocapture"])
        .env(WRITE_TO, format!("{} {topic}", broker.bootstrap()))
        .start();
    let line = process.wait_for_line("prepared {", LIMIT);
    process.kill9();
    let _ = process.wait(LIMIT);
    vec![Committable(line.as_bytes()[line.find('{').unwrap()..].to_vec())]
}

fn commits_what_a_killed_writer_has_prepared(broker: &KafkaServer) {
    let topic = broker.topic("tx_killed", 3);
    let prepared = killed_writer(broker, &topic);
    assert!(visible(broker, &topic).is_empty());
    let attempt = Attempt::with(&broker.bootstrap(), &topic, &topic, &[]).next(Some(1));
    let mut committer = attempt.recover(&prepared);
    assert_eq!(visible(broker, &topic), (0..1000).collect::<Vec<_>>());
    // The next attempt goes on, and nothing of the killed one holds readers up.
    let next = attempt.writer(0).write_and_prepare(1000..1010, 2);
    done(committer.commit(CheckpointId(2), &next));
    assert_eq!(visible(broker, &topic), (0..1010).collect::<Vec<_>>());
    // Recovered once more, from the same checkpoint: nothing is committed twice, or undone.
    let _committer = attempt.next(Some(1)).recover(&prepared);
    assert_eq!(visible(broker, &topic), (0..1010).collect::<Vec<_>>());
}

#[test]
fn what_a_killed_process_has_prepared_is_committed_by_another() {
    commits_what_a_killed_writer_has_prepared(kafka());
}

#[test]
#[ignore = "long: fetches and starts another version of Kafka"]
fn all_of_it_holds_on_kafka_3_9() {
    let settings = [("transaction.abort.timed.out.transaction.cleanup.interval.ms", "200")];
    let broker = KafkaServer::start_version(KafkaVersion::V3_9, &settings);
    commits_what_a_killed_writer_has_prepared(&broker);
    aborts_what_is_left_after_rescaling(&broker);
    notices_what_the_broker_gave_up(&broker);
    forgotten_outcomes_are_proven(&broker);
}

fn aborts_what_is_left_after_rescaling(broker: &KafkaServer) {
    let topic = broker.topic("tx_rescaled", 3);
    let attempt = Attempt::with(&broker.bootstrap(), &topic, &topic, &[]);
    let mut committer = attempt.recover(&[]);
    let mut writers: Vec<_> = (0..3).map(|subtask| attempt.writer(subtask)).collect();
    let mut interval = |checkpoint: u64| -> Vec<Committable> {
        let rows = i64::try_from(checkpoint).unwrap() * 100;
        let each = writers
            .iter_mut()
            .zip(0..)
            .flat_map(|(writer, n)| writer.write_and_prepare(rows + n * 10..rows + n * 10 + 10, checkpoint));
        each.collect()
    };
    let first = interval(1);
    done(committer.commit(CheckpointId(1), &first));
    // The second is complete and not committed, the third is neither.
    let (second, third) = (interval(2), interval(3));
    assert_eq!((second.len(), third.len()), (3, 3));
    drop(writers);

    let attempt = attempt.next(Some(2));
    let mut committer = attempt.recover(&second);
    assert_eq!(visible(broker, &topic), (100..130).chain(200..230).collect::<Vec<_>>());
    let fourth: Vec<_> = (0..2)
        .flat_map(|n| attempt.writer(usize::try_from(n).unwrap()).write_and_prepare(300 + n * 15..315 + n * 15, 3))
        .collect();
    done(committer.commit(CheckpointId(3), &fourth));
    assert_eq!(visible(broker, &topic), (100..130).chain(200..230).chain(300..330).collect::<Vec<_>>());
    // What was aborted stays so.
    assert!(!lost(committer.commit(CheckpointId(3), &third)).0);
}

#[test]
fn what_is_left_is_aborted_also_after_rescaling() {
    aborts_what_is_left_after_rescaling(kafka());
}

#[test]
fn jobs_whose_prefixes_begin_alike_do_not_meet() {
    let topic = kafka().topic("tx_prefix", 1);
    let prefix = unique("p");
    let job = |suffix: &str| Attempt::first(&topic, &format!("{prefix}{suffix}"));
    let others: Vec<Attempt> = ["b", "-b", "-b-c"].map(job).into_iter().collect();
    let prepared: Vec<_> = others.iter().zip(0..).map(|(other, n)| other.writer(0).write_and_prepare([n], 1)).collect();
    let _committer = job("").recover(&[]);
    for (other, prepared) in others.iter().zip(&prepared) {
        done(other.committer().commit(CheckpointId(1), prepared));
    }
    assert_eq!(visible(kafka(), &topic), [0, 1, 2]);
}

#[test]
fn a_job_that_starts_anew_aborts_what_the_former_left() {
    let topic = kafka().topic("tx_anew", 1);
    let former = Attempt::first(&topic, &topic);
    let mut writer = former.writer(0);
    let _abandoned = writer.write_and_prepare(0..5, 1);
    drop(writer);
    let mut anew = Attempt::first(&topic, &topic);
    anew.job.id = "another".into();
    anew.job.operator = "renamed".into();
    let mut committer = anew.recover(&[]);
    let prepared = anew.writer(0).write_and_prepare([7], 1);
    done(committer.commit(CheckpointId(1), &prepared));
    assert_eq!(visible(kafka(), &topic), [7]);
}

#[test]
fn a_writer_that_outlives_its_attempt_writes_nothing_more() {
    let topic = kafka().topic("tx_zombie", 1);
    let attempt = Attempt::first(&topic, &topic);
    let (mut idle, mut busy) = (attempt.writer(0), attempt.writer(1));
    busy.write(0..5);
    let _committer = attempt.next(None).recover(&[]);
    for writer in [&mut idle, &mut busy] {
        let written = writer.try_write(5..10).and_then(|()| writer.writer.prepare(CheckpointId(1)));
        let error = written.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
    assert!(visible(kafka(), &topic).is_empty());
}

/// A transaction that times out after a second, beside one that does not.
fn notices_what_the_broker_gave_up(broker: &KafkaServer) {
    let topic = broker.topic("tx_given_up", 2);
    let patient = Attempt::with(&broker.bootstrap(), &topic, &topic, &[]);
    let hasty = Attempt::with(&broker.bootstrap(), &topic, &topic, &[("properties.transaction.timeout.ms", "1000")]);
    let mut committer = patient.recover(&[]);
    let (mut writer, mut late) = (patient.writer(0), hasty.writer(1));
    let given_up = |late: &[Committable], patient: &Attempt| {
        let mut committer = patient.committer();
        wait_until(LIMIT, "the broker to give a transaction up", || {
            // Looked at with another that is lost already, nothing is committed.
            matches!(committer.commit(CheckpointId(0), late), Ok(riverrun_connect::Commit::Lost { .. }))
        });
    };
    // Before the broker looks, it can be committed; so it is not asked for until it is gone.
    let gone = late.write_and_prepare(0..3, 1);
    let kept = writer.write_and_prepare(10..13, 1);
    thread::sleep(Duration::from_millis(2500));
    given_up(&gone, &patient);
    let both: Vec<Committable> = kept.iter().chain(&gone).cloned().collect();
    let (is_visible, error) = lost(committer.commit(CheckpointId(1), &both));
    assert!(!is_visible, "{error}");
    assert!(
        error.contains("3 rows") && error.contains("transaction.timeout.ms") && error.contains("checkpoint: 1"),
        "{error}"
    );
    // Nothing is visible, so that the job can go back to the checkpoint before.
    assert!(visible(broker, &topic).is_empty());
    let (is_visible, _) = lost(patient.next(Some(1)).committer().recover(Some(CheckpointId(1)), &both));
    assert!(!is_visible);
    done(committer.commit(CheckpointId(1), &kept));
    let (is_visible, error) = lost(committer.commit(CheckpointId(1), &both));
    assert!(is_visible, "{error}");
    assert_eq!(visible(broker, &topic), [10, 11, 12]);
}

#[test]
fn a_transaction_that_the_broker_gave_up_is_noticed() {
    let settings = [("transaction.abort.timed.out.transaction.cleanup.interval.ms", "200")];
    let broker = KafkaServer::start_with(&settings);
    notices_what_the_broker_gave_up(&broker);
    a_writer_notices_too(&broker);
}

fn a_writer_notices_too(broker: &KafkaServer) {
    let topic = broker.topic("tx_writer_late", 1);
    let options = [("properties.transaction.timeout.ms", "1000"), ("properties.linger.ms", "0")];
    let attempt = Attempt::with(&broker.bootstrap(), &topic, &topic, &options);
    let mut writer = attempt.writer(0);
    writer.write(0..3);
    thread::sleep(Duration::from_secs(3));
    let error = writer.writer.prepare(CheckpointId(1)).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("given up") || error.to_string().contains("fenced"), "{error}");
}

fn forgotten_outcomes_are_proven(broker: &KafkaServer) {
    let topic = broker.topic("tx_forgotten", 2);
    let attempt = Attempt::with(&broker.bootstrap(), &topic, &topic, &[]);
    let mut committer = attempt.recover(&[]);
    let mut writer = attempt.writer(0);
    let first = writer.write_and_prepare(0..4, 1);
    let second = writer.write_and_prepare(4..8, 2);
    done(committer.commit(CheckpointId(1), &first));
    drop(writer);
    // Goes on from the first: the second is aborted, and its id taken over.
    let next = attempt.next(Some(1));
    let mut committer = next.recover(&first);
    let (is_visible, error) = lost(committer.commit(CheckpointId(2), &second));
    assert!(!is_visible && error.contains("4 rows"), "{error}");
    let both: Vec<Committable> = first.iter().chain(&second).cloned().collect();
    assert!(lost(committer.commit(CheckpointId(2), &both)).0);
    assert_eq!(visible(broker, &topic), [0, 1, 2, 3]);
}

#[test]
fn an_outcome_that_the_coordinator_forgot_is_proven_by_the_rows() {
    forgotten_outcomes_are_proven(kafka());
}

#[test]
fn a_commit_is_repeated_whichever_answer_is_lost() {
    let (broker, proxy) = KafkaServer::start_behind_proxy();
    let topic = broker.topic("tx_lost_answer", 2);
    let mut attempt = Attempt::with(&proxy.address().to_string(), &topic, &topic, &[]);
    let mut rows = 0;
    let mut lost_answers = 0;
    loop {
        let mut committer = attempt.recover(&[]);
        let mut writer = attempt.writer(0);
        let prepared = writer.write_and_prepare(rows..rows + 10, 1);
        // Only the committer talks to the broker from now on: it looks for the coordinator, looks the transaction up, commits, looks again.
        drop(writer);
        assert_eq!(visible(&broker, &topic).len(), usize::try_from(rows).unwrap());
        proxy.hold_answers_after(lost_answers);
        let lost = thread::scope(|scope| {
            let committing = scope.spawn(|| committer.commit(CheckpointId(1), &prepared));
            wait_until(LIMIT, "an answer to be lost, or the end", || {
                proxy.is_holding_an_answer() || committing.is_finished()
            });
            let lost = !committing.is_finished();
            proxy.cut();
            proxy.heal();
            done(committing.join().unwrap());
            lost
        });
        rows += 10;
        assert_eq!(visible(&broker, &topic), (0..rows).collect::<Vec<_>>());
        if !lost {
            break;
        }
        lost_answers += 1;
        attempt = attempt.next(Some(1));
    }
    assert!(lost_answers >= 4, "after {lost_answers} answers it was committed");
}

#[test]
fn prepared_rows_survive_a_broker_that_is_killed() {
    let mut broker = KafkaServer::start();
    let topic = broker.topic("tx_broker_killed", 3);
    let attempt = Attempt::with(&broker.bootstrap(), &topic, &topic, &[]);
    let mut committer = attempt.recover(&[]);
    let prepared = attempt.writer(0).write_and_prepare(0..100, 1);
    broker.kill9();
    thread::scope(|scope| {
        // It asks for as long as it takes.
        let committing = scope.spawn(|| committer.commit(CheckpointId(1), &prepared));
        broker.restart();
        done(committing.join().unwrap());
    });
    assert_eq!(visible(&broker, &topic), (0..100).collect::<Vec<_>>());
    done(committer.commit(CheckpointId(1), &prepared));
}
