//! What a Java exception of a server means for the client that asked.
//!
//! HBase marks the exceptions after which asking again is no use by a class, `DoNotRetryIOException`, from which they inherit. For a whole call it
//! says so in a flag. For one row of a batch it gives only the name, so the classes that can be met there are listed here; what is not
//! known is tried again, within the limit of time.

use riverrun_base::Kind;

use super::messages::{ExceptionResponse, NameBytesPair};
use crate::failure::{Failure, Stale};

/// The region is not there, or not yet.
const ELSEWHERE: &[&str] =
    &["NotServingRegionException", "RegionMovedException", "RegionOpeningException", "WrongRegionException"];

/// The server goes down or comes up: another one will have its regions.
const NOT_SERVING: &[&str] = &[
    "RegionServerStoppedException",
    "RegionServerAbortedException",
    "ServerNotRunningYetException",
    "MasterNotRunningException",
    "MasterStoppedException",
];

/// The region is where it was looked for, and has too much to do.
const BUSY: &[&str] = &[
    "CallDroppedException",
    "CallQueueTooBigException",
    "MultiActionResultTooLarge",
    "PleaseHoldException",
    "RegionTooBusyException",
    "RpcThrottlingException",
];

/// The scanner is gone, which a new one mends, although the class says that nothing does.
const SCANNER_LOST: &[&str] =
    &["UnknownScannerException", "OutOfOrderScannerNextException", "ScannerResetException", "LeaseException"];

/// Asking again is no use.
const FOR_GOOD: &[&str] = &[
    "AccessDeniedException",
    "BadAuthException",
    "ConstraintException",
    "CoprocessorException",
    "DoNotRetryIOException",
    "FailedSanityCheckException",
    "FatalConnectionException",
    "IllegalArgumentException",
    "InvalidMutationException",
    "NamespaceNotFoundException",
    "NoSuchColumnFamilyException",
    "SpaceLimitingException",
    "TableExistsException",
    "TableNotEnabledException",
    "TableNotFoundException",
    "UnknownServiceException",
    "UnsupportedCellCodecException",
    "WrongVersionException",
];

/// Of a whole call.
pub(crate) fn of_call(exception: &ExceptionResponse) -> Failure {
    let class = exception.exception_class_name.as_deref().unwrap_or("an exception without a name");
    judge(class, exception.stack_trace.as_deref().unwrap_or_default(), exception.do_not_retry.unwrap_or(false))
}

/// Of one row, or one region, of a batch.
pub(crate) fn of_row(exception: &NameBytesPair) -> Failure {
    let text = exception.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    judge(&exception.name, &text, false)
}

/// `text` is Java's stack trace, or the message alone.
pub(crate) fn judge(class: &str, text: &str, do_not_retry: bool) -> Failure {
    let name = simple(class);
    let message = message(class, text);
    let is_in = |classes: &[&str]| classes.contains(&name);
    if is_in(ELSEWHERE) {
        return Failure::passing(Stale::Region, message);
    }
    if is_in(NOT_SERVING) {
        return Failure::passing(Stale::Server, message);
    }
    if is_in(SCANNER_LOST) || is_in(BUSY) {
        return Failure::passing(Stale::Nothing, message);
    }
    if !do_not_retry && !is_in(FOR_GOOD) {
        // who knows: another look costs little
        return Failure::passing(Stale::Region, message);
    }
    let (kind, hint) = match name {
        "AccessDeniedException" | "BadAuthException" if text.contains("Authentication is required") => {
            return login_demanded();
        }
        "AccessDeniedException" | "BadAuthException" => (Kind::User, Some("HBase decides by the option 'user'")),
        "NoSuchColumnFamilyException" => {
            (Kind::User, Some("a table's column families are made with it, or by `alter`"))
        }
        "TableNotFoundException" | "TableNotEnabledException" | "NamespaceNotFoundException" => (Kind::User, None),
        _ => (Kind::External, None),
    };
    let refusal = Failure::refused(kind, format!("HBase refuses: {message}"));
    match hint {
        Some(hint) => refusal.hint(hint),
        None => refusal,
    }
}

/// The server wants to know who is there.
pub(crate) fn login_demanded() -> Failure {
    let hint = "only clusters with hbase.security.authentication = simple can be reached";
    Failure::refused(Kind::User, "HBase demands a Kerberos login, which is not supported").hint(hint)
}

/// The last part of a class's name.
fn simple(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

/// The first line of a stack trace, with the class's short name.
fn message(class: &str, text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix(class).map_or(line, |rest| rest.trim_start_matches(':').trim_start());
    let name = simple(class);
    if line.is_empty() { name.to_owned() } else { format!("{line} ({name})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(class: &str, text: &str, do_not_retry: bool) -> Failure {
        let exception_class_name = Some(class.to_owned());
        of_call(&ExceptionResponse {
            exception_class_name,
            stack_trace: Some(text.to_owned()),
            do_not_retry: Some(do_not_retry),
        })
    }

    fn stale(failure: &Failure) -> Option<Stale> {
        match failure {
            Failure::Passing(passing) => Some(passing.stale),
            Failure::Refused(_) => None,
        }
    }

    #[test]
    fn a_region_that_moved_is_looked_up_and_a_server_that_stops_is_left() {
        let text =
            "org.apache.hadoop.hbase.NotServingRegionException: t,,1.x. is not online on localhost\n\tat a.b(C.java:1)";
        let failure = of("org.apache.hadoop.hbase.NotServingRegionException", text, false);
        let expected = "t,,1.x. is not online on localhost (NotServingRegionException)";
        assert_eq!(failure, Failure::passing(Stale::Region, expected));
        let moved = of("org.apache.hadoop.hbase.exceptions.RegionMovedException", "Region moved to: hostname=h", false);
        assert_eq!(stale(&moved), Some(Stale::Region));
        let stopped = of("org.apache.hadoop.hbase.regionserver.RegionServerStoppedException", "", true);
        assert_eq!(stale(&stopped), Some(Stale::Server));
    }

    #[test]
    fn a_lost_scanner_is_opened_again_although_it_is_marked_as_lost_for_good() {
        assert_eq!(stale(&of("org.apache.hadoop.hbase.UnknownScannerException", "", true)), Some(Stale::Nothing));
    }

    #[test]
    fn a_row_refused_for_good_is_told_by_its_class_alone() {
        let of_row = |class: &str| {
            let text = format!("{class}: no\n\tat x");
            of_row(&NameBytesPair { name: class.to_owned(), value: Some(text.into_bytes().into()) })
        };
        let family = of_row("org.apache.hadoop.hbase.regionserver.NoSuchColumnFamilyException");
        let Failure::Refused(refusal) = &family else { panic!("{family:?}") };
        assert_eq!(
            (refusal.kind, &refusal.message[..]),
            (Kind::User, "HBase refuses: no (NoSuchColumnFamilyException)")
        );
        assert_eq!(stale(&of_row("org.apache.hadoop.hbase.RegionTooBusyException")), Some(Stale::Nothing));
        assert_eq!(stale(&of_row("org.example.NobodyKnows")), Some(Stale::Region));
    }

    #[test]
    fn a_demand_for_kerberos_is_named() {
        let failure = of("org.apache.hadoop.hbase.security.AccessDeniedException", "Authentication is required", true);
        assert_eq!(failure, login_demanded());
        let failure = of("org.apache.hadoop.hbase.security.AccessDeniedException", "user=x may not", true);
        assert_ne!(failure, login_demanded());
    }
}
