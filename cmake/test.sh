#!/bin/sh
# Builds and runs all tests: sh cmake/test.sh [preset …]
# Without arguments: cpu, asan (which is clang's), tsan, docs; clang, debug, fuzz, cuda-build (needs nvcc) and cuda-test
# (needs a GPU as well; nothing may be skipped) only where they are named. The last line is
# "N passed, N failed, N skipped".
set -eu
cd "$(dirname "$0")/.."
. cmake/need.sh
need g++ clang libclang-rt-dev make cmake ninja-build doctest-dev libasio-dev git pkgconf python3-venv doxygen
want clang-22 # the newest of Debian 12, from its security archive

# nvcc is often installed beside the PATH.
command -v nvcc >/dev/null 2>&1 || { [ -x /usr/local/cuda/bin/nvcc ] && PATH=$PATH:/usr/local/cuda/bin; } || true

passed=0 failed=0 skipped=0
attribute() { head -n 12 "$1" | sed -n "s/.*[[:space:]]$2=\"\([0-9]*\)\".*/\1/p"; } # of the report's root

[ $# -gt 0 ] || set -- cpu asan tsan docs
for preset in "$@"; do
  echo "== $preset"
  report=$PWD/build/$preset/report.xml
  rm -f "$report"
  log=$PWD/build/$preset.log
  mkdir -p build
  begun=$(date +%s)
  if ! { cmake --preset "$preset" && cmake --build --preset "$preset"; } >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "== $preset does not build"
    failed=$((failed + 1))
    continue
  fi
  built=$(date +%s)
  ctest --preset "$preset" -j "$(nproc)" --output-junit "$report" >"$log" 2>&1 || true
  if [ ! -s "$report" ] || [ "$(attribute "$report" tests)" -eq 0 ]; then
    tail -n 60 "$log"
    failed=$((failed + 1))
    continue
  fi
  all=$(attribute "$report" tests) bad=$(attribute "$report" failures) left=$(attribute "$report" skipped)
  left=$((left + $(attribute "$report" disabled)))
  [ "$preset" != cuda-test ] || { bad=$((bad + left)); left=0; }
  [ "$bad" -eq 0 ] || sed -n '/tests failed out of/,$p; /^TEST CASE:/,/^===/p' "$log"
  echo "== $preset: $((all - bad - left)) passed, $bad failed, $left skipped" \
    "(built in $((built - begun)) s, tested in $(($(date +%s) - built)) s)"
  sed -n 's/.*\(instruction sets: .*\)/   \1/p' "$report"
  [ "$left" -eq 0 ] || { sed -n '/^The following tests did not run:/,/^$/p' "$log"
    sed -n 's/.*This test is skipped: /  /p' "$report"; }
  passed=$((passed + all - bad - left)) failed=$((failed + bad)) skipped=$((skipped + left))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
