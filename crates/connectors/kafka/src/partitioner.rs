//! `sink.partitioner`: which partition a row goes to.

use riverrun_base::{Error, Result, nearest};

/// How rows are spread over the partitions of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Partitioner {
    /// As the Java client does by default: by murmur2 of the key; without a key, one partition for a while and then another. librdkafka does it,
    /// as its partitioner `murmur2_random`. Flink's `round-robin` is the same, for rows without keys.
    Default,
    /// Each writer to one partition.
    Fixed,
}

const NAMES: [&str; 3] = ["default", "fixed", "round-robin"];

impl Partitioner {
    /// Reads the option.
    ///
    /// # Errors
    /// `round-robin` with keys, which Flink refuses too, or a class of Java.
    pub(crate) fn parse(text: &str, has_key: bool) -> Result<Self> {
        match text.trim() {
            "default" => Ok(Self::Default),
            "fixed" => Ok(Self::Fixed),
            "round-robin" if has_key => {
                Err(Error::user("'sink.partitioner' = 'round-robin' does not go with 'key.fields'")
                    .hint("rows with keys need 'default' or 'fixed'"))
            }
            "round-robin" => Ok(Self::Default),
            other => {
                let guess = nearest(other, NAMES).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
                Err(Error::user(format!("'{other}' is not a partitioner"))
                    .with("option", "sink.partitioner")
                    .hint(format!("{guess}it takes {}; classes of Java cannot run here", NAMES.join(", "))))
            }
        }
    }

    /// The partition for the rows of writer `subtask` into a topic of `partitions`; `None` leaves it to librdkafka.
    pub(crate) fn partition(self, subtask: usize, partitions: i32) -> Option<i32> {
        let partitions = usize::try_from(partitions).ok().filter(|count| *count > 0)?;
        match self {
            Self::Default => None,
            Self::Fixed => i32::try_from(subtask % partitions).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_are_flinks() {
        assert_eq!(Partitioner::parse("default", true).unwrap(), Partitioner::Default);
        assert_eq!(Partitioner::parse("fixed", false).unwrap(), Partitioner::Fixed);
        assert_eq!(Partitioner::parse("round-robin", false).unwrap(), Partitioner::Default);
        assert!(Partitioner::parse("round-robin", true).unwrap_err().to_string().contains("key.fields"));
        let error = Partitioner::parse("org.acme.MyPartitioner", false).unwrap_err().to_string();
        assert!(error.contains("classes of Java"), "{error}");
        assert!(Partitioner::parse("fixd", false).unwrap_err().to_string().contains("did you mean 'fixed'?"));
    }

    #[test]
    fn a_fixed_writer_stays_with_one_partition() {
        let of = |subtask| Partitioner::Fixed.partition(subtask, 3);
        assert_eq!((of(0), of(1), of(2), of(3), of(7)), (Some(0), Some(1), Some(2), Some(0), Some(1)));
        assert_eq!(Partitioner::Default.partition(1, 3), None);
        assert_eq!(Partitioner::Fixed.partition(1, 0), None);
    }
}
