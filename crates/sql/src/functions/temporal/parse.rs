//! Times read in a pattern.

use super::pattern::{Field, Flavour, Item, Pattern};
use super::write::{DAYS, MONTHS};
use crate::cast::calendar::{Date, SECONDS_PER_DAY, WallTime, days_in_month, iso_day_of_week};

/// What a text gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fields {
    bc: bool,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    day_of_week: Option<i64>,
    /// 0 to 23.
    hour: Option<i64>,
    /// 0 to 11.
    half_day_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    nano: Option<i64>,
    millis_of_day: Option<i64>,
    offset: Option<i64>,
}

/// A time that was read, and its offset from UTC in seconds where the text has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) wall: WallTime,
    pub(super) offset: Option<i64>,
}

impl Pattern {
    /// Reads a text; `None` where it does not match. What the pattern lacks is that of 1970-01-01 00:00:00.
    ///
    /// A `DateTimeFormatter` reads the whole text, and each number in its width; a `SimpleDateFormat` reads numbers of any width where something
    /// else follows, carries over what is too large (month 13), and ignores what follows.
    pub(super) fn read(&self, text: &str) -> Option<Parsed> {
        let mut fields = Fields::default();
        let rest = self.items(&self.items, text, &mut fields)?;
        match self.flavour {
            Flavour::DateTimeFormatter if rest.is_empty() => fields.resolved(),
            Flavour::DateTimeFormatter => None,
            Flavour::SimpleDateFormat => fields.lenient(),
        }
    }

    fn items<'t>(&self, mut items: &[Item], mut text: &'t str, fields: &mut Fields) -> Option<&'t str> {
        while let Some((item, rest)) = items.split_first() {
            items = rest;
            match item {
                Item::Literal(literal) => text = text.strip_prefix(&**literal)?,
                Item::Field(field, count) => text = self.read_field(*field, *count, rest, text, fields)?,
                Item::OptionalStart => {
                    let end = closing(rest)?;
                    let mut tried = *fields;
                    if let Some(behind) = self.items(&rest[..end], text, &mut tried) {
                        *fields = tried;
                        text = behind;
                    }
                    items = &rest[end + 1..];
                }
                Item::OptionalEnd => {}
            }
        }
        Some(text)
    }

    fn read_field<'t>(
        &self,
        field: Field,
        count: usize,
        next: &[Item],
        text: &'t str,
        fields: &mut Fields,
    ) -> Option<&'t str> {
        if field.is_number(count) {
            let (value, digits, rest) = match self.flavour {
                Flavour::DateTimeFormatter => strict_number(field, count, next, text)?,
                Flavour::SimpleDateFormat => lenient_number(count, next, text)?,
            };
            let strict = self.flavour == Flavour::DateTimeFormatter;
            fields.put(field, value, digits, count, strict)?;
            return Some(rest);
        }
        let exact = self.flavour == Flavour::DateTimeFormatter;
        match field {
            Field::Month => {
                let (n, rest) = named(&MONTHS, count, exact, text)?;
                fields.month = Some(n);
                Some(rest)
            }
            Field::DayName => {
                let (n, rest) = named(&DAYS, count, exact, text)?;
                fields.day_of_week = Some(n);
                Some(rest)
            }
            Field::HalfDay => {
                let (n, rest) = one_of(&["AM", "PM"], exact, text)?;
                fields.afternoon = Some(n == 1);
                Some(rest)
            }
            Field::Era => {
                let (n, rest) = one_of(&["BC", "AD"], exact, text)?;
                fields.bc = n == 0;
                Some(rest)
            }
            Field::Offset | Field::IsoOffset | Field::ZoneName => {
                let (offset, rest) = offset(text)?;
                fields.offset = Some(offset);
                Some(rest)
            }
            _ => None,
        }
    }
}

/// Where the bracket that is open ends.
fn closing(items: &[Item]) -> Option<usize> {
    let mut open = 0_usize;
    for (n, item) in items.iter().enumerate() {
        match item {
            Item::OptionalStart => open += 1,
            Item::OptionalEnd if open == 0 => return Some(n),
            Item::OptionalEnd => open -= 1,
            _ => {}
        }
    }
    None
}

/// How many digits stand at the start.
fn digits_at(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// The value, how many digits it has, and the text behind it.
type Number<'t> = (i64, usize, &'t str);

