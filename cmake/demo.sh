#!/bin/sh
# Builds and runs the demo; options are handed on: sh cmake/demo.sh --help
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/cmake/need.sh"
need g++ cmake ninja-build libasio-dev

mkdir -p "$top/build"
[ -x "$top/build/demo/bin/planecast-demo" ] || echo "Building it, which takes a few minutes the first time ..." >&2
(cd "$top" && cmake --preset demo && cmake --build --preset demo --target planecast-demo) >"$top/build/demo.log" 2>&1 ||
  { tail -n 40 "$top/build/demo.log"; exit 1; }
exec "$top/build/demo/bin/planecast-demo" "$@"
