use super::*;

fn server(url: &str) -> Server {
    match Location::parse(url).unwrap() {
        Location::Server(server) => server,
        Location::File(_) => panic!("{url} is a file"),
    }
}

fn error(url: &str) -> String {
    Location::parse(url).unwrap_err().to_string()
}

#[test]
fn the_urls_that_people_write_are_understood() {
    let playground = server("jdbc:mysql://mysql:3306/sql-demo");
    assert_eq!((playground.system, playground.host.as_str(), playground.port), (System::MySql, "mysql", 3306));
    assert_eq!(playground.database.as_deref(), Some("sql-demo"));
    let maria = server("jdbc:mariadb://db/");
    assert_eq!((maria.system, maria.port, maria.database), (System::MariaDb, 3306, None));
    let postgres = server("jdbc:postgresql://[::1]:6543/my%20db?currentSchema=sales&sslmode=disable");
    assert_eq!((postgres.host.as_str(), postgres.port), ("::1", 6543));
    assert_eq!((postgres.database.as_deref(), postgres.schema.as_deref()), (Some("my db"), Some("sales")));
    assert_eq!(postgres.encryption, Encryption::Never);
    let local = server("jdbc:postgresql:orders");
    assert_eq!((local.host.as_str(), local.port, local.database.as_deref()), ("localhost", 5432, Some("orders")));
}

#[test]
fn credentials_in_a_url_are_taken_and_never_printed() {
    for url in ["jdbc:mysql://me:p%40ss@h/db", "jdbc:mysql://h/db?user=me&password=p%40ss"] {
        let mut location = Location::parse(url).unwrap();
        assert!(!format!("{location:?} {location}").contains("p@ss"), "{location:?}");
        location.set_credentials(None, None);
        let Location::Server(server) = &location else { panic!() };
        assert_eq!((server.user.as_deref(), server.password.as_ref().map(Secret::expose)), (Some("me"), Some("p@ss")));
        location.set_credentials(Some("other"), Some(&Secret::new("x")));
        let Location::Server(server) = &location else { panic!() };
        assert_eq!((server.user.as_deref(), server.password.as_ref().map(Secret::expose)), (Some("other"), Some("x")));
    }
}

#[test]
fn parameters_are_used_needless_or_reported() {
    let pasted = server(
        "jdbc:mysql://h/db?useSSL=false&serverTimezone=UTC&useUnicode=true&characterEncoding=utf8&rewriteBatchedStatements=true\
         &allowPublicKeyRetrieval=true&zeroDateTimeBehavior=convertToNull&connectTimeout=2500&socketTimeout=0&fooBar=1",
    );
    assert_eq!(pasted.encryption, Encryption::Never);
    assert!(pasted.zero_dates_are_null);
    assert_eq!((pasted.connect_timeout, pasted.socket_timeout), (Duration::from_millis(2500), None));
    let keys: Vec<&str> = pasted.ignored.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(keys, ["serverTimezone", "fooBar"]);
    let postgres = server("jdbc:postgresql://h/db?connectTimeout=3&socketTimeout=40&reWriteBatchedInserts=true&who=me");
    assert_eq!(
        (postgres.connect_timeout, postgres.socket_timeout),
        (Duration::from_secs(3), Some(Duration::from_secs(40)))
    );
    assert_eq!(postgres.ignored, ["who: unknown here"]);
}

#[test]
fn encryption_follows_each_systems_words() {
    let cases = [
        ("jdbc:mysql://h/db", Encryption::Preferred),
        ("jdbc:mysql://h/db?useSSL=true", Encryption::Required),
        ("jdbc:mysql://h/db?useSSL=true&verifyServerCertificate=true", Encryption::VerifyAuthority),
        ("jdbc:mysql://h/db?useSSL=true&verifyServerCertificate=false", Encryption::Required),
        ("jdbc:mysql://h/db?useSSL=false&verifyServerCertificate=true&requireSSL=true", Encryption::Never),
        ("jdbc:mariadb://h/db?trustServerCertificate=false", Encryption::Preferred),
        ("jdbc:mariadb://h/db?trustServerCertificate=false&useSsl=true", Encryption::VerifyAuthority),
        ("jdbc:mysql://h/db?sslMode=VERIFY_IDENTITY", Encryption::VerifyHost),
        ("jdbc:mariadb://h/db?sslMode=verify-full", Encryption::VerifyHost),
        ("jdbc:mariadb://h/db?sslMode=trust", Encryption::Required),
        ("jdbc:postgresql://h/db", Encryption::Preferred),
        ("jdbc:postgresql://h/db?ssl=true", Encryption::VerifyHost),
        ("jdbc:postgresql://h/db?ssl=true&sslmode=require", Encryption::Required),
        ("jdbc:postgresql://h/db?sslmode=require&ssl=false", Encryption::Required),
        ("jdbc:postgresql://h/db?sslmode=verify-ca&sslrootcert=/ca.pem", Encryption::VerifyAuthority),
    ];
    for (url, encryption) in cases {
        assert_eq!(server(url).encryption, encryption, "{url}");
    }
    assert!(error("jdbc:mysql://h/db?sslMode=maybe").contains("it takes DISABLED, PREFERRED"));
    assert!(error("jdbc:mysql://h/db?trustCertificateKeyStoreUrl=file:/a.jks").contains("serverSslCert"));
}

#[test]
fn sqlite_names_a_file() {
    let Location::File(file) =
        Location::parse("jdbc:sqlite:/tmp/a b.db?create=true&journal_mode=WAL&busy_timeout=100").unwrap()
    else {
        panic!()
    };
    assert_eq!(
        (file.path, file.create, file.busy_timeout),
        (PathBuf::from("/tmp/a b.db"), true, Duration::from_millis(100))
    );
    assert_eq!(file.pragmas, [("journal_mode", "wal".to_owned())]);
    assert!(error("jdbc:sqlite::memory:").contains("name a file"));
    assert!(error("jdbc:sqlite:a.db?journal_mode=x;DROP TABLE t").contains("it takes delete"));
}

#[test]
fn wrong_urls_say_what_to_write() {
    assert!(error("mysql://h/db").contains("does not begin with 'jdbc:'; write jdbc:mysql://host:3306/database"));
    assert!(error("jdbc:oracle:thin:@h:1521/x").contains("database system 'oracle' of the url is not supported yet"));
    assert!(error("jdbc:mysql:h/db").contains("lacks '//'"));
    assert!(
        error("jdbc:mysql://me:secret/db").contains("port is no number")
            && !error("jdbc:mysql://me:secret/db").contains("secret")
    );
    assert!(error("jdbc:mysql://a:1,b:2/db").contains("over several servers is not supported yet"));
    assert!(error("jdbc:mysql:loadbalance://a,b/db").contains("over several servers is not supported yet"));
}

#[test]
fn a_driver_class_must_fit_the_url() {
    let location = Location::parse("jdbc:mysql://h/db").unwrap();
    for driver in ["com.mysql.jdbc.Driver", "com.mysql.cj.jdbc.Driver", "org.mariadb.jdbc.Driver"] {
        location.check_driver(Some(driver)).unwrap();
    }
    location.check_driver(None).unwrap();
    let text = location.check_driver(Some("org.postgresql.Driver")).unwrap_err().to_string();
    assert!(
        text.contains("does not fit the url of a MySQL database") && text.contains("com.mysql.cj.jdbc.Driver"),
        "{text}"
    );
}
