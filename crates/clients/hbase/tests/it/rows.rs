use riverrun_base::Kind;
use riverrun_hbase_client::{Put, Scan};

use crate::setup::{keys, put, read, table, with_client};

#[test]
fn a_row_of_any_bytes_comes_back_as_it_was_put() {
    with_client(|client| async move {
        let table = table(&client, &[]).await;
        let all: Vec<u8> = (0..=255).collect();
        let large = vec![7; 1 << 20];
        let row = Put::new(all.clone()).cell("cf", all.clone(), all.clone()).cell("cf", "", "").cell(
            "cf",
            "large",
            large.clone(),
        );
        client.put(&table, &row.timestamp_ms(1_700_000_000_123)).await.unwrap();
        let read = client.get(&table, &all).await.unwrap().unwrap();
        assert_eq!(read.key(), &all);
        assert_eq!(read.value("cf", &all), Some(&all[..]));
        assert_eq!(read.value("cf", ""), Some(&b""[..]));
        assert_eq!(read.value("cf", "large"), Some(&large[..]));
        assert_eq!(read.value("cf", "another"), None);
        assert!(read.cells().iter().all(|cell| cell.timestamp_ms == 1_700_000_000_123));
        assert_eq!(client.get(&table, [0u8]).await.unwrap(), None);
    });
}

#[test]
fn the_newest_version_is_read_and_a_deleted_row_is_gone() {
    with_client(|client| async move {
        let table = table(&client, &[]).await;
        let value = async |key: &str| {
            let row = client.get(&table, key).await.unwrap();
            row.map(|row| String::from_utf8_lossy(row.value("cf", "v").unwrap()).into_owned())
        };
        for version in ["1", "2", "3"] {
            client.put(&table, &put("r", version)).await.unwrap();
        }
        assert_eq!(value("r").await.as_deref(), Some("3"));
        client.delete(&table, "r").await.unwrap();
        assert_eq!(value("r").await, None);
        client.delete(&table, "never there").await.unwrap();
        // by the server's clock, which the deletion has too: HBase hides what is not later
        riverrun_testkit::wait_until(std::time::Duration::from_secs(5), "the clock to move", {
            let begin = std::time::Instant::now();
            move || begin.elapsed().as_millis() > 5
        });
        client.put(&table, &put("r", "4")).await.unwrap();
        assert_eq!(value("r").await.as_deref(), Some("4"));
    });
}

#[test]
fn rows_come_in_the_order_of_their_bytes_within_bounds_and_batches() {
    with_client(|client| async move {
        let table = table(&client, &[]).await;
        let puts: Vec<_> = ["b", "a", "ab", "c\u{10ffff}", "ca", "d"].map(|key| put(key, key)).into();
        for outcome in client.put_all(&table, &puts).await {
            outcome.unwrap();
        }
        let all = ["a", "ab", "b", "ca", "c\u{10ffff}", "d"];
        assert_eq!(keys(&client, &table, Scan::all()).await, all);
        for batch_rows in [1, 2, 5, 6, 7] {
            let mut scanner = client.scan(&table, Scan::all().batch_rows(batch_rows));
            let mut sizes = Vec::new();
            while let Some(batch) = scanner.next_batch().await.unwrap() {
                sizes.push(batch.len());
            }
            assert!(sizes.iter().sum::<usize>() == 6 && sizes[0] == batch_rows.min(6), "{batch_rows}: {sizes:?}");
            assert_eq!(scanner.next_batch().await.unwrap(), None);
        }
        assert_eq!(keys(&client, &table, Scan::prefix("a")).await, ["a", "ab"]);
        assert_eq!(keys(&client, &table, Scan::prefix("c")).await, ["ca", "c\u{10ffff}"]);
        assert_eq!(keys(&client, &table, Scan::all().start_at("ab").stop_before("ca")).await, ["ab", "b"]);
        assert_eq!(keys(&client, &table, Scan::all().start_after("ab").limit(2)).await, ["b", "ca"]);
        assert_eq!(keys(&client, &table, Scan::all().limit(0)).await, [""; 0]);
        assert_eq!(keys(&client, &table, Scan::prefix("x")).await, [""; 0]);
    });
}

#[test]
fn a_row_larger_than_a_portion_is_read_whole_between_small_ones() {
    with_client(|client| async move {
        let table = table(&client, &[]).await;
        let large = |key: &str| (0..9u8).fold(Put::new(key), |put, n| put.cell("cf", [n], vec![n; 700_000]));
        for row in [put("a", "1"), large("b"), put("c", "3"), large("d")] {
            client.put(&table, &row).await.unwrap();
        }
        for scan in [Scan::all(), Scan::all().batch_rows(1), Scan::all().start_at("b")] {
            let rows = read(&client, &table, scan.clone()).await;
            let shape: Vec<_> = rows.iter().map(|row| (row.key()[0], row.cells().len())).collect();
            let from = if scan == Scan::all().start_at("b") { 1 } else { 0 };
            assert_eq!(shape, [(b'a', 1), (b'b', 9), (b'c', 1), (b'd', 9)][from..]);
            let values =
                rows.iter().filter(|row| row.cells().len() == 9).flat_map(|row| row.cells().iter().enumerate());
            for (n, cell) in values {
                assert!(cell.value.len() == 700_000 && cell.value.iter().all(|byte| usize::from(*byte) == n));
            }
        }
    });
}

#[test]
fn a_row_is_put_only_where_its_first_column_has_no_value() {
    with_client(|client| async move {
        let table = table(&client, &[]).await;
        assert!(client.put_if_absent(&table, &put("r", "first").cell("cf", "w", "x")).await.unwrap());
        assert!(!client.put_if_absent(&table, &put("r", "second")).await.unwrap());
        let row = client.get(&table, "r").await.unwrap().unwrap();
        assert_eq!((row.value("cf", "v"), row.value("cf", "w")), (Some(&b"first"[..]), Some(&b"x"[..])));
        // another column of the row is another matter
        assert!(client.put_if_absent(&table, &Put::new("r").cell("cf", "z", "")).await.unwrap());

        let claim = |n: u8| {
            let (client, table) = (client.clone(), table.clone());
            async move { client.put_if_absent(&table, &put("claimed", [n])).await.unwrap() }
        };
        let won = futures::future::join_all((0..20).map(claim)).await;
        assert_eq!(won.into_iter().filter(|is_won| *is_won).count(), 1);
    });
}

#[test]
fn what_hbase_cannot_take_is_a_bad_record_and_what_it_refuses_is_named() {
    with_client(|client| async move {
        let table = table(&client, &[]).await;
        let error = client.put(&table, &put("", "v")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Data);
        let error = client.put_if_absent(&table, &Put::new("r").cell("no", "q", "v")).await.unwrap_err();
        assert!(error.to_string().contains("NoSuchColumnFamilyException"), "{error}");
        // hbase.server.keyvalue.maxsize is 10 MiB
        let error = client.put(&table, &put("r", vec![0; 11 << 20])).await.unwrap_err();
        assert!(error.to_string().contains("HBase refuses") && !error.is_retryable(), "{error}");
        client.put(&table, &put("r", "fits")).await.unwrap();
    });
}
