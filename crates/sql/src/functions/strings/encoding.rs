//! Text as numbers and bytes, and back: ASCII, base 64, hexadecimal, character sets.

use std::fmt::Write;

use arrow::array::{BinaryArray, Int64Array, StringArray};
use arrow::datatypes::{DataType as ArrowType, Int32Type};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use crate::eval::{Rows, Text};
use crate::functions::logic::one;
use crate::functions::signature::{Choice, Refusal, any_nullable, bad_value, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["ASCII"],
        usage: "ASCII(string)",
        description: "The first byte of the text in UTF-8, signed; 0 of an empty text.",
        choose: ascii,
    },
    ScalarFunction {
        names: &["CHR"],
        usage: "CHR(integer)",
        description: "The character of a code below 256; greater codes count modulo 256.",
        choose: chr,
    },
    ScalarFunction {
        names: &["TO_BASE64"],
        usage: "TO_BASE64(string)",
        description: "The text's UTF-8 bytes in base 64.",
        choose: to_base64,
    },
    ScalarFunction {
        names: &["FROM_BASE64"],
        usage: "FROM_BASE64(string)",
        description: "The text whose UTF-8 bytes are given in base 64.",
        choose: from_base64,
    },
    ScalarFunction {
        names: &["HEX"],
        usage: "HEX(integer or string)",
        description: "The number, or the bytes of the text, in hexadecimal digits.",
        choose: hex,
    },
    ScalarFunction {
        names: &["UNHEX"],
        usage: "UNHEX(string)",
        description: "The bytes given in hexadecimal digits; NULL where they are none.",
        choose: unhex,
    },
    ScalarFunction {
        names: &["ENCODE"],
        usage: "ENCODE(string, charset)",
        description: "The bytes of a text in US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16.",
        choose: encode,
    },
    ScalarFunction {
        names: &["DECODE"],
        usage: "DECODE(bytes, charset)",
        description: "The text of bytes in US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE or UTF-16.",
        choose: decode,
    },
];

fn ascii(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.text()?], arg.as_type(L::Int), |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        let first = |row| text.at(row).as_bytes().first().map_or(0, |byte| i32::from(byte.cast_signed()));
        Ok(Rows::strict(args, context).numbers::<Int32Type>(&ArrowType::Int32, first))
    }))
}

fn chr(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.integer()?], DataType::nullable(L::STRING), |args, context| {
        let code = one(args)?.cells::<Int64Array>()?;
        Rows::strict(args, context).texts(|row, out| {
            let code = code.at(row);
            if code >= 0 {
                out.push_char(char::from(u8::try_from(code % 256).unwrap_or_default()));
            }
            Ok(true)
        })
    }))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.text()?], arg.as_type(L::STRING), |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        Rows::strict(args, context).texts(|row, out| {
            for chunk in text.at(row).as_bytes().chunks(3) {
                let bits =
                    chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
                for n in 0..4 {
                    let digit = BASE64.get(bits >> (18 - 6 * n) & 63).copied().unwrap_or_default();
                    out.push_char(if n <= chunk.len() { char::from(digit) } else { '=' });
                }
            }
            Ok(true)
        })
    }))
}

fn from_base64(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.text()?], arg.as_type(L::STRING), |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        let mut bytes = Vec::new();
        Rows::strict(args, context).texts(|row, out| {
            bytes.clear();
            decode_base64(text.at(row), &mut bytes)?;
            out.push(&String::from_utf8_lossy(&bytes));
            Ok(true)
        })
    })
    .failing())
}

fn decode_base64(text: &str, out: &mut Vec<u8>) -> Result<()> {
    let bad = |reason: &str| bad_value(format!("'{text}' is not base 64: {reason}"));
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(bad("it has another character")),
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xFF).unwrap_or_default());
        }
    }
    let last = digits.len() % 4;
    if last == 1 || padding > 2 || (padding > 0 && (last + padding) != 4) {
        return Err(bad("it ends too early"));
    }
    Ok(())
}

/// Writes bytes in upper-case hexadecimal digits.
pub(in crate::functions) fn write_hex(bytes: &[u8], out: &mut impl Text, upper: bool) {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let digit = |n: u8| digits.get(usize::from(n & 15)).map_or('0', |digit| char::from(*digit));
    for byte in bytes {
        out.push_char(digit(byte >> 4));
        out.push_char(digit(*byte));
    }
}

fn hex(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    let returns = arg.as_type(L::STRING);
    if arg.data_type.logical.is_integer() {
        return Ok(Bound::new(vec![arg.integer()?], returns, |args, context| {
            let number = one(args)?.cells::<Int64Array>()?;
            Rows::strict(args, context).texts(|row, out| {
                // Writing to a builder cannot fail.
                let _infallible = write!(out, "{:X}", number.at(row));
                Ok(true)
            })
        }));
    }
    if arg.data_type.logical.is_binary() {
        return Ok(Bound::new(vec![arg.data_type.clone()], returns, |args, context| {
            let bytes = one(args)?.cells::<BinaryArray>()?;
            Rows::strict(args, context).texts(|row, out| {
                write_hex(bytes.at(row), out, true);
                Ok(true)
            })
        }));
    }
    Ok(Bound::new(vec![arg.text()?], returns, |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        Rows::strict(args, context).texts(|row, out| {
            write_hex(text.at(row).as_bytes(), out, true);
            Ok(true)
        })
    }))
}

