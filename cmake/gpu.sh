#!/bin/sh
# Builds, tests and measures the kernels on a machine with a GPU. Needs no network and installs nothing:
#   sh cmake/gpu.sh OUTDIR [build|test|sanitize|bench] …     (without stages: all four, each under ten minutes)
# Logs and JSON, with device, driver, CUDA, date and commit, land in OUTDIR. The last line is "N passed, N failed".
# Kernels that spill registers are said, and stop nothing.
# A machine without a GPU fails. Variables that it reads:
#   CMAKE_PREFIX_PATH             where doctest and Google Benchmark are, if CMake does not find them
#   PLANECAST_GPU_ARCHITECTURES   for `build`: 90-real, … ; native, which needs the GPU, if it is not set
#   PLANECAST_GPU_BINARIES        a folder with planecast-cuda-test and planecast-bench-cuda from elsewhere, and with
#                                 libbenchmark.so if they need it: then there is nothing to build
#   PLANECAST_COMMIT              the commit, where there is no git
set -u
case ${1-} in "" | -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 2
shift
cd "$(dirname "$0")/.." || exit 2
[ $# -gt 0 ] || set -- build test sanitize bench
for stage in "$@"; do
  case $stage in build | test | sanitize | bench) ;; *) echo "there is no stage $stage"; exit 2 ;; esac
done

# What comes with CUDA and with the driver often stands beside the PATH.
for folder in /usr/local/cuda/bin /usr/local/cuda/compute-sanitizer /usr/local/nvidia/bin; do
  [ ! -d "$folder" ] || PATH=$PATH:$folder
done
commit=${PLANECAST_COMMIT:-$(git describe --always --dirty --abbrev=7 2>/dev/null)} || true
[ -n "$commit" ] || commit="not said"
built=${PLANECAST_GPU_BINARIES:-$PWD/build/gpu/bin}
export PLANECAST_GOLDEN="$PWD/test/code/golden"
[ -z "${PLANECAST_GPU_BINARIES-}" ] || chmod +x "$built"/planecast-* 2>/dev/null || true # copies may have lost it
[ -z "${PLANECAST_GPU_BINARIES-}" ] ||
  export LD_LIBRARY_PATH="$PLANECAST_GPU_BINARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

from_smi() { nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null | head -n 1; }
PLANECAST_DRIVER=$(from_smi driver_version)
export PLANECAST_DRIVER="${PLANECAST_DRIVER:-unknown}"
# context STAGE RESULT SECONDS [more lines]: what every stage's JSON says.
context() {
  device=$("$built/planecast-cuda-test" --device 2>/dev/null) || device='"device": "none"'
  cat >"$out/$1.json" <<END
{
  "date": "$(date -u +%Y-%m-%d)", "commit": "$commit",
  $device,
  "driver": "$PLANECAST_DRIVER", "stage": "$1", "result": "$2", "seconds": $3${4:+,
  $4}
}
END
}

# has_run LOG: whether every test case of that log ran and passed.
has_run() {
  grep -q '\[doctest\] test cases: *[1-9][0-9]* | *[1-9][0-9]* passed | *0 failed | *0 skipped' "$1"
}
cases() { sed -n 's/.*\[doctest\] test cases: *\([0-9]*\) |.*/\1/p' "$1" | tail -n 1; }

build() {
  if [ -n "${PLANECAST_GPU_BINARIES-}" ]; then
    [ -x "$built/planecast-cuda-test" ] || { echo "there is no $built/planecast-cuda-test"; return 1; }
    return 0
  fi
  architectures=${PLANECAST_GPU_ARCHITECTURES:-native}
  if [ "$architectures" = native ] && [ ! -e /dev/nvidiactl ] && [ -z "$(from_smi name)" ]; then
    echo "no GPU: PLANECAST_GPU_ARCHITECTURES=90-real, say, builds for another machine's"
    return 1
  fi
  configure() {
    cmake -S . -B build/gpu $(command -v ninja >/dev/null 2>&1 && echo "-G Ninja") -DCMAKE_BUILD_TYPE=Release \
      -DPLANECAST_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES="$architectures" -DPLANECAST_TEST_GPU=OFF \
      -DPLANECAST_TEST_KERNELS=ON \
      -DPLANECAST_BUILD_EXAMPLES=OFF -DPLANECAST_TEST_STATIC=OFF -DPLANECAST_BUILD_BENCHMARKS="$1"
  }
  {
    targets="planecast-cuda-test planecast-device-memory planecast-device-calls planecast-device-acceptance"
    if configure ON; then
      targets="$targets planecast-bench-cuda"
    else
      echo "== without Google Benchmark"
      configure OFF || { grep -q doctest "$out/build.log" &&
        echo "== doctest is missing: CMAKE_PREFIX_PATH says where lib/cmake/doctest and include/doctest are"; false; }
    fi && timeout 480 cmake --build build/gpu --parallel "$(nproc)" --target $targets
  } >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log"; return 1; }
  find build/gpu -name '*_test.cu.o.report' -exec sh test/cuda/report.sh "" "" {} + >"$out/kernels.txt" ||
    { grep -e '<--' -e complaints "$out/kernels.txt"; true; }
}

