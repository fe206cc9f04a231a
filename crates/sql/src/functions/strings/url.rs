//! `URL_ENCODE`, `URL_DECODE` and `PARSE_URL`.

use arrow::array::StringArray;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use crate::eval::{Rows, Text};
use crate::functions::logic::one;
use crate::functions::signature::{Choice, Refusal, count, exactly};
use crate::functions::strings::write_hex;
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["URL_ENCODE"],
        usage: "URL_ENCODE(string)",
        description: "The text as application/x-www-form-urlencoded.",
        choose: encode,
    },
    ScalarFunction {
        names: &["URL_DECODE"],
        usage: "URL_DECODE(string)",
        description: "The text that is given as application/x-www-form-urlencoded; NULL where it is not.",
        choose: decode,
    },
    ScalarFunction {
        names: &["PARSE_URL"],
        usage: "PARSE_URL(url, part [, key])",
        description: "A part of a URL: HOST, PATH, QUERY, REF, PROTOCOL, AUTHORITY, FILE or USERINFO; with a key, the value of it in the QUERY.",
        choose: parse,
    },
];

fn encode(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.text()?], DataType::nullable(L::STRING), |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        Rows::strict(args, context).texts(|row, out| {
            for byte in text.at(row).bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                        out.push_char(char::from(byte))
                    }
                    b' ' => out.push("+"),
                    _ => {
                        out.push("%");
                        write_hex(&[byte], out, true);
                    }
                }
            }
            Ok(true)
        })
    }))
}

fn decode(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.text()?], DataType::nullable(L::STRING), |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        let mut bytes = Vec::new();
        Rows::strict(args, context).texts(|row, out| {
            bytes.clear();
            if !decoded(text.at(row).as_bytes(), &mut bytes) {
                return Ok(false);
            }
            out.push(&String::from_utf8_lossy(&bytes));
            Ok(true)
        })
    }))
}

fn decoded(mut text: &[u8], out: &mut Vec<u8>) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let Some((byte, rest)) = text.split_first() {
        text = rest;
        match (byte, rest) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, rest @ ..]) => {
                let (Some(high), Some(low)) = (digit(*high), digit(*low)) else { return false };
                out.push(high << 4 | low);
                text = rest;
            }
            (b'%', _) => return false,
            _ => out.push(*byte),
        }
    }
    true
}

/// The parts of a URL, as `java.net.URL` names them.
struct Url<'a> {
    protocol: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    reference: Option<&'a str>,
    /// Path and query.
    file: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (protocol, rest) = text.trim().split_once(':')?;
        if !["http", "https", "ftp", "file", "jar", "mailto"].iter().any(|known| known.eq_ignore_ascii_case(protocol)) {
            return None;
        }
        let (rest, reference) = match rest.split_once('#') {
            Some((rest, reference)) => (rest, Some(reference)),
            None => (rest, None),
        };
        let (authority, file) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, file) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                (Some(authority), file)
            }
            None => (None, rest),
        };
        let (path, query) = match file.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (file, None),
        };
        Some(Self { protocol, authority, path, query, reference, file })
    }

    fn part(&self, name: &str) -> Option<&'a str> {
        let authority = || self.authority.filter(|authority| !authority.is_empty());
        match name {
            "HOST" => self.authority.map(|authority| {
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                // A colon inside brackets belongs to an address of IPv6.
                match host.rfind(':') {
                    Some(at) if !host[at..].contains(']') => &host[..at],
                    _ => host,
                }
            }),
            "PATH" => Some(self.path),
            "QUERY" => self.query,
            "REF" => self.reference,
            "PROTOCOL" => Some(self.protocol),
            "FILE" => Some(self.file),
            "AUTHORITY" => authority(),
            "USERINFO" => authority().and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user),
            _ => None,
        }
    }
}

fn parse(args: &[Argument]) -> Choice {
    count(args, 2..=3)?;
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    Ok(Bound::new(arguments, DataType::nullable(L::STRING), |args, context| {
        let cells = args.iter().map(|arg| arg.cells::<StringArray>()).collect::<Result<Vec<_>>>()?;
        let [url, part, key @ ..] = cells.as_slice() else {
            return Err(Error::internal("PARSE_URL without its arguments"));
        };
        Rows::strict(args, context).texts(|row, out| {
            let found = Url::parse(url.at(row)).and_then(|url| match key.first() {
                None => url.part(part.at(row)),
                Some(key) if part.at(row) == "QUERY" => {
                    let key = key.at(row);
                    url.query?.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
                }
                Some(_) => None,
            });
            Ok(found.inspect(|found| out.push(found)).is_some())
        })
    }))
}