fn strict_number<'t>(field: Field, count: usize, next: &[Item], text: &'t str) -> Option<Number<'t>> {
    let wide_year = field == Field::Year && count >= 4;
    let (least, most) = match (field, count) {
        (Field::Fraction, _) => (count, count),
        (Field::Year, 2) => (2, 2),
        (Field::Year, _) => (count, 19),
        (_, 1) => (1, 19),
        _ => (count, count),
    };
    let (negative, digits_from) = match text.as_bytes().first() {
        Some(b'+') if wide_year => (false, 1),
        Some(b'-') if least != most => (true, 1),
        _ => (false, 0),
    };
    let digits = &text[digits_from..];
    // Fields of a fixed width that follow directly keep their digits.
    let reserved: usize = if least == most {
        0
    } else {
        next.iter()
            .map_while(|item| match item {
                Item::Field(field, count) if *count > 1 && field.is_number(*count) => Some(*count),
                _ => None,
            })
            .sum()
    };
    let length = digits_at(digits).min(most.saturating_add(reserved)).saturating_sub(reserved).min(most);
    // A year of more digits than the pattern has needs its sign.
    if length < least
        || (wide_year && digits_from == 0 && length > count)
        || (wide_year && digits_from == 1 && !negative && length <= count)
    {
        return None;
    }
    let value: i64 = digits[..length].parse().ok()?;
    Some((if negative { -value } else { value }, length, &digits[length..]))
}

fn lenient_number<'t>(count: usize, next: &[Item], text: &'t str) -> Option<Number<'t>> {
    let text = text.trim_start_matches([' ', '\t']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    // A field that follows directly limits this one to its letters.
    let most =
        if matches!(next.first(), Some(Item::Field(..))) { count.saturating_sub(usize::from(negative)) } else { 18 };
    let length = digits_at(digits).min(most);
    let value: i64 = digits[..length].parse().ok()?;
    Some((if negative { -value } else { value }, length, &digits[length..]))
}

/// The number, from 1, of the name that the text starts with.
fn named<'t>(names: &[&str], count: usize, exact: bool, text: &'t str) -> Option<(i64, &'t str)> {
    let whole = || one_of(names, exact, text);
    let short: Vec<&str> = names.iter().map(|name| &name[..3]).collect();
    let short = || one_of(&short, exact, text);
    let found = match (exact, count) {
        (true, 4) => whole(),
        (true, _) => short(),
        // The older format takes either.
        (false, _) => whole().or_else(short),
    };
    found.and_then(|(n, rest)| Some((i64::try_from(n).ok()? + 1, rest)))
}

fn one_of<'t>(names: &[&str], exact: bool, text: &'t str) -> Option<(usize, &'t str)> {
    names.iter().enumerate().find_map(|(n, name)| {
        let start = text.get(..name.len())?;
        let same = if exact { start == *name } else { start.eq_ignore_ascii_case(name) };
        same.then(|| (n, &text[name.len()..]))
    })
}

/// `Z`, `UTC`, `GMT`, `+01`, `+0100`, `+01:00`, `GMT+1:00`.
fn offset(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((0, rest));
    }
    let named = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC"));
    let signed = named.unwrap_or(text);
    let sign = match signed.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return named.map(|rest| (0, rest)),
    };
    let rest = &signed[1..];
    let hours = digits_at(rest);
    let (hours, minutes, rest) = match hours {
        4.. => (&rest[..2], &rest[2..4], &rest[4..]),
        1 | 2 => match rest[hours..].strip_prefix(':') {
            Some(minutes) if digits_at(minutes) >= 2 => (&rest[..hours], &minutes[..2], &minutes[2..]),
            _ => (&rest[..hours], "0", &rest[hours..]),
        },
        _ => return None,
    };
    Some((sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60), rest))
}

