//! Times written in a pattern. Names are English.

use chrono::{DateTime, TimeZone};
use chrono_tz::{OffsetName, Tz};
use riverrun_base::{Error, Result};

use super::pattern::{Field, Flavour, Item, Pattern};
use crate::cast::calendar::{Date, WallTime, iso_day_of_week};
use crate::cast::text::write_padded;
use crate::eval::Text;

/// The months.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// The days of the week, from Monday.
pub(super) const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The zone that a wall-clock time was read in: its offset from UTC in seconds, for the patterns' zone letters.
#[derive(Clone, Copy, Debug)]
pub(super) struct ZonePart {
    pub(super) zone: Tz,
    pub(super) offset: i64,
}

impl Pattern {
    /// Whether a zone is written.
    pub(super) fn needs_zone(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Field(Field::ZoneName | Field::Offset | Field::IsoOffset, _)))
    }

    /// Appends a time; `zone` is where it was read, if it has one.
    ///
    /// # Errors
    /// The pattern writes a zone, and there is none.
    pub(super) fn write(&self, wall: WallTime, zone: Option<ZonePart>, out: &mut impl Text) -> Result<()> {
        let date = wall.date();
        for item in &self.items {
            match item {
                Item::Literal(text) => out.push(text),
                Item::Field(field, count) => self.write_field(*field, *count, date, wall, zone, out)?,
                Item::OptionalStart | Item::OptionalEnd => {}
            }
        }
        Ok(())
    }

    fn write_field(
        &self,
        field: Field,
        count: usize,
        date: Date,
        wall: WallTime,
        zone: Option<ZonePart>,
        out: &mut impl Text,
    ) -> Result<()> {
        let (hour, minute, second) = wall.clock();
        match field {
            Field::Era => out.push(if date.year > 0 { "AD" } else { "BC" }),
            Field::Year => self.year(date.year, count, out),
            Field::Month if count < 3 => write_padded(out, date.month, count),
            Field::Month => name(&MONTHS, date.month, count, self.flavour, out),
            Field::DayOfMonth => write_padded(out, date.day, count),
            Field::DayOfYear => write_padded(out, date.day_of_year(), count),
            Field::DayNumber => write_padded(out, iso_day_of_week(wall.days), count),
            Field::DayName => name(&DAYS, iso_day_of_week(wall.days), count, self.flavour, out),
            Field::Quarter => quarter(date.quarter(), count, out),
            Field::Hour => write_padded(out, hour, count),
            Field::HourFromOne => write_padded(out, if hour == 0 { 24 } else { hour }, count),
            Field::HalfDayHour => write_padded(out, hour % 12, count),
            Field::ClockHour => write_padded(out, (hour + 11) % 12 + 1, count),
            Field::HalfDay => out.push(if hour < 12 { "AM" } else { "PM" }),
            Field::Minute => write_padded(out, minute, count),
            Field::Second => write_padded(out, second, count),
            Field::Fraction => {
                let cut = 10_i64.pow(9 - u32::try_from(count.min(9)).unwrap_or(9));
                write_padded(out, wall.nano / cut, count);
            }
            Field::Millis => write_padded(out, wall.nano / 1_000_000, count),
            Field::Nanos => write_padded(out, wall.nano, count),
            Field::MillisOfDay => write_padded(out, wall.second_of_day * 1_000 + wall.nano / 1_000_000, count),
            Field::ZoneName | Field::Offset | Field::IsoOffset => {
                let zone = zone.ok_or_else(|| {
                    Error::data("The pattern writes a zone, but a TIMESTAMP has none").hint("cast it to TIMESTAMP_LTZ")
                })?;
                match field {
                    Field::ZoneName => zone_name(zone, wall, out),
                    Field::Offset => offset(zone.offset, 2, false, out),
                    _ => offset(zone.offset, count, true, out),
                }
            }
        }
        Ok(())
    }

    fn year(&self, year: i64, count: usize, out: &mut impl Text) {
        // The year of its era.
        let year = if year > 0 { year } else { 1 - year };
        if count == 2 {
            return write_padded(out, year % 100, 2);
        }
        if self.flavour == Flavour::DateTimeFormatter
            && count >= 4
            && year >= 10_i64.pow(u32::try_from(count.min(18)).unwrap_or(18))
        {
            out.push("+");
        }
        write_padded(out, year, count);
    }
}

