use riverrun_hbase_client::{Put, Scan};

use crate::setup::{all_written, keys, put, read, table, with_client};

#[test]
fn ten_thousand_rows_are_written_in_batches_read_and_deleted() {
    with_client(|client| async move {
        let table = table(&client, &[]).await;
        let puts: Vec<Put> = (0..10_000).map(|n| put(format!("{n:05}"), format!("value {n}"))).collect();
        all_written(client.put_all(&table, &puts).await);
        let rows = read(&client, &table, Scan::all()).await;
        assert_eq!(rows.len(), 10_000);
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(row.key(), format!("{n:05}").as_bytes());
            assert_eq!(row.value("cf", "v"), Some(format!("value {n}").as_bytes()));
        }
        let odd: Vec<_> = rows.iter().skip(1).step_by(2).map(|row| row.key().clone()).collect();
        all_written(client.delete_all(&table, &odd).await);
        let left = keys(&client, &table, Scan::all().batch_rows(300)).await;
        assert!(left.len() == 5000 && left.iter().all(|key| key.ends_with(['0', '2', '4', '6', '8'])));
    });
}

#[test]
fn a_row_that_is_refused_fails_alone() {
    with_client(|client| async move {
        let table = table(&client, &["m"]).await;
        let puts = [
            put("a", "1"),
            Put::new("b").cell("no such family", "q", "v"),
            put("", "no key"),
            put("n", "2"),
            Put::new("o").cell("cf", "q", "half").cell("no such family", "q", "v"),
            put("p", "3"),
        ];
        let outcomes = client.put_all(&table, &puts).await;
        let errors: Vec<_> = outcomes.iter().map(|outcome| outcome.as_ref().err().map(ToString::to_string)).collect();
        let has = |n: usize, text: &str| errors[n].as_ref().is_some_and(|error| error.contains(text));
        assert!(has(1, "NoSuchColumnFamilyException") && has(1, &format!("table: {table}")), "{errors:?}");
        assert!(has(2, "a row's key has 0 bytes"), "{errors:?}");
        assert!(has(4, "NoSuchColumnFamilyException"), "{errors:?}");
        assert_eq!(errors.iter().filter(|error| error.is_none()).count(), 3, "{errors:?}");
        // a row is written whole or not at all
        assert_eq!(keys(&client, &table, Scan::all()).await, ["a", "n", "p"]);
    });
}

#[test]
fn rows_of_many_bytes_go_in_calls_the_server_takes() {
    with_client(|client| async move {
        let table = table(&client, &["3", "6"]).await;
        let value = |n: u32| vec![u8::try_from(n % 251).unwrap(); 300_000];
        let puts: Vec<Put> = (0..60).map(|n| put(format!("{}-{n}", n % 9), value(n))).collect();
        all_written(client.put_all(&table, &puts).await);
        let rows = read(&client, &table, Scan::all()).await;
        assert_eq!(rows.len(), 60);
        for row in rows {
            let n: u32 = std::str::from_utf8(&row.key()[2..]).unwrap().parse().unwrap();
            assert_eq!(row.value("cf", "v"), Some(&value(n)[..]));
        }
        assert!(client.put_all(&table, &[]).await.is_empty());
    });
}

#[test]
fn many_tasks_share_one_client() {
    with_client(|client| async move {
        let table = table(&client, &[]).await;
        let write = |task: u32| {
            let (client, table) = (client.clone(), table.clone());
            tokio::spawn(async move {
                for n in 0..50 {
                    let key = format!("{task:02}-{n:02}");
                    client.put(&table, &put(key.clone(), key.clone())).await.unwrap();
                    let row = client.get(&table, &key).await.unwrap().unwrap();
                    assert_eq!(row.value("cf", "v"), Some(key.as_bytes()));
                }
            })
        };
        for task in (0..40).map(write).collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(keys(&client, &table, Scan::all()).await.len(), 2000);
    });
}
