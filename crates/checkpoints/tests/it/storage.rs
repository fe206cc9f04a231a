//! What every storage must hold.

use std::sync::Barrier;

use riverrun_checkpoints::storage::{Entry, check};
use riverrun_checkpoints::{Created, Storage};

/// Holds an empty storage to the contract of [`Storage`].
pub(crate) fn storage_suite(storage: &dyn Storage) {
    nothing_is_found_where_nothing_is(storage);
    what_is_written_is_read_and_listed(storage);
    a_file_is_created_once(storage);
    of_many_creators_one_succeeds(storage);
    what_is_deleted_is_gone(storage);
    a_check_leaves_nothing(storage);
}

fn nothing_is_found_where_nothing_is(storage: &dyn Storage) {
    assert_eq!(storage.list("").unwrap(), []);
    assert_eq!(storage.list("a/b").unwrap(), []);
    assert_eq!(storage.read("a/b").unwrap(), None);
    assert!(!storage.exists("a/b").unwrap());
    storage.delete("a/b").unwrap();
    storage.delete_folder("a").unwrap();
}

fn what_is_written_is_read_and_listed(storage: &dyn Storage) {
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_le_bytes()[usize::from(n % 3 == 0)]).collect();
    storage.write("w/small", b"small").unwrap();
    storage.write("w/large", &large).unwrap();
    assert_eq!(storage.create("w/empty", b"").unwrap(), Created::Written);
    storage.write("w/deep/er/file", b"1").unwrap();

    assert_eq!(storage.read("w/small").unwrap().as_deref(), Some(&b"small"[..]));
    assert!(storage.read("w/large").unwrap().as_ref() == Some(&large));
    assert_eq!(storage.read("w/empty").unwrap().as_deref(), Some(&b""[..]));
    assert!(storage.exists("w/empty").unwrap());
    assert!(!storage.exists("w/deep").unwrap(), "a folder is no file");
    let entry = |name: &str, bytes| Entry { name: name.to_owned(), bytes };
    let expected =
        [entry("deep", None), entry("empty", Some(0)), entry("large", Some(5_000_000)), entry("small", Some(5))];
    assert_eq!(storage.list("w").unwrap(), expected);
    assert_eq!(storage.list("").unwrap(), [entry("w", None)]);
    assert_eq!(storage.list("w/de").unwrap(), [], "a folder is not what begins with its name");

    storage.write("w/small", b"another").unwrap();
    assert_eq!(storage.read("w/small").unwrap().as_deref(), Some(&b"another"[..]));
}

fn a_file_is_created_once(storage: &dyn Storage) {
    assert_eq!(storage.create("c/file", b"first").unwrap(), Created::Written);
    assert_eq!(storage.create("c/file", b"second").unwrap(), Created::Exists);
    assert_eq!(storage.read("c/file").unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(storage.list("c").unwrap().len(), 1, "the loser leaves nothing");
}

fn of_many_creators_one_succeeds(storage: &dyn Storage) {
    const CREATORS: usize = 12;
    for round in 0..5 {
        let path = format!("race/{round}/file");
        let start = Barrier::new(CREATORS);
        let outcomes: Vec<Created> = std::thread::scope(|scope| {
            let creators: Vec<_> = (0..CREATORS)
                .map(|creator| {
                    let (start, path) = (&start, &path);
                    scope.spawn(move || {
                        let bytes = format!("creator {creator}").into_bytes();
                        start.wait();
                        storage.create(path, &bytes).unwrap()
                    })
                })
                .collect();
            creators.into_iter().map(|creator| creator.join().unwrap()).collect()
        });
        let winners: Vec<usize> = (0..CREATORS).filter(|creator| outcomes[*creator] == Created::Written).collect();
        let [winner] = winners[..] else { panic!("round {round}: {winners:?} were told that they created the file") };
        assert_eq!(storage.read(&path).unwrap(), Some(format!("creator {winner}").into_bytes()));
        assert_eq!(storage.list(&format!("race/{round}")).unwrap().len(), 1, "the losers leave nothing");
    }
}

fn what_is_deleted_is_gone(storage: &dyn Storage) {
    for file in ["d/a", "d/b", "d/e/f", "dd"] {
        storage.write(file, b"1").unwrap();
    }
    storage.delete("d/a").unwrap();
    assert_eq!(storage.read("d/a").unwrap(), None);
    storage.delete("d/a").unwrap();
    storage.delete_folder("d").unwrap();
    assert_eq!(storage.list("d").unwrap(), []);
    assert!(storage.exists("dd").unwrap());
    storage.delete("dd").unwrap();
    assert_eq!(storage.create("d/a", b"again").unwrap(), Created::Written);
    storage.delete_folder("").unwrap();
    assert_eq!(storage.list("").unwrap(), []);
}

fn a_check_leaves_nothing(storage: &dyn Storage) {
    check(storage, "").unwrap();
    check(storage, "folder").unwrap();
    assert_eq!(storage.list("folder").unwrap(), []);
    storage.delete_folder("folder").unwrap();
    assert_eq!(storage.list("").unwrap(), []);
}