impl Fields {
    /// Takes a number; `None` where it is out of the field's bounds and `strict`.
    fn put(&mut self, field: Field, value: i64, digits: usize, count: usize, strict: bool) -> Option<()> {
        let bounded =
            |least: i64, most: i64| if !strict || (least..=most).contains(&value) { Some(value) } else { None };
        match field {
            Field::Year => {
                self.year = Some(match (strict, count, digits) {
                    (true, 2, _) => 2000 + value,
                    // The older format reads two digits within 80 years before and 20 after now, the formatter from 2000 on.
                    (false, 1 | 2, 2) if value >= 0 => {
                        if value < 47 {
                            2000 + value
                        } else {
                            1900 + value
                        }
                    }
                    _ => value,
                });
                if strict && self.year? < 1 {
                    return None;
                }
            }
            Field::Month => self.month = Some(bounded(1, 12)?),
            Field::DayOfMonth => self.day = Some(bounded(1, 31)?),
            Field::DayOfYear => self.day_of_year = Some(bounded(1, 366)?),
            Field::Hour => self.hour = Some(bounded(0, 24)?),
            Field::HourFromOne => self.hour = Some(if bounded(1, 24)? == 24 { 0 } else { value }),
            Field::HalfDayHour => self.half_day_hour = Some(bounded(0, 11)?),
            Field::ClockHour => self.half_day_hour = Some(if bounded(1, 12)? == 12 { 0 } else { value }),
            Field::Minute => self.minute = Some(bounded(0, 59)?),
            Field::Second => self.second = Some(bounded(0, 59)?),
            Field::Fraction => self.nano = Some(value.checked_mul(10_i64.pow(9 - u32::try_from(digits.min(9)).ok()?))?),
            Field::Millis => self.nano = Some(value.checked_mul(1_000_000)?),
            Field::Nanos => self.nano = Some(bounded(0, 999_999_999)?),
            Field::MillisOfDay => self.millis_of_day = Some(bounded(0, 86_399_999)?),
            Field::DayNumber => self.day_of_week = Some(value),
            _ => {}
        }
        Some(())
    }

    fn year_of_era(&self) -> Option<i64> {
        self.year.map(|year| if self.bc { 1 - year } else { year })
    }

    /// As `DateTimeFormatter` resolves smartly: the last day of a month that is too short, 24:00 as the next midnight.
    fn resolved(&self) -> Option<Parsed> {
        let year = self.year_of_era().unwrap_or(1970);
        let days = match (self.day_of_year, self.month, self.day) {
            (Some(day), None, None) => Date { year, month: 1, day }.days(),
            (_, month, day) => {
                let month = month.unwrap_or(1);
                Date { year, month, day: day.unwrap_or(1).min(days_in_month(year, month)) }.days()
            }
        };
        let contradicts = self.day_of_week.is_some_and(|day| self.day.is_some() && day != iso_day_of_week(days));
        if contradicts {
            return None;
        }
        if let Some(millis) = self.millis_of_day {
            let clock = WallTime::of(millis, 1_000);
            return Some(Parsed { wall: WallTime { days, ..clock }, offset: self.offset });
        }
        let hour = match (self.hour, self.half_day_hour, self.afternoon) {
            (Some(hour), ..) => hour,
            (None, Some(hour), Some(afternoon)) => hour + if afternoon { 12 } else { 0 },
            _ => 0,
        };
        let (minute, second, nano) = (self.minute.unwrap_or(0), self.second.unwrap_or(0), self.nano.unwrap_or(0));
        let midnight = hour == 24;
        if midnight && (minute, second, nano) != (0, 0, 0) {
            return None;
        }
        let (days, hour) = if midnight { (days + 1, 0) } else { (days, hour) };
        Some(Parsed {
            wall: WallTime { days, second_of_day: hour * 3600 + minute * 60 + second, nano },
            offset: self.offset,
        })
    }