/// A name: whole for four letters, its first letter for five (`DateTimeFormatter`), else its first three.
fn name(names: &[&str], number: i64, count: usize, flavour: Flavour, out: &mut impl Text) {
    let name = usize::try_from(number - 1).ok().and_then(|n| names.get(n)).copied().unwrap_or_default();
    out.push(match count {
        5 if flavour == Flavour::DateTimeFormatter => &name[..1],
        4.. => name,
        _ => &name[..3],
    });
}

fn quarter(quarter: i64, count: usize, out: &mut impl Text) {
    match count {
        1 | 2 => write_padded(out, quarter, count),
        3 => {
            out.push("Q");
            write_padded(out, quarter, 1);
        }
        4 => out.push(
            ["1st quarter", "2nd quarter", "3rd quarter", "4th quarter"]
                [usize::try_from(quarter - 1).unwrap_or(0).min(3)],
        ),
        _ => write_padded(out, quarter, 1),
    }
}

/// `+0100`; with `iso`, `+01` for one letter, `+01:00` for three, and `Z` for none.
fn offset(seconds: i64, count: usize, iso: bool, out: &mut impl Text) {
    if iso && seconds == 0 {
        return out.push("Z");
    }
    out.push(if seconds < 0 { "-" } else { "+" });
    let minutes = seconds.abs() / 60;
    write_padded(out, minutes / 60, 2);
    if count == 1 && (minutes % 60 == 0 || !iso) {
        return;
    }
    out.push(if count == 3 { ":" } else { "" });
    write_padded(out, minutes % 60, 2);
}

fn zone_name(part: ZonePart, wall: WallTime, out: &mut impl Text) {
    let instant = DateTime::from_timestamp(wall.seconds() - part.offset, 0);
    let offset = instant.map(|instant| part.zone.offset_from_utc_datetime(&instant.naive_utc()));
    out.push(offset.as_ref().and_then(|offset| offset.abbreviation()).unwrap_or_else(|| part.zone.name()));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn written(pattern: &str, flavour: Flavour, millis: i64) -> String {
        let mut out = String::new();
        Pattern::parse(pattern, flavour).unwrap().write(WallTime::of(millis, 1_000), None, &mut out).unwrap();
        out
    }

    #[test]
    fn timestamps_are_written_as_java_writes_them() {
        // 2026-05-17 13:45:56.789, a Sunday.
        let written = |pattern: &str| written(pattern, Flavour::DateTimeFormatter, 1_779_025_556_789);
        for (pattern, text) in [
            ("yyyy-MM-dd HH:mm:ss", "2026-05-17 13:45:56"),
            ("yyyyMMdd", "20260517"),
            ("yy/M/d H:m:s", "26/5/17 13:45:56"),
            ("SSS", "789"),
            ("SSSSSS", "789000"),
            ("S", "7"),
            ("EEE, d MMM yyyy", "Sun, 17 May 2026"),
            ("EEEE MMMM", "Sunday May"),
            ("hh:mm a", "01:45 PM"),
            ("D", "137"),
            ("'at' HH", "at 13"),
            ("Q QQQ", "2 Q2"),
            ("k K", "13 1"),
            ("uuuu", "2026"),
            ("G", "AD"),
            ("MMMMM", "M"),
            ("n", "789000000"),
            ("A", "49556789"),
        ] {
            assert_eq!(written(pattern), text, "{pattern}");
        }
    }

    #[test]
    fn the_old_format_pads_every_number() {
        assert_eq!(written("SSSSSS u HHHH", Flavour::SimpleDateFormat, 1_779_025_556_789), "000789 7 0013");
    }

    #[test]
    fn a_zone_is_written_where_there_is_one() {
        let pattern = Pattern::parse(concat!("z Z X ", "X", "XX"), Flavour::SimpleDateFormat).unwrap();
        let mut out = String::new();
        pattern
            .write(WallTime::of(3600, 1), Some(ZonePart { zone: Tz::Europe__Paris, offset: 3600 }), &mut out)
            .unwrap();
        assert_eq!(out, "CET +0100 +01 +01:00");
        assert!(pattern.write(WallTime::of(0, 1), None, &mut out).is_err());
    }
}
