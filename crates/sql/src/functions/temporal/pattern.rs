//! Patterns of dates and times: those of Java's `DateTimeFormatter` and of its older `SimpleDateFormat`.
//!
//! Flink uses both: the first in `DATE_FORMAT` of timestamps and `TO_TIMESTAMP`, the second in `FROM_UNIXTIME`, `UNIX_TIMESTAMP`, `CONVERT_TZ`,
//! `TO_DATE` and `DATE_FORMAT` of texts. They agree on the letters of daily use and differ at the edges.

use riverrun_base::{Error, Result};

/// Whose patterns these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// `java.time.format.DateTimeFormatter`.
    DateTimeFormatter,
    /// `java.text.SimpleDateFormat`, lenient.
    SimpleDateFormat,
}

/// A pattern made ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) flavour: Flavour,
    pub(super) items: Vec<Item>,
}

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Text that stands for itself.
    Literal(Box<str>),
    /// A field, and how often its letter stands there.
    Field(Field, usize),
    /// `[`: from here on, up to the closing bracket, a text may lack.
    OptionalStart,
    /// `]`
    OptionalEnd,
}

/// A field of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Era,
    Year,
    Month,
    DayOfMonth,
    DayOfYear,
    /// Monday 1 to Sunday 7.
    DayNumber,
    DayName,
    Quarter,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    HourFromOne,
    /// 0 to 11.
    HalfDayHour,
    /// 1 to 12.
    ClockHour,
    HalfDay,
    Minute,
    Second,
    /// The fraction's first digits.
    Fraction,
    /// The milliseconds as a number.
    Millis,
    /// The nanoseconds as a number.
    Nanos,
    MillisOfDay,
    /// `CET`
    ZoneName,
    /// `+0100`
    Offset,
    /// `+01`, `+0100`, `+01:00`, or `Z`.
    IsoOffset,
}

impl Field {
    fn of(letter: char, flavour: Flavour) -> Option<Self> {
        Some(match (letter, flavour) {
            ('G', _) => Self::Era,
            ('y', _) | ('u', Flavour::DateTimeFormatter) => Self::Year,
            ('M' | 'L', _) => Self::Month,
            ('d', _) => Self::DayOfMonth,
            ('D', _) => Self::DayOfYear,
            ('u', Flavour::SimpleDateFormat) => Self::DayNumber,
            ('E', _) => Self::DayName,
            ('Q' | 'q', Flavour::DateTimeFormatter) => Self::Quarter,
            ('H', _) => Self::Hour,
            ('k', _) => Self::HourFromOne,
            ('K', _) => Self::HalfDayHour,
            ('h', _) => Self::ClockHour,
            ('a', _) => Self::HalfDay,
            ('m', _) => Self::Minute,
            ('s', _) => Self::Second,
            ('S', Flavour::DateTimeFormatter) => Self::Fraction,
            ('S', Flavour::SimpleDateFormat) => Self::Millis,
            ('n', Flavour::DateTimeFormatter) => Self::Nanos,
            ('A', Flavour::DateTimeFormatter) => Self::MillisOfDay,
            ('z', _) => Self::ZoneName,
            ('Z', _) => Self::Offset,
            ('X', _) | ('x', Flavour::DateTimeFormatter) => Self::IsoOffset,
            _ => return None,
        })
    }

    /// How often its letter may stand in a `DateTimeFormatter`.
    fn most(self) -> usize {
        match self {
            Self::DayOfMonth
            | Self::Hour
            | Self::HourFromOne
            | Self::HalfDayHour
            | Self::ClockHour
            | Self::Minute
            | Self::Second => 2,
            Self::DayOfYear | Self::Offset | Self::IsoOffset => 3,
            Self::HalfDay => 1,
            Self::Month | Self::DayName | Self::Quarter | Self::Era => 5,
            Self::ZoneName => 4,
            Self::Fraction => 9,
            _ => 19,
        }
    }