    /// As `SimpleDateFormat` reads: everything carries over.
    fn lenient(&self) -> Option<Parsed> {
        let year = self.year_of_era().unwrap_or(1970);
        let days = match (self.day_of_year, self.day) {
            (Some(day), None) => Date { year, month: 1, day }.days(),
            (_, day) => Date { year, month: self.month.unwrap_or(1), day: day.unwrap_or(1) }.days(),
        };
        let hour = match (self.hour, self.half_day_hour) {
            (Some(hour), _) => hour,
            (None, hour) => hour.unwrap_or(0) + if self.afternoon == Some(true) { 12 } else { 0 },
        };
        let clock = hour
            .checked_mul(3600)?
            .checked_add(self.minute.unwrap_or(0).checked_mul(60)?)?
            .checked_add(self.second.unwrap_or(0))?;
        let seconds = days.checked_mul(SECONDS_PER_DAY)?.checked_add(clock)?;
        let nano = self.nano.unwrap_or(0);
        let seconds = seconds.checked_add(nano.div_euclid(1_000_000_000))?;
        Some(Parsed {
            wall: WallTime { nano: nano.rem_euclid(1_000_000_000), ..WallTime::of(seconds, 1) },
            offset: self.offset,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;
    use crate::cast::text::write_timestamp;

    fn read(pattern: &str, flavour: Flavour, text: &str) -> Option<String> {
        Pattern::parse(pattern, flavour).unwrap().read(text).map(|parsed| {
            let mut out = String::new();
            write_timestamp(&mut out, parsed.wall, 6);
            out
        })
    }

    #[test]
    fn the_formatter_reads_every_number_in_its_width() {
        let read = |pattern: &str, text: &str| read(pattern, Flavour::DateTimeFormatter, text);
        let cases = [
            ("dd/MM/yyyy HH:mm", "02/01/2026 03:04", Some("2026-01-02 03:04:00.000000")),
            ("yyyyMMdd", "20260102", Some("2026-01-02 00:00:00.000000")),
            ("yyyyMMddHHmmssSSS", "20260102030405123", Some("2026-01-02 03:04:05.123000")),
            ("yyyy-MM-dd'T'HH:mm:ss", "2026-01-02T03:04:05", Some("2026-01-02 03:04:05.000000")),
            ("yyyy-MM-dd HH:mm:ss.SSSSSS", "2026-01-02 03:04:05.123456", Some("2026-01-02 03:04:05.123456")),
            ("yyyy-M-d", "2026-1-2", Some("2026-01-02 00:00:00.000000")),
            ("yyyy-MM-dd", "2026-02-31", Some("2026-02-28 00:00:00.000000")),
            ("yyyy-MM-dd[ HH:mm]", "2026-01-02", Some("2026-01-02 00:00:00.000000")),
            ("yyyy-MM-dd[ HH:mm]", "2026-01-02 10:20", Some("2026-01-02 10:20:00.000000")),
            ("d MMM yyyy hh:mm a", "2 Jan 2026 01:05 PM", Some("2026-01-02 13:05:00.000000")),
            ("HH:mm", "24:00", Some("1970-01-02 00:00:00.000000")),
            ("yy", "26", Some("2026-01-01 00:00:00.000000")),
            ("yyyy D", "2026 32", Some("2026-02-01 00:00:00.000000")),
            ("yyyy-MM-dd", "2026-1-2", None),
            ("yyyy-MM-dd", "2026-13-01", None),
            ("yyyy-MM-dd", "2026-01-02 ", None),
            ("EEE yyyy-MM-dd", "Mon 2026-01-02", None),
            ("dd/MM/yyyy", "2026-01-02", None),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(read(pattern, text).as_deref(), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_older_format_is_lenient() {
        let read = |pattern: &str, text: &str| read(pattern, Flavour::SimpleDateFormat, text);
        let cases = [
            ("yyyy-MM-dd HH:mm:ss", "2026-1-2 3:4:5", Some("2026-01-02 03:04:05.000000")),
            ("yyyy-MM-dd", "2026-13-01", Some("2027-01-01 00:00:00.000000")),
            ("yyyy-MM-dd", "2026-01-02 whatever", Some("2026-01-02 00:00:00.000000")),
            ("yyyyMMdd", "20260102", Some("2026-01-02 00:00:00.000000")),
            ("yyyy-MM-dd HH:mm:ss.SSS", "2026-01-02 03:04:05.900", Some("2026-01-02 03:04:05.900000")),
            ("dd MMMM yy", "02 january 26", Some("2026-01-02 00:00:00.000000")),
            ("yyyy-MM-dd HH:mm:ss", "2026-01-02", None),
            ("yyyy-MM-dd", "x", None),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(read(pattern, text).as_deref(), expected, "{pattern} {text}");
        }
        let parsed = Pattern::parse("HH:mm X", Flavour::SimpleDateFormat).unwrap().read("10:00 +01:30").unwrap();
        assert_eq!(parsed.offset, Some(5400));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in -62_135_596_800_000_i64..253_402_300_800_000) {
            for pattern in ["yyyy-MM-dd HH:mm:ss.SSS", "yyyyMMddHHmmssSSS", "EEE, dd MMM yyyy hh:mm:ss.SSS a", "yyyy DDD k:m:s S SS".trim_end_matches(" S SS")] {
                let pattern = Pattern::parse(pattern, Flavour::DateTimeFormatter).unwrap();
                let keeps_millis = pattern.items.iter().any(|item| matches!(item, Item::Field(Field::Fraction, 3)));
                let wall = WallTime::of(if keeps_millis { millis } else { millis.div_euclid(1000) * 1000 }, 1_000);
                let mut text = String::new();
                pattern.write(wall, None, &mut text).unwrap();
                prop_assert_eq!(pattern.read(&text).map(|parsed| parsed.wall), Some(wall), "{}", text);
            }
        }
    }
}
