//! Lists of status codes: `200,201`, `2XX,!204`, `5XX,!501`.

use riverrun_base::options::OptionValue;
use riverrun_base::{Error, Result};

/// A set of status codes from 100 to 599, one bit for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codes([u64; 8]);

impl Codes {
    /// Whether the code is in the set.
    pub(crate) fn contains(&self, code: u16) -> bool {
        (100..600).contains(&code) && self.0[usize::from(code - 100) / 64] & (1 << ((code - 100) % 64)) != 0
    }

    fn set(&mut self, code: u16, on: bool) {
        let (word, bit) = (usize::from(code - 100) / 64, 1u64 << ((code - 100) % 64));
        if on {
            self.0[word] |= bit;
        } else {
            self.0[word] &= !bit;
        }
    }
}

impl std::fmt::Debug for Codes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries((100..600).filter(|code| self.contains(*code))).finish()
    }
}

impl OptionValue for Codes {
    const TYPE: &'static str = "List<String>";

    /// Codes and classes between commas (semicolons, too); `!` takes one out again, wherever it stands. Empty is the empty set.
    fn parse(text: &str) -> Result<Self> {
        let bad = |item: &str| {
            Error::user(format!("'{item}' is no status code"))
                .hint("write codes and classes, such as '200,201' or '2XX,!204'")
        };
        let mut codes = Self([0; 8]);
        let items: Vec<&str> = text.split([',', ';']).map(str::trim).filter(|item| !item.is_empty()).collect();
        for excluded in [false, true] {
            for item in items.iter().filter(|item| item.starts_with('!') == excluded) {
                let code = item.trim_start_matches('!').trim();
                let class = code.len() == 3 && code[1..].eq_ignore_ascii_case("xx");
                let range = match code.as_bytes() {
                    [first @ b'1'..=b'5', ..] if class => {
                        let first = u16::from(first - b'0') * 100;
                        first..first + 100
                    }
                    _ => {
                        let code: u16 =
                            code.parse().ok().filter(|code| (100..600).contains(code)).ok_or_else(|| bad(item))?;
                        code..code + 1
                    }
                };
                range.for_each(|code| codes.set(code, !excluded));
            }
        }
        Ok(codes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn codes_classes_and_exclusions_are_read() {
        let has = |list: &str| {
            let codes = Codes::parse(list).unwrap();
            [200, 201, 202, 204, 301, 404].map(|code| u8::from(codes.contains(code)))
        };
        assert_eq!(has("200"), [1, 0, 0, 0, 0, 0]);
        assert_eq!(has("200,201,204"), [1, 1, 0, 1, 0, 0]);
        assert_eq!(has("2XX,!204"), [1, 1, 1, 0, 0, 0]);
        assert_eq!(has("!203, 2xx ,404,!202"), [1, 1, 0, 1, 0, 1]);
        assert_eq!(has("3XX;404"), [0, 0, 0, 0, 1, 1]);
        assert_eq!(has(""), [0; 6]);
        assert!(!Codes::parse("5XX").unwrap().contains(600) && !Codes::parse("1XX").unwrap().contains(99));
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for list in ["2X", "600", "099", "2XXX", "ok", "!", "200 201", "-200"] {
            assert!(Codes::parse(list).is_err(), "{list}");
        }
    }
}