    /// Whether it is written in digits when its letter stands `count` times.
    pub(super) fn is_number(self, count: usize) -> bool {
        match self {
            Self::Era | Self::DayName | Self::HalfDay | Self::ZoneName | Self::Offset | Self::IsoOffset => false,
            Self::Month | Self::Quarter => count < 3,
            _ => true,
        }
    }
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// A letter that means nothing, or something that is not supported yet; a quote or bracket without its end.
    pub(super) fn parse(text: &str, flavour: Flavour) -> Result<Self> {
        let modern = flavour == Flavour::DateTimeFormatter;
        let bad = |reason: String| Error::data(format!("Invalid pattern '{text}': {reason}"));
        let mut items: Vec<Item> = Vec::new();
        let mut literal = String::new();
        let mut open = 0_usize;
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let flush = |literal: &mut String, items: &mut Vec<Item>| {
                if !literal.is_empty() {
                    items.push(Item::Literal(std::mem::take(literal).into_boxed_str()));
                }
            };
            match character {
                '\'' if characters.peek() == Some(&'\'') => {
                    characters.next();
                    literal.push('\'');
                }
                '\'' => loop {
                    match characters.next() {
                        Some('\'') if characters.peek() == Some(&'\'') => {
                            characters.next();
                            literal.push('\'');
                        }
                        Some('\'') => break,
                        Some(quoted) => literal.push(quoted),
                        None => return Err(bad("a quote has no end".into())),
                    }
                },
                letter if letter.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while characters.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    let field = Field::of(letter, flavour).ok_or_else(|| unknown(text, letter))?;
                    if modern && count > field.most() {
                        return Err(bad(format!("Too many pattern letters: {letter}")));
                    }
                    flush(&mut literal, &mut items);
                    items.push(Item::Field(field, count));
                }
                '[' if modern => {
                    open += 1;
                    flush(&mut literal, &mut items);
                    items.push(Item::OptionalStart);
                }
                ']' if modern => {
                    open = open.checked_sub(1).ok_or_else(|| bad("']' without '['".into()))?;
                    flush(&mut literal, &mut items);
                    items.push(Item::OptionalEnd);
                }
                '{' | '}' | '#' if modern => return Err(bad(format!("'{character}' is reserved"))),
                _ => literal.push(character),
            }
        }
        if !literal.is_empty() {
            items.push(Item::Literal(literal.into_boxed_str()));
        }
        // Java closes what is left open.
        items.extend(std::iter::repeat_n(Item::OptionalEnd, open));
        Ok(Self { flavour, items })
    }
}

fn unknown(pattern: &str, letter: char) -> Error {
    if matches!(letter, 'w' | 'W' | 'Y' | 'F' | 'e' | 'c' | 'N' | 'O' | 'V' | 'p' | 'g' | 'B' | 'v') {
        return Error::data(format!("The letter '{letter}' of the pattern '{pattern}' is not supported yet"));
    }
    Error::data(format!("Invalid pattern '{pattern}': Unknown pattern letter: {letter}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn quotes_keep_letters_and_runs_become_fields() {
        let pattern = Pattern::parse("yyyy-MM-dd'T'HH''m", Flavour::DateTimeFormatter).unwrap();
        let text = |text: &str| Item::Literal(text.into());
        assert_eq!(
            pattern.items,
            [
                Item::Field(Field::Year, 4),
                text("-"),
                Item::Field(Field::Month, 2),
                text("-"),
                Item::Field(Field::DayOfMonth, 2),
                text("T"),
                Item::Field(Field::Hour, 2),
                text("'"),
                Item::Field(Field::Minute, 1),
            ]
        );
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for pattern in ["bogus", "'open", "HHH", "a]", "{", "YYYY"] {
            assert!(Pattern::parse(pattern, Flavour::DateTimeFormatter).is_err(), "{pattern}");
        }
        assert!(
            Pattern::parse("bogus", Flavour::DateTimeFormatter)
                .unwrap_err()
                .message()
                .contains("Unknown pattern letter: b")
        );
        assert!(Pattern::parse("[x] {HHHH}", Flavour::SimpleDateFormat).is_err());
        assert!(Pattern::parse("[HHHH] {}", Flavour::SimpleDateFormat).is_ok());
    }
}
