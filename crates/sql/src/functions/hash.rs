//! Hash functions: MD5 and the SHA family, in hexadecimal digits.

use arrow::array::{BinaryArray, Int64Array, StringArray};
use md5::{Digest, Md5};
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::logic::one;
use super::signature::{Choice, Refusal, any_nullable, bad_value, exactly};
use super::strings::write_hex;
use super::{Argument, Bound, ScalarFunction};
use crate::eval::{EvalContext, Rows, Text, Value};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction {
        names: &["MD5"],
        usage: "MD5(string)",
        description: "The MD5 hash in 32 hexadecimal digits.",
        choose: |args| digest::<Md5>(args, 32),
    },
    ScalarFunction {
        names: &["SHA1"],
        usage: "SHA1(string)",
        description: "The SHA-1 hash in 40 hexadecimal digits.",
        choose: |args| digest::<Sha1>(args, 40),
    },
    ScalarFunction {
        names: &["SHA224"],
        usage: "SHA224(string)",
        description: "The SHA-224 hash in 56 hexadecimal digits.",
        choose: |args| digest::<Sha224>(args, 56),
    },
    ScalarFunction {
        names: &["SHA256"],
        usage: "SHA256(string)",
        description: "The SHA-256 hash in 64 hexadecimal digits.",
        choose: |args| digest::<Sha256>(args, 64),
    },
    ScalarFunction {
        names: &["SHA384"],
        usage: "SHA384(string)",
        description: "The SHA-384 hash in 96 hexadecimal digits.",
        choose: |args| digest::<Sha384>(args, 96),
    },
    ScalarFunction {
        names: &["SHA512"],
        usage: "SHA512(string)",
        description: "The SHA-512 hash in 128 hexadecimal digits.",
        choose: |args| digest::<Sha512>(args, 128),
    },
    ScalarFunction {
        names: &["SHA2"],
        usage: "SHA2(string, 224 | 256 | 384 | 512)",
        description: "The SHA-2 hash of a length in bits, in hexadecimal digits.",
        choose: sha2,
    },
];

fn digest<D: Digest + 'static>(args: &[Argument], length: u32) -> Choice {
    let [arg] = exactly(args)?;
    let data_type = arg.own(|logical| logical.is_character() || logical.is_binary(), L::STRING)?;
    let binary = data_type.logical.is_binary();
    Ok(Bound::new(vec![data_type], arg.as_type(L::Char(length)), move |args: &[Value], context: &EvalContext| {
        let value = one(args)?;
        let rows = Rows::strict(args, context);
        if binary {
            let bytes = value.cells::<BinaryArray>()?;
            return rows.texts(|row, out| Ok(write::<D>(bytes.at(row), out)));
        }
        let text = value.cells::<StringArray>()?;
        rows.texts(|row, out| Ok(write::<D>(text.at(row).as_bytes(), out)))
    }))
}

fn write<D: Digest>(bytes: &[u8], out: &mut impl Text) -> bool {
    write_hex(D::digest(bytes).as_ref(), out, false);
    true
}

fn sha2(args: &[Argument]) -> Choice {
    let [text, bits] = exactly(args)?;
    let data_type = text.own(|logical| logical.is_character() || logical.is_binary(), L::STRING)?;
    let binary = data_type.logical.is_binary();
    if let Some(bits) = bits.literal_integer() {
        check(bits).map_err(|error| Refusal::because(error.message()))?;
    }
    let returns = DataType { logical: L::VarChar(128), nullable: any_nullable(args) };
    Ok(Bound::new(vec![data_type, bits.integer()?], returns, move |args, context| {
        let [value, bits] = args else { return Err(Error::internal("SHA2 without its arguments")) };
        let (bits, rows) = (bits.cells::<Int64Array>()?, Rows::strict(args, context));
        if binary {
            let bytes = value.cells::<BinaryArray>()?;
            return rows.texts(|row, out| sha2_of(bits.at(row), bytes.at(row), out));
        }
        let text = value.cells::<StringArray>()?;
        rows.texts(|row, out| sha2_of(bits.at(row), text.at(row).as_bytes(), out))
    })
    .failing())
}

fn check(bits: i64) -> Result<()> {
    if matches!(bits, 224 | 256 | 384 | 512) {
        Ok(())
    } else {
        Err(bad_value(format!("SHA2 has no hash of {bits} bits")))
    }
}

fn sha2_of(bits: i64, bytes: &[u8], out: &mut impl Text) -> Result<bool> {
    check(bits)?;
    Ok(match bits {
        224 => write::<Sha224>(bytes, out),
        256 => write::<Sha256>(bytes, out),
        384 => write::<Sha384>(bytes, out),
        _ => write::<Sha512>(bytes, out),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use crate::functions::tests::{constant, text_of};

    #[test]
    fn hashes_are_those_of_the_standards() {
        assert_eq!(text_of("MD5", &[constant("abc")]), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(text_of("SHA1", &[constant("abc")]), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(text_of("SHA224", &[constant("abc")]), "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7");
        assert_eq!(text_of("SHA2", &[constant("abc"), constant(224)]), text_of("SHA224", &[constant("abc")]));
        assert_eq!(text_of("SHA2", &[constant("abc"), constant(512)]), text_of("SHA512", &[constant("abc")]));
    }
}
