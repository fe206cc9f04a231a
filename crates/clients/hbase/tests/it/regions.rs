use riverrun_hbase_client::{Put, Scan};

use crate::setup::{all_written, client_of, keys, put, table, with_client};

fn numbered(rows: std::ops::Range<u32>) -> Vec<Put> {
    rows.map(|n| put(format!("{n:04}"), n.to_string())).collect()
}

fn expected(rows: std::ops::Range<u32>) -> Vec<String> {
    rows.map(|n| format!("{n:04}")).collect()
}

#[test]
fn a_scan_goes_over_all_regions_also_empty_ones() {
    with_client(|client| async move {
        let table = table(&client, &["0100", "0200", "0300", "0400"]).await;
        let mut puts = numbered(0..100);
        puts.extend(numbered(300..400));
        all_written(client.put_all(&table, &puts).await);
        let all = [expected(0..100), expected(300..400)].concat();
        assert_eq!(keys(&client, &table, Scan::all()).await, all);
        assert_eq!(keys(&client, &table, Scan::all().batch_rows(7)).await, all);
        assert_eq!(keys(&client, &table, Scan::all().limit(150)).await, all[..150]);
        assert_eq!(keys(&client, &table, Scan::all().start_at("0050").stop_before("0350")).await, all[50..150]);
        assert_eq!(keys(&client, &table, Scan::prefix("01")).await, [""; 0]);
        // a bound that is a region's
        assert_eq!(keys(&client, &table, Scan::all().stop_before("0300")).await, all[..100]);
    });
}

#[test]
fn rows_and_scans_find_their_way_after_a_split() {
    with_client(|client| async move {
        let table = table(&client, &["0600"]).await;
        all_written(client.put_all(&table, &numbered(0..1000)).await);
        let mut scanner = client.scan(&table, Scan::all().batch_rows(400));
        let mut read = scanner.next_batch().await.unwrap().unwrap().len();

        // by another client: this one does not know of it
        let other = client_of(riverrun_testkit::hbase());
        other.split_region(&table, "0300").await.unwrap();
        let error = other.split_region(&table, "0300").await.unwrap_err();
        assert!(error.to_string().contains("a region begins with this row already"), "{error}");

        while let Some(rows) = scanner.next_batch().await.unwrap() {
            read += rows.len();
        }
        assert_eq!(read, 1000);
        // both halves in one batch, from what was known before
        let late = client_of(riverrun_testkit::hbase());
        late.get(&table, "0000").await.unwrap().unwrap();
        late.get(&table, "0999").await.unwrap().unwrap();
        other.split_region(&table, "0800").await.unwrap();
        all_written(late.put_all(&table, &numbered(0..1200)).await);
        assert_eq!(keys(&client, &table, Scan::all()).await, expected(0..1200));
        assert!(!late.put_if_absent(&table, &put("0700", "x")).await.unwrap());
        late.delete(&table, "0900").await.unwrap();
        assert_eq!(client.get(&table, "0900").await.unwrap(), None);
    });
}
