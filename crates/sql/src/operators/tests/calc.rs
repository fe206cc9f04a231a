use std::sync::Arc;

use chrono_tz::Tz;
use riverrun_connect::SplitId;
use riverrun_data::{Batch, DataType, LogicalType};
use riverrun_runtime::SplitOperator;

use super::pipeline::Pipeline;
use super::text::{batch, fields, lines};
use crate::expr::{CastMode, Expr, call_bound, cast};
use crate::operators::{Calc, Environment, RowAtATime, SinkGuard, SourceCalc};
use crate::plan::{Field, batch_schema};

const ENVIRONMENT: Environment = Environment { zone: Tz::UTC };

fn column(fields: &[Field], index: usize) -> Expr {
    Expr::column(index, fields[index].data_type.clone())
}

#[test]
fn a_filter_keeps_kinds_and_lets_only_through_what_is_true() {
    let fields = fields("a BIGINT, b BIGINT, s STRING");
    let greater = call_bound(">", vec![column(&fields, 1), column(&fields, 0)]).unwrap();
    let sum = call_bound("+", vec![column(&fields, 1), column(&fields, 1)]).unwrap();
    let schema = batch_schema(&super::text::fields("s STRING, twice BIGINT"));
    let mut whole = Pipeline::single(fields.clone(), Calc::new(Some(&greater), None, ENVIRONMENT).unwrap());
    let rows = ["+I 1 2 x", "-U 2 1 y", "-U 1 5 z", "+U NULL 3 x", "-D 0 7 ''"];
    assert_eq!(whole.rows(&rows), ["+I 1 2 x", "-U 1 5 z", "-D 0 7 ''"]);
    let exprs = [column(&fields, 2), sum];
    let mut both = Pipeline::single(
        fields.clone(),
        Calc::new(Some(&greater), Some((&exprs, schema.clone())), ENVIRONMENT).unwrap(),
    );
    assert_eq!(both.rows(&rows), ["+I x 4", "-U z 10", "-D '' 14"]);
    assert_eq!(both.rows(&["+I 1 2 x"]), ["+I x 4"]);
    assert!(both.rows(&["+I 2 2 x"]).is_empty());
    let mut projection = Pipeline::single(fields, Calc::new(None, Some((&exprs, schema)), ENVIRONMENT).unwrap());
    assert_eq!(projection.rows(&rows)[1], "-U y 2");
}

#[test]
fn a_projection_to_nothing_keeps_the_number_of_rows() {
    let fields = fields("a BIGINT, b BIGINT");
    let less = call_bound("<", vec![column(&fields, 0), column(&fields, 1)]).unwrap();
    let mut calc =
        Pipeline::single(fields, Calc::new(Some(&less), Some((&[], batch_schema(&[]))), ENVIRONMENT).unwrap());
    assert_eq!(calc.rows(&["+I 1 2", "-D 2 3", "+I 3 3"]), ["+I", "-D"]);
}

#[test]
fn null_in_a_not_null_column_fails_the_job_or_drops_the_row() {
    let (query, table) = (fields("a BIGINT, b BIGINT"), fields("a BIGINT NOT NULL, b BIGINT NOT NULL"));
    let guard =
        |drops| Pipeline::single(query.clone(), SinkGuard::new("t".into(), vec![0, 1], drops, batch_schema(&table)));
    assert_eq!(guard(false).rows(&["+I 1 2"]), ["+I 1 2"]);
    let error = guard(false).try_rows(&["+I 1 2", "+I 1 NULL"]).unwrap_err();
    assert!(error.to_string().contains("Column 'b' is NOT NULL"), "{error}");
    assert_eq!(guard(true).rows(&["+I 1 2", "+I 1 NULL", "-D NULL 2", "+I 3 4"]), ["+I 1 2", "+I 3 4"]);
    assert!(guard(true).rows(&["+I NULL NULL"]).is_empty());
}

#[test]
fn an_operator_that_sees_rows_one_by_one_emits_every_change() {
    let query = super::query::Query::new("k STRING, v BIGINT", "GROUP BY k: COUNT(*)");
    let groups =
        crate::operators::Groups::new(&crate::operators::key_types(&query.input, &query.keys), &query.calls, true)
            .unwrap();
    let aggregate = crate::operators::GroupAggregate::new(
        query.keys.clone(),
        groups,
        true,
        batch_schema(&query.output()),
        crate::operators::StateOf::default(),
    );
    let mut pipeline = Pipeline::single(query.input, RowAtATime(aggregate));
    assert_eq!(
        pipeline.rows(&["+I a 1", "-U a 1", "+U a 2", "+I a 3"]),
        ["+I a 1", "-D a 1", "+I a 1", "-U a 1", "+U a 2"]
    );
}

#[test]
fn a_source_tells_the_greatest_watermark_of_its_rows_and_demands_event_time() {
    let (physical, table) = (fields("ms BIGINT, ts TIMESTAMP(3)"), fields("ts TIMESTAMP(3), ms BIGINT"));
    let exprs = [column(&physical, 1), column(&physical, 0)];
    let strategy = Expr::column(0, DataType::nullable(LogicalType::Timestamp(3)));
    let mut source = SourceCalc::new(&exprs, batch_schema(&table), Some((&strategy, 0)), ENVIRONMENT).unwrap();
    let split: SplitId = Arc::from("s");
    let mut apply =
        |rows: &[&str]| -> riverrun_base::Result<(Batch, Option<i64>)> { source.apply(&split, batch(&physical, rows)) };
    let (rows, watermark) = apply(&["+I 1 30", "+I 2 10"]).unwrap();
    assert_eq!((lines(&rows), watermark), (vec!["+I 30 1".to_owned(), "+I 10 2".to_owned()], Some(30)));
    assert_eq!(apply(&["+I 1 NULL"]).unwrap_err().kind(), riverrun_base::Kind::Data);
    let (rows, watermark) = apply(&["-D 1 NULL", "+U 2 40"]).unwrap();
    assert_eq!((lines(&rows), watermark), (vec!["-D NULL 1".to_owned(), "+U 40 2".to_owned()], Some(40)));
}

#[test]
fn deletions_by_key_have_what_is_given_and_nothing_that_is_computed() {
    let (physical, table) = (fields("k BIGINT, v STRING NOT NULL"), fields("k BIGINT, n BIGINT NOT NULL, v STRING"));
    let number = DataType::not_null(LogicalType::BigInt);
    let exprs = [column(&physical, 0), cast(column(&physical, 1), &number, CastMode::Strict), column(&physical, 1)];
    let source = SourceCalc::new(&exprs, batch_schema(&table), None, ENVIRONMENT).unwrap();
    let mut source = source.deleting_by_key(&exprs, &[false, true, false]).unwrap();
    let mut apply = |rows: &[&str]| lines(&source.apply(&Arc::from("s"), batch(&physical, rows)).unwrap().0);
    assert_eq!(
        apply(&["-D 1 ''", "+U 2 20", "-D 3 ''", "+U 4 40"]),
        ["-D 1 0 ''", "+U 2 20 20", "-D 3 0 ''", "+U 4 40 40"]
    );
    assert_eq!(apply(&["-D 1 ''"]), ["-D 1 0 ''"]);
    assert_eq!(apply(&["+U 1 10"]), ["+U 1 10 10"]);
}
