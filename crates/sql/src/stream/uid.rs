//! Uids: under which names the state of operators is stored, and found again by another run of the script.
//!
//! A sink is `Sink: <table>`. A source is `<table of the sink>/Source: <table>`. Anything else is named by where it stands: the sink's
//! table, the operators with state on the way down from it, and its own name, as in `report/GroupAggregate` and, below that,
//! `report/GroupAggregate/WindowAggregate`. Where a name comes up again (a second INSERT into the table, another branch of a union) it is
//! numbered in the order of the script: `report #2/GroupAggregate`.
//!
//! So a uid survives what has no state: another filter, projection or alias; other INSERTs into other tables; further branches behind a
//! union. It does not survive an aggregation put above or below, another sink table, or INSERTs into the same table in another order.
//! Whether state that is found fits is told by its [description](super::lineage).

use std::collections::BTreeSet;

/// Names the nodes of a job.
#[derive(Debug, Default)]
pub(crate) struct Uids {
    taken: BTreeSet<String>,
    /// The sink's table, and the uids of the operators with state that the next node stands below.
    path: Vec<String>,
}

impl Uids {
    /// The uid of a sink; what is named from now on stands below it.
    pub(super) fn sink(&mut self, table: &str) -> String {
        let uid = self.unique(format!("Sink: {table}"));
        self.path = vec![uid.trim_start_matches("Sink: ").to_owned()];
        uid
    }

    /// The uid of a source.
    pub(super) fn source(&mut self, name: &str) -> String {
        let sink = self.path.first().map_or("", String::as_str);
        let uid = format!("{sink}/{name}");
        self.unique(uid)
    }

    /// The uid of an operator without state of its own, or with nothing below it.
    pub(super) fn node(&mut self, name: &str) -> String {
        let above = self.path.last().map_or("", String::as_str);
        let uid = format!("{above}/{name}");
        self.unique(uid)
    }

    /// The uid of an operator with state; what is named from now on stands below it, until [`Self::leave`].
    pub(super) fn enter(&mut self, name: &str) -> String {
        let uid = self.node(name);
        self.path.push(uid.clone());
        uid
    }

    /// Nothing more stands below the operator that was entered last.
    pub(super) fn leave(&mut self) {
        self.path.pop();
    }

    fn unique(&mut self, uid: String) -> String {
        let mut found = uid.clone();
        let mut number = 2;
        while !self.taken.insert(found.clone()) {
            found = format!("{uid} #{number}");
            number += 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_its_sink_and_the_operators_with_state_above_it() {
        let mut uids = Uids::default();
        let mut report = || {
            let sink = uids.sink("report");
            let outer = uids.enter("GroupAggregate");
            let calc = uids.node("Calc");
            let inner = uids.enter("WindowAggregate");
            let source = uids.source("Source: t");
            uids.leave();
            let other = uids.enter("WindowAggregate");
            uids.leave();
            uids.leave();
            [sink, outer, calc, inner, source, other, uids.source("Source: t")]
        };
        assert_eq!(
            report(),
            [
                "Sink: report",
                "report/GroupAggregate",
                "report/GroupAggregate/Calc",
                "report/GroupAggregate/WindowAggregate",
                "report/Source: t",
                "report/GroupAggregate/WindowAggregate #2",
                "report/Source: t #2",
            ]
        );
        assert_eq!(report()[..2], ["Sink: report #2", "report #2/GroupAggregate"]);
    }
}
