//! Units of time.

use crate::functions::Argument;
use crate::functions::signature::Refusal;

/// A unit of time, as `EXTRACT`, `FLOOR .. TO`, `TIMESTAMPADD` and `TIMESTAMPDIFF` name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Epoch,
}

const NAMES: &[(&str, Unit)] = &[
    ("MILLENNIUM", Unit::Millennium),
    ("CENTURY", Unit::Century),
    ("DECADE", Unit::Decade),
    ("YEAR", Unit::Year),
    ("ISOYEAR", Unit::IsoYear),
    ("QUARTER", Unit::Quarter),
    ("MONTH", Unit::Month),
    ("WEEK", Unit::Week),
    ("DAY", Unit::Day),
    ("DOW", Unit::DayOfWeek),
    ("ISODOW", Unit::IsoDayOfWeek),
    ("DOY", Unit::DayOfYear),
    ("HOUR", Unit::Hour),
    ("MINUTE", Unit::Minute),
    ("SECOND", Unit::Second),
    ("MILLISECOND", Unit::Millisecond),
    ("MICROSECOND", Unit::Microsecond),
    ("NANOSECOND", Unit::Nanosecond),
    ("EPOCH", Unit::Epoch),
];

impl Unit {
    /// The unit that an argument names as a constant text.
    pub(super) fn of(arg: &Argument) -> Result<Self, Refusal> {
        let name = arg.literal_text().ok_or(Refusal::Types)?;
        let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, unit)| *unit);
        known.ok_or_else(|| {
            let error = riverrun_base::Error::user(format!("'{name}' is not a unit of time"));
            Refusal::Because(match riverrun_base::nearest(name, NAMES.iter().map(|(known, _)| *known)) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error,
            })
        })
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, unit)| *unit == self).map_or("", |(name, _)| name)
    }

    /// Its nanoseconds, if it always has as many.
    pub(super) fn nanos(self) -> Option<i64> {
        Some(match self {
            Self::Week => 7 * 86_400 * 1_000_000_000,
            Self::Day => 86_400 * 1_000_000_000,
            Self::Hour => 3_600 * 1_000_000_000,
            Self::Minute => 60 * 1_000_000_000,
            Self::Second => 1_000_000_000,
            Self::Millisecond => 1_000_000,
            Self::Microsecond => 1_000,
            Self::Nanosecond => 1,
            _ => return None,
        })
    }

    /// Its months, if it is made of whole ones.
    pub(super) fn months(self) -> Option<i64> {
        Some(match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
            _ => return None,
        })
    }
}
