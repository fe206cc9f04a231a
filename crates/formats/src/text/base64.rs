//! Bytes as Base64 (RFC 4648, section 4), the text form of `BINARY` and `VARBINARY` in csv and json.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each letter; 0xFF for what is none.
const VALUES: [u8; 256] = {
    let mut values = [0xFF; 256];
    let mut n = 0;
    while n < 64 {
        #[allow(clippy::cast_possible_truncation, reason = "less than 64")]
        {
            values[ALPHABET[n] as usize] = n as u8;
        }
        n += 1;
    }
    values
};

/// Appends the bytes that `text` stands for. Padding is needed; blanks and line ends are skipped between groups of four letters.
///
/// Returns `None`, with `out` as it was, where the text is no Base64.
///
/// ```
/// let mut out = Vec::new();
/// assert!(riverrun_formats::text::decode_base64(b"aGk=", &mut out).is_some());
/// assert_eq!(out, b"hi");
/// ```
pub fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = out.len();
    let decoded = decode(text, out);
    if decoded.is_none() {
        out.truncate(length);
    }
    decoded
}

fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = super::trim(text);
    while !rest.is_empty() {
        let (group, behind) = rest.split_first_chunk::<4>()?;
        rest = behind.trim_ascii_start();
        let value = |n: usize| match VALUES[usize::from(group[n])] {
            0xFF => None,
            value => Some(value),
        };
        let (first, second) = (value(0)?, value(1)?);
        out.push(first << 2 | second >> 4);
        match (group[2], group[3]) {
            (b'=', b'=') => {}
            (_, b'=') => out.push(second << 4 | value(2)? >> 2),
            _ => {
                let (third, fourth) = (value(2)?, value(3)?);
                out.extend_from_slice(&[second << 4 | third >> 2, third << 6 | fourth]);
            }
        }
    }
    Some(())
}

/// Appends `bytes` as Base64 with padding, on one line.
///
/// ```
/// let mut out = Vec::new();
/// riverrun_formats::text::write_base64(&mut out, b"hi");
/// assert_eq!(out, b"aGk=");
/// ```
pub fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let letter = |bits: u8| ALPHABET[usize::from(bits & 63)];
    let (groups, rest) = bytes.as_chunks::<3>();
    out.reserve(bytes.len().div_ceil(3) * 4);
    for [a, b, c] in groups {
        out.extend_from_slice(&[letter(a >> 2), letter(a << 4 | b >> 4), letter(b << 2 | c >> 6), letter(*c)]);
    }
    match rest {
        [a] => out.extend_from_slice(&[letter(a >> 2), letter(a << 4), b'=', b'=']),
        [a, b] => out.extend_from_slice(&[letter(a >> 2), letter(a << 4 | b >> 4), letter(b << 2), b'=']),
        _ => {}
    }
}
