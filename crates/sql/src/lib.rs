//! Flink SQL: statements, catalog, planner, operators.