fn unhex(args: &[Argument]) -> Choice {
    let [arg] = exactly(args)?;
    Ok(Bound::new(vec![arg.text()?], DataType::nullable(L::BYTES), |args, context| {
        let text = one(args)?.cells::<StringArray>()?;
        Rows::strict(args, context).bytes(|row, out| {
            let digits = text.at(row).as_bytes();
            // A digit too many stands in front, must be one, and counts as zero, as in Flink.
            let (odd, pairs) = digits.split_at(digits.len() % 2);
            out.extend(odd.iter().map(|_| 0));
            let value = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            for pair in pairs.chunks_exact(2) {
                match (value(pair[0]), value(pair[1])) {
                    (Some(high), Some(low)) => out.push(high << 4 | low),
                    _ => return Ok(false),
                }
            }
            Ok(odd.iter().all(|digit| value(*digit).is_some()))
        })
    }))
}

/// A character set that every Java has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charset {
    Ascii,
    Latin1,
    Utf8,
    Utf16 { big: bool, mark: bool },
}

impl Charset {
    fn named(name: &str) -> Result<Self> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "US-ASCII" | "ASCII" => Self::Ascii,
            "ISO-8859-1" | "LATIN1" => Self::Latin1,
            "UTF-8" | "UTF8" => Self::Utf8,
            "UTF-16BE" => Self::Utf16 { big: true, mark: false },
            "UTF-16LE" => Self::Utf16 { big: false, mark: false },
            "UTF-16" => Self::Utf16 { big: true, mark: true },
            _ => {
                return Err(bad_value(format!("Unknown character set '{name}'"))
                    .hint("known are US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE and UTF-16"));
            }
        })
    }

    fn encode(self, text: &str, out: &mut Vec<u8>) {
        match self {
            Self::Utf8 => out.extend_from_slice(text.as_bytes()),
            Self::Ascii => out.extend(text.chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?'))),
            Self::Latin1 => out.extend(text.chars().map(|c| u8::try_from(c).unwrap_or(b'?'))),
            Self::Utf16 { big, mark } => {
                let mark = if mark { Some(0xFEFF) } else { None };
                for unit in mark.into_iter().chain(text.encode_utf16()) {
                    out.extend_from_slice(&if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
                }
            }
        }
    }

    fn decode(self, bytes: &[u8], out: &mut impl Text) {
        match self {
            Self::Utf8 => out.push(&String::from_utf8_lossy(bytes)),
            Self::Ascii => bytes.iter().for_each(|byte| {
                out.push_char(if byte.is_ascii() { char::from(*byte) } else { char::REPLACEMENT_CHARACTER })
            }),
            Self::Latin1 => bytes.iter().for_each(|byte| out.push_char(char::from(*byte))),
            Self::Utf16 { big, mark } => {
                let (big, bytes) = match bytes {
                    [0xFE, 0xFF, rest @ ..] if mark => (true, rest),
                    [0xFF, 0xFE, rest @ ..] if mark => (false, rest),
                    _ => (big, bytes),
                };
                let units = bytes.chunks_exact(2).map(|pair| {
                    let pair = [pair[0], pair[1]];
                    if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
                });
                char::decode_utf16(units).for_each(|c| out.push_char(c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            }
        }
    }
}

fn encode(args: &[Argument]) -> Choice {
    let [text, charset] = exactly(args)?;
    let arguments = vec![text.text()?, charset.text()?];
    charset.literal_text().map(Charset::named).transpose().map_err(Refusal::Because)?;
    Ok(Bound::new(arguments, DataType { logical: L::BYTES, nullable: any_nullable(args) }, |args, context| {
        let [text, charset] = args else { return Err(Error::internal("ENCODE without its arguments")) };
        let (text, charset) = (text.cells::<StringArray>()?, charset.cells::<StringArray>()?);
        Rows::strict(args, context).bytes(|row, out| {
            Charset::named(charset.at(row))?.encode(text.at(row), out);
            Ok(true)
        })
    })
    .failing())
}

fn decode(args: &[Argument]) -> Choice {
    let [bytes, charset] = exactly(args)?;
    let arguments = vec![bytes.own(L::is_binary, L::BYTES)?, charset.text()?];
    charset.literal_text().map(Charset::named).transpose().map_err(Refusal::Because)?;
    Ok(Bound::new(arguments, DataType { logical: L::STRING, nullable: any_nullable(args) }, |args, context| {
        let [bytes, charset] = args else { return Err(Error::internal("DECODE without its arguments")) };
        let (bytes, charset) = (bytes.cells::<BinaryArray>()?, charset.cells::<StringArray>()?);
        Rows::strict(args, context).texts(|row, out| {
            Charset::named(charset.at(row))?.decode(bytes.at(row), out);
            Ok(true)
        })
    })
    .failing())
}
