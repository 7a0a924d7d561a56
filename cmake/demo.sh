#!/bin/sh
# Builds and runs the demo; options are handed on: sh cmake/demo.sh --help
set -eu
cd "$(dirname "$0")/.."
. cmake/need.sh
need g++ cmake ninja-build libasio-dev

mkdir -p build
{ cmake --preset cpu -DPLANECAST_BUILD_TESTS=OFF && cmake --build --preset cpu --target planecast-demo; } \
  >build/demo.log 2>&1 || { tail -n 40 build/demo.log; exit 1; }
exec build/cpu/bin/planecast-demo "$@"
