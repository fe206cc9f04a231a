use riverrun_base::Kind;
use riverrun_hbase_client::{NewTable, TableName};
use riverrun_testkit::unique;

use crate::setup::{put, table, with_client};

fn new(name: &TableName) -> NewTable {
    NewTable::new(name.clone()).family("cf")
}

#[test]
fn a_table_is_made_once_and_can_be_used_at_once() {
    with_client(|client| async move {
        let name = TableName::new(unique("made")).unwrap();
        assert!(!client.table_exists(&name).await.unwrap());
        assert!(client.create_table(&new(&name).family("more")).await.unwrap());
        assert!(client.table_exists(&name).await.unwrap());
        client.put(&name, &put("r", "v").cell("more", "", "w")).await.unwrap();
        assert!(!client.create_table(&new(&name)).await.unwrap());
        assert!(client.get(&name, "r").await.unwrap().is_some());
    });
}

#[test]
fn of_many_who_make_a_table_at_once_one_does_and_all_can_use_it() {
    with_client(|client| async move {
        let name = TableName::new(unique("raced")).unwrap();
        let make = |n: u8| {
            let (client, name) = (client.clone(), name.clone());
            async move {
                let is_made = client.create_table(&new(&name)).await.unwrap();
                client.put(&name, &put([n], "v")).await.unwrap();
                is_made
            }
        };
        let made = futures::future::join_all((0..4).map(make)).await;
        assert_eq!(made.into_iter().filter(|is_made| *is_made).count(), 1);
    });
}

#[test]
fn a_table_that_lacks_a_family_is_named() {
    with_client(|client| async move {
        let name = table(&client, &[]).await;
        let error = client.create_table(&new(&name).family("other")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::User);
        let expected = format!("the HBase table '{name}' has no column family 'other'");
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(
            client.create_table(&NewTable::new(name)).await.unwrap_err().to_string().contains("has no column family")
        );
    });
}

#[test]
fn a_namespace_that_is_not_there_is_refused_at_once() {
    with_client(|client| async move {
        let name = TableName::new(format!("nowhere:{}", unique("t"))).unwrap();
        let error = client.create_table(&new(&name)).await.unwrap_err();
        assert!(error.to_string().contains("NamespaceNotFoundException") && !error.is_retryable(), "{error}");
    });
}

#[test]
fn a_table_that_is_not_there_is_named() {
    with_client(|client| async move {
        let name = TableName::new(unique("absent")).unwrap();
        let expected = format!("HBase has no table '{name}'");
        let mut errors: Vec<_> = client.put_all(&name, &[put("a", "1"), put("b", "2")]).await;
        errors.push(client.get(&name, "r").await.map(drop));
        errors.push(client.scan(&name, riverrun_hbase_client::Scan::all()).next_batch().await.map(drop));
        errors.push(client.put_if_absent(&name, &put("a", "1")).await.map(drop));
        errors.push(client.delete(&name, "a").await);
        for error in errors.into_iter().map(Result::unwrap_err) {
            assert_eq!((error.kind(), error.is_retryable()), (Kind::User, false));
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    });
}
