//! What a user writes to name a folder.

use std::fmt;

use riverrun_base::{Error, Result};

/// The kinds of stores there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    File,
    Hdfs,
    S3,
}

/// A folder in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) scheme: Scheme,
    /// Host and port, name service, or bucket; empty for a disk.
    pub(super) authority: String,
    /// Names joined by `/`, with a slash before the first; empty for the root.
    pub(super) path: String,
}

impl Location {
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None if url.starts_with('/') => ("file", url),
            // As Java writes the URL of a file.
            None if url.starts_with("file:/") => ("file", &url["file:".len()..]),
            None => return Err(relative(url)),
        };
        let scheme = match scheme {
            "file" => Scheme::File,
            "hdfs" => Scheme::Hdfs,
            "s3" | "s3a" | "s3p" | "s3n" => Scheme::S3,
            other => {
                let message = format!("checkpoints cannot be stored in '{url}': there is no store for {other}://");
                return Err(Error::user(message)
                    .hint("stores are file:///folder, hdfs://host:port/folder and s3://bucket/folder"));
            }
        };
        let (authority, path) = match scheme {
            Scheme::File if !rest.starts_with('/') => return Err(relative(url)),
            Scheme::File => ("", rest),
            Scheme::Hdfs | Scheme::S3 => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        };
        if scheme == Scheme::S3 && authority.is_empty() {
            return Err(Error::user(format!("'{url}' names no bucket")).hint("write s3://bucket/folder"));
        }
        let mut normal = String::new();
        for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
            if name == ".." {
                return Err(Error::user(format!("'{url}' holds '..'")).hint("write the folder that it leads to"));
            }
            normal.push('/');
            normal.push_str(name);
        }
        Ok(Self { scheme, authority: authority.to_owned(), path: normal })
    }

    /// The folder this one is in, and its name there; `None` for the root.
    pub(super) fn parent(&self) -> Option<(Self, String)> {
        let (parent, name) = self.path.rsplit_once('/')?;
        Some((Self { path: parent.to_owned(), ..self.clone() }, name.to_owned()))
    }
}

impl fmt::Display for Location {
    /// The one way it is written: without a slash at the end, but for the root of a disk.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::File => "file",
            Scheme::Hdfs => "hdfs",
            Scheme::S3 => "s3",
        };
        let path = if self.path.is_empty() && self.scheme == Scheme::File { "/" } else { &self.path };
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

fn relative(path: &str) -> Error {
    let absolute = std::env::current_dir().unwrap_or_default().join(path);
    Error::user(format!("'{path}' is no absolute path: a process in another folder would not find it"))
        .hint(format!("write {}", absolute.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_of_flink_write_is_understood_and_written_in_one_way() {
        for (written, url) in [
            ("/a//b/", "file:///a/b"),
            ("file:///a/./b", "file:///a/b"),
            ("file:/a/b", "file:///a/b"),
            ("/", "file:///"),
            ("hdfs://h:1/a/b/", "hdfs://h:1/a/b"),
            ("hdfs:///a", "hdfs:///a"),
            ("s3a://bucket/a", "s3://bucket/a"),
            ("s3p://bucket", "s3://bucket"),
        ] {
            let location = Location::parse(written).unwrap();
            assert_eq!(location.to_string(), url);
            assert_eq!(Location::parse(url).unwrap(), location);
        }
    }

    #[test]
    fn what_names_no_folder_is_refused_with_the_remedy() {
        for (written, expected) in [
            ("a/b", "'a/b' is no absolute path"),
            ("file://a/b", "is no absolute path"),
            (
                "gs://a/b",
                "there is no store for gs://; stores are file:///folder, hdfs://host:port/folder and s3://bucket/folder",
            ),
            ("s3:///a", "names no bucket; write s3://bucket/folder"),
            ("/a/../b", "holds '..'"),
        ] {
            let text = Location::parse(written).unwrap_err().to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
