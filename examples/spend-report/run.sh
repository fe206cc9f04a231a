#!/bin/sh
# The spend report with no server. Builds riverrun (once, about five minutes on two idle cores), takes an empty database, and runs embedded.sql.
set -eu
cd "$(dirname "$0")"
cp empty.db spend_report.db
if [ -n "${RIVERRUN:-}" ]; then
    exec "$RIVERRUN" run embedded.sql
fi
exec cargo run --locked --profile quick --package riverrun-cli --no-default-features -- run embedded.sql
