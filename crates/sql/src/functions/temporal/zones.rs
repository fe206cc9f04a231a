//! `CONVERT_TZ`, and zones by name.

use std::str::FromStr;

use arrow::array::StringArray;
use chrono_tz::Tz;
use riverrun_base::{Error, Result};
use riverrun_data::{DataType, LogicalType as L};

use super::format::PatternArgument;
use super::pattern::Flavour;
use super::write::ZonePart;
use crate::cast::calendar::WallTime;
use crate::cast::zone::{Overlap, Zone};
use crate::eval::Rows;
use crate::functions::signature::{Choice, Refusal, exactly};
use crate::functions::{Argument, Bound, ScalarFunction};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[ScalarFunction {
    names: &["CONVERT_TZ"],
    usage: "CONVERT_TZ(string, from_zone, to_zone)",
    description: "A text like '2026-01-02 03:04:05' of one zone as the clocks of another zone show it; NULL where it gives no time.",
    choose: convert_tz,
}];

/// The zone of a name, as Java finds it: of `GMT+8` whole hours, and UTC where there is none of that name.
pub(super) fn named_zone(name: &str) -> Tz {
    Tz::from_str(name).ok().or_else(|| fixed(name)).unwrap_or(Tz::UTC)
}

/// `GMT+8`, `GMT-08:00`.
fn fixed(name: &str) -> Option<Tz> {
    let rest = name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC"))?;
    // The names of `Etc/` count westwards.
    let (sign, rest) = match rest.as_bytes().first()? {
        b'+' => ('-', &rest[1..]),
        b'-' => ('+', &rest[1..]),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "00"));
    let hours: u8 = hours.parse().ok()?;
    if minutes != "00" {
        return None;
    }
    Tz::from_str(&format!("Etc/GMT{sign}{hours}")).ok()
}

fn convert_tz(args: &[Argument]) -> Choice {
    let [_, _, _] = exactly(args)?;
    let arguments = args.iter().map(Argument::text).collect::<Result<Vec<_>, Refusal>>()?;
    let pattern = PatternArgument::new(None, Flavour::SimpleDateFormat)?;
    Ok(Bound::new(arguments, DataType::nullable(L::STRING), move |args, context| {
        let [text, from, to] = args else { return Err(Error::internal("CONVERT_TZ without its arguments")) };
        let (text, from, to) = (text.cells::<StringArray>()?, from.cells::<StringArray>()?, to.cells::<StringArray>()?);
        let mut patterns = pattern.rows(None)?;
        let mut last: Option<(&str, &str, Zone, Zone)> = None;
        Rows::strict(args, context).texts(|row, out| {
            let names = (from.at(row), to.at(row));
            let known = last.as_ref().is_some_and(|(from, to, ..)| (*from, *to) == names);
            if !known {
                last = Some((names.0, names.1, Zone::new(named_zone(names.0)), Zone::new(named_zone(names.1))));
            }
            let pattern = patterns.at(row)?;
            let (Some((_, to_name, from, to)), Some(parsed)) = (&last, pattern.read(text.at(row))) else {
                return Ok(false);
            };
            let instant = from.instant_of(parsed.wall.seconds(), Overlap::Later);
            let offset = to.offset_at(instant);
            pattern.write(
                WallTime::of(instant + offset, 1),
                Some(ZonePart { zone: named_zone(to_name), offset }),
                out,
            )?;
            Ok(true)
        })
    }))
}
