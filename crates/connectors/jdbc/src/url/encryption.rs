//! Whether a connection is encrypted: several parameters of a url decide together, in each system's words.

use riverrun_base::Result;

use super::{bad_value, is_true};

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    Never,
    /// Where the server can, without a look at its certificate.
    Preferred,
    /// Always, without a look at the certificate.
    Required,
    /// Always; the certificate must be signed by a trusted authority.
    VerifyAuthority,
    /// Always; and it must be the host's.
    VerifyHost,
}

/// Connector/J's `sslMode`, or its older `useSSL`, `requireSSL` and `verifyServerCertificate`; MariaDB's
/// `trustServerCertificate`. Keys are in lower case.
pub(super) fn of_mysql(parameters: &[(String, String)]) -> Result<Encryption> {
    let value = |key: &str| parameters.iter().rfind(|(known, _)| known == key).map(|(_, value)| value.as_str());
    if let Some(mode) = value("sslmode") {
        return match mode.to_lowercase().replace('-', "_").as_str() {
            "disabled" | "disable" | "false" => Ok(Encryption::Never),
            "preferred" => Ok(Encryption::Preferred),
            "required" | "trust" | "true" => Ok(Encryption::Required),
            "verify_ca" => Ok(Encryption::VerifyAuthority),
            "verify_identity" | "verify_full" => Ok(Encryption::VerifyHost),
            _ => Err(bad_value("sslMode", mode, "DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY")),
        };
    }
    let verified = value("verifyservercertificate").is_some_and(is_true)
        || value("trustservercertificate").is_some_and(|trust| !is_true(trust));
    Ok(match (value("usessl").map(is_true), verified) {
        (Some(false), _) => Encryption::Never,
        (Some(true), true) => Encryption::VerifyAuthority,
        (Some(true), false) => Encryption::Required,
        (None, _) if value("requiressl").is_some_and(is_true) => Encryption::Required,
        (None, _) => Encryption::Preferred,
    })
}

/// pgjdbc's `sslmode`, or `ssl`. Keys are in lower case.
pub(super) fn of_postgres(parameters: &[(String, String)]) -> Result<Encryption> {
    let value = |key: &str| parameters.iter().rfind(|(known, _)| known == key).map(|(_, value)| value.as_str());
    match value("sslmode").map(str::to_lowercase).as_deref() {
        Some("disable") => Ok(Encryption::Never),
        Some("allow" | "prefer") => Ok(Encryption::Preferred),
        Some("require") => Ok(Encryption::Required),
        Some("verify-ca") => Ok(Encryption::VerifyAuthority),
        Some("verify-full") => Ok(Encryption::VerifyHost),
        Some(other) => Err(bad_value("sslmode", other, "disable, allow, prefer, require, verify-ca or verify-full")),
        None => Ok(match value("ssl") {
            Some(ssl) if is_true(ssl) || ssl.is_empty() => Encryption::VerifyHost,
            Some(_) => Encryption::Never,
            None => Encryption::Preferred,
        }),
    }
}
