//! Aggregates, and the properties of the window that a table is grouped by.

use super::{Expression, Kind, WindowProperty};

impl Expression {
    fn aggregate(self, name: &'static str) -> Self {
        Self(Kind::Aggregate { name, argument: Some(self.boxed()), distinct: false })
    }

    /// The sum of the values that are not NULL; NULL without any.
    #[must_use]
    pub fn sum(self) -> Self {
        self.aggregate("SUM")
    }

    /// How many values are not NULL. [`count_all`](super::count_all) counts rows.
    #[must_use]
    pub fn count(self) -> Self {
        self.aggregate("COUNT")
    }

    /// The mean of the values that are not NULL; of integers truncated.
    #[must_use]
    pub fn avg(self) -> Self {
        self.aggregate("AVG")
    }

    /// The least value.
    #[must_use]
    pub fn min(self) -> Self {
        self.aggregate("MIN")
    }

    /// The greatest value.
    #[must_use]
    pub fn max(self) -> Self {
        self.aggregate("MAX")
    }

    /// The aggregate over different values only: `col("a").count().distinct()`.
    #[must_use]
    pub fn distinct(self) -> Self {
        match self.0 {
            Kind::Aggregate { name, argument, .. } => Self(Kind::Aggregate { name, argument, distinct: true }),
            // Refused where the expression is used: a call of this name is no function.
            other => super::call("DISTINCT", [Self(other)]),
        }
    }

    fn property(self, property: WindowProperty) -> Self {
        Self(Kind::WindowProperty { window: self.boxed(), property })
    }

    /// The start of the window, which belongs to it: TIMESTAMP(3).
    #[must_use]
    pub fn start(self) -> Self {
        self.property(WindowProperty::Start)
    }

    /// The end of the window, which does not belong to it: TIMESTAMP(3).
    #[must_use]
    pub fn end(self) -> Self {
        self.property(WindowProperty::End)
    }

    /// The last millisecond of the window, as event time of its row.
    #[must_use]
    pub fn rowtime(self) -> Self {
        self.property(WindowProperty::Rowtime)
    }

    /// Processing time of the window's row.
    #[must_use]
    pub fn proctime(self) -> Self {
        self.property(WindowProperty::Proctime)
    }
}
