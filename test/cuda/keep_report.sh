#!/bin/sh
# Runs a compiler, and keeps what it says beside what it makes: keep_report.sh nvcc … -o FILE …
# What ptxas says of each kernel stays there alone (report.sh reads it); the rest is said.
set -u
made= before=
for argument in "$@"; do
  [ "$before" != -o ] || made=$argument
  before=$argument
done
"$@" >"$made.report" 2>&1
status=$?
if [ "$status" -ne 0 ]; then
  cat "$made.report" >&2
else
  grep -v -e '^ptxas info' -e 'bytes stack frame' "$made.report" >&2
fi
exit "$status"
