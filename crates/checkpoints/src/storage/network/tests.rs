#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use super::*;

const BRIEF: Patience = Patience { repeat: Duration::from_millis(600), each: Duration::from_millis(200) };

/// What the next try of a write comes to.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Done,
    /// The write is done, and its answer lost.
    DoneWithoutAnswer,
    /// Another attempt is faster, and the answer lost.
    TakenWithoutAnswer,
    /// Nothing is done.
    NotReached,
    /// Nothing is done, and nobody answers.
    Silent,
    Refused,
}

/// A store in memory, whose network fails as it is told.
#[derive(Debug, Default)]
struct Shaky {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    fates: Mutex<VecDeque<Fate>>,
}

impl Shaky {
    fn network(fates: &[Fate]) -> Network<Self> {
        let fates = Mutex::new(fates.iter().copied().collect());
        Network::new(Self { files: Mutex::default(), fates }, BRIEF)
    }
}

impl Remote for Shaky {
    fn url(&self) -> &str {
        "shaky://store"
    }

    fn unreachable(&self) -> &'static str {
        "is it running?"
    }

    async fn put_new(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Done);
        let new = |bytes: &[u8]| {
            let mut files = self.files.lock().unwrap();
            if files.contains_key(path) {
                return Err(Failure::Taken);
            }
            files.insert(path.to_owned(), bytes.to_vec());
            Ok(())
        };
        let lost = || Err(Failure::Passing("connection reset".to_owned()));
        match fate {
            Fate::Done => new(bytes),
            Fate::DoneWithoutAnswer => new(bytes).and_then(|()| lost()),
            Fate::TakenWithoutAnswer => new(b"another's").and_then(|()| lost()),
            Fate::NotReached => lost(),
            Fate::Silent => std::future::pending().await,
            Fate::Refused => Err(Failure::Refused("not allowed".to_owned(), Some("ask for it"))),
        }
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.put_new(path, bytes).await
    }

    async fn get(&self, path: &str) -> Result<Pieces<'_>, Failure> {
        let file = self.files.lock().unwrap().get(path).cloned().ok_or(Failure::Absent)?;
        Ok(futures::stream::iter([Ok(Bytes::from(file))]).boxed())
    }

    async fn head(&self, path: &str) -> Result<(), Failure> {
        self.get(path).await.map(drop)
    }

    async fn entries(&self, _folder: &str) -> Result<Vec<Entry>, Failure> {
        Ok(Vec::new())
    }

    async fn remove(&self, _path: &str) -> Result<(), Failure> {
        Ok(())
    }

    async fn remove_folder(&self, _folder: &str) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn a_lost_answer_to_a_create_is_found_out_by_reading_back() {
    for (fates, expected) in [
        (&[Fate::DoneWithoutAnswer][..], Created::Written),
        (&[Fate::TakenWithoutAnswer], Created::Exists),
        (&[Fate::NotReached, Fate::NotReached, Fate::DoneWithoutAnswer], Created::Written),
        (&[Fate::NotReached, Fate::TakenWithoutAnswer], Created::Exists),
        (&[Fate::Silent, Fate::Done], Created::Written),
    ] {
        let storage = Shaky::network(fates);
        assert_eq!(storage.create("a", b"ours").unwrap(), expected, "{fates:?}");
    }
}

#[test]
fn repeating_ends_and_tells_the_cause_and_the_remedy() {
    let storage = Shaky::network(&[Fate::NotReached; 100]);
    let error = storage.create("a", b"ours").unwrap_err();
    assert_eq!(error.to_string(), "cannot create shaky://store/a: connection reset; is it running?");
    assert!(error.is_retryable());
    assert!(storage.remote.fates.lock().unwrap().len() > 80, "with pauses between");
}

#[test]
fn silence_ends() {
    let error = Shaky::network(&[Fate::Silent; 100]).write("a", b"ours").unwrap_err();
    assert!(error.to_string().contains("no answer within"), "{error}");
}

#[test]
fn a_refusal_is_not_repeated() {
    let storage = Shaky::network(&[Fate::Refused, Fate::Done]);
    let error = storage.create("a", b"ours").unwrap_err();
    assert_eq!(error.to_string(), "cannot create shaky://store/a: not allowed; ask for it");
    assert!(!error.is_retryable());
    assert_eq!(storage.read("a").unwrap(), None);
}