tested() {
  timeout 590 "$built/planecast-cuda-test" >"$out/test.log" 2>&1 && has_run "$out/test.log" ||
    { tail -n 40 "$out/test.log"; return 1; }
  for name in memory calls acceptance; do
    [ -x "$built/planecast-device-$name" ] || continue # not among binaries from elsewhere
    timeout 60 "$built/planecast-device-$name" >>"$out/test.log" 2>&1 ||
      { echo "-- the example device_$name.cu"; tail -n 5 "$out/test.log"; return 1; }
  done
}

# A few rounds of each property: the tools make kernels many times slower. They run side by side. Guards would hide
# from them what is read beside memory, and filling it what nobody wrote. What calls of the driver say is left out: the
# tests look at it themselves, and a driver's own questions to itself fail without harm. CUB's kernels are not ours to
# search for races.
sanitize() {
  command -v compute-sanitizer >/dev/null 2>&1 || { echo "there is no compute-sanitizer"; return 1; }
  tools="memcheck racecheck initcheck synccheck"
  for tool in $tools; do
    others=
    [ "$tool" != racecheck ] || others="--kernel-name-exclude kns=cub"
    PLANECAST_GPU_BARE=1 PLANECAST_GPU_ROUNDS=${PLANECAST_GPU_ROUNDS:-3} timeout 570 \
      compute-sanitizer --tool "$tool" --report-api-errors no $others --error-exitcode 9 \
      "$built/planecast-cuda-test" >"$out/sanitize-$tool.log" 2>&1 &
  done
  wait
  bad=0
  for tool in $tools; do
    log=$out/sanitize-$tool.log
    ! grep -q -i -e 'device not supported' -e 'unsupported' -e 'Unable to' "$log" ||
      echo "-- $tool may not work on this machine at all: $(grep -m 1 -i -e 'not supported' -e unsupported -e 'Unable to' "$log")"
    has_run "$log" && grep -q -e 'ERROR SUMMARY: 0 errors' -e 'RACECHECK SUMMARY: 0 hazards' "$log" ||
      { echo "-- $tool"; grep -m 5 -A 12 '^========= [A-Z]' "$log"; tail -n 12 "$log"; bad=1; }
  done
  return "$bad"
}

bench() {
  [ -x "$built/planecast-bench-cuda" ] || { echo "there is no $built/planecast-bench-cuda"; return 1; }
  timeout 590 "$built/planecast-bench-cuda" --json "$out/cuda.json" --commit "$commit" >"$out/bench.log" 2>&1 ||
    { tail -n 40 "$out/bench.log"; return 1; }
}

passed=0 failed=0
for stage in "$@"; do
  begun=$(date +%s) result=passed more=
  rm -f "$out/$stage.json"
  if [ "$stage" != build ] && ! why=$("$built/planecast-cuda-test" --device 2>&1); then
    echo "$why" | tail -n 1
    result=failed
  else
    case $stage in
    build) build || result=failed ;;
    test) tested || result=failed; more="\"test_cases\": $(cases "$out/test.log" | grep . || echo 0)" ;;
    sanitize) sanitize || result=failed ;;
    bench) bench || result=failed ;;
    esac
  fi
  seconds=$(($(date +%s) - begun))
  context "$stage" "$result" "$seconds" "$more"
  echo "== $stage: $result ($seconds s)"
  if [ "$result" = passed ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  [ "$stage" != build ] || [ "$result" = passed ] || break # the binaries would be others
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
