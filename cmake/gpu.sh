#!/bin/sh
# Builds, tests and measures the kernels on a machine with a GPU. Needs no network and installs nothing:
#   sh cmake/gpu.sh OUTDIR [build|test|sanitize|bench] …     (without stages: all four, each under ten minutes)
# The machine has nvcc (CUDA 13), g++ 12 or later, CMake 3.25 or later, and ninja or make; without a GPU all but `build`
# fails. Logs and JSON, with device, driver, CUDA, date and commit, land in OUTDIR: of each test case, a process of its
# own, a line in NAME.log, and in NAME.cases what those said that did not pass. The last line is "N passed, N failed".
# Kernels that spill registers are said, and stop nothing. Variables that it reads:
#   CMAKE_PREFIX_PATH             where doctest and Google Benchmark are, if CMake does not find them
#   PLANECAST_GPU_ARCHITECTURES   for `build`: 90-real, … ; if it is not set, what the GPU has
#   PLANECAST_GPU_BINARIES        a folder with planecast-cuda-test and planecast-bench-cuda from elsewhere, and with
#                                 libbenchmark.so if they need it: then there is nothing to build
#   PLANECAST_COMMIT              the commit of sources without git, or of binaries without their file `commit`
#   PLANECAST_GPU_CASES           of `test` and `sanitize` these alone, as doctest's --test-case names them
#   PLANECAST_GPU_TOOLS           of `sanitize` these alone: "memcheck racecheck initcheck synccheck"
#   PLANECAST_GPU_CASE_SECONDS    how long a test case may take: 120, and 240 under compute-sanitizer
#   PLANECAST_GPU_SECONDS         and a stage: 570
#   BENCHMARK_FILTER              of `bench` these alone: Google Benchmark's own
set -u
case ${1-} in "" | -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;; esac
mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 2
shift
if [ -n "${PLANECAST_GPU_BINARIES-}" ]; then
  PLANECAST_GPU_BINARIES=$(cd "$PLANECAST_GPU_BINARIES" && pwd) || exit 2
  chmod +x "$PLANECAST_GPU_BINARIES"/planecast-* 2>/dev/null || true # copies may have lost it
  export LD_LIBRARY_PATH="$PLANECAST_GPU_BINARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
cd "$(dirname "$0")/.." || exit 2
[ $# -gt 0 ] || set -- build test sanitize bench
for stage in "$@"; do
  case $stage in build | test | sanitize | bench) ;; *) echo "there is no stage $stage"; exit 2 ;; esac
done

# What comes with CUDA and with the driver often stands beside the PATH.
for folder in /usr/local/cuda/bin /usr/local/cuda/compute-sanitizer /usr/local/nvidia/bin; do
  [ ! -d "$folder" ] || PATH=$PATH:$folder
done
built=${PLANECAST_GPU_BINARIES:-$PWD/build/gpu/bin}
export PLANECAST_GOLDEN="$PWD/test/code/golden"

# The commit of the sources, and the one that was built: `build` writes it beside the programs.
of_sources() {
  echo "${PLANECAST_COMMIT:-$(git describe --always --dirty --abbrev=7 2>/dev/null)}" | grep . || echo unknown
}
of_programs() {
  grep . "$built/commit" 2>/dev/null || echo "${PLANECAST_GPU_BINARIES:+${PLANECAST_COMMIT-}}" | grep . || echo unknown
}
from_smi() { timeout 30 nvidia-smi --query-gpu="$1" --format=csv,noheader 2>/dev/null | head -n 1; }
device() { timeout 60 "$built/planecast-cuda-test" --device 2>&1; }
PLANECAST_DRIVER=$(from_smi driver_version)
export PLANECAST_DRIVER="${PLANECAST_DRIVER:-unknown}"
# context STAGE RESULT SECONDS [more lines]: what every stage's JSON says.
context() {
  device=$(device) || device='"device": "none"'
  cat >"$out/$1.json" <<END
{
  "date": "$(date -u +%Y-%m-%d)", "commit": "$commit",
  $device,
  "driver": "$PLANECAST_DRIVER", "stage": "$1", "result": "$2", "seconds": $3${4:+,
  $4}
}
END
}
# at_most SECONDS: those, or what the stage has left; not 0, which timeout takes for no limit.
at_most() {
  left=$((deadline - $(date +%s)))
  [ "$left" -lt "$1" ] || left=$1
  echo $((left > 1 ? left : 1))
}

# each_case NAME AT_ONCE SECONDS IS_GOOD COMMAND…: every test case alone, as after one illegal address all fails that
# a process does. IS_GOOD LOG says whether one that ended well ran at all, and had no complaints.
each_case() {
  log=$out/$1.log folder=$out/$1.cases workers=$2 most=$3 is_good=$4
  shift 4
  mkdir -p "$folder" && rm -f "$folder"/*.log && : >"$log" || return
  timeout 60 "$built/planecast-cuda-test" --list-test-cases ${PLANECAST_GPU_CASES:+--test-case="$PLANECAST_GPU_CASES"} |
    sed '/^\[doctest\]/d; /^=*$/d' >"$folder/names"
  while [ "$workers" -gt 0 ]; do
    cases_not_begun "$@" &
    workers=$((workers - 1))
  done
  wait
  find "$folder" -name '*.log' -size 0 -exec rm -f {} +
}
# A worker's part: the cases whose log it is the first to make.
cases_not_begun() {
  trap 'kill -s KILL -- "-$!" 2>/dev/null; exit 1' TERM # timeout makes a group of each case
  number=0
  while IFS= read -r name; do
    number=$((number + 1)) said=$folder/$number.log
    (set -C && : >"$said") 2>/dev/null || continue
    begun=$(date +%s) status=0 why=
    if [ "$begun" -ge "$deadline" ]; then
      why="not begun"
    else # in a filter a comma parts, and * and ? stand for themselves too
      timeout -k 10 "$(at_most "$most")" "$@" --case-sensitive=true \
        --test-case="$(printf '%s\n' "$name" | sed 's/[\\,]/\\&/g')" >>"$said" 2>&1 </dev/null &
      wait $! || status=$?
      case $status in
      0) "$is_good" "$said" || why="not run, or complaints" ;;
      124 | 137) why="out of time or killed"; kill -s KILL -- "-$!" 2>/dev/null ;; # and what a tool left behind
      12[5-7]) why="not started" ;;
      *) [ "$status" -gt 128 ] && why="signal $((status - 128))" || why="exit status $status" ;;
      esac
    fi
    verdict="FAILED ($why)"
    [ -n "$why" ] || { verdict=passed && : >"$said"; }
    printf '%s %s s, case %s: %s\n' "$verdict" $(($(date +%s) - begun)) $number "$name" >>"$log"
  done <"$folder/names"
}
# How a doctest program ends that ran a test case.
has_run() { grep -q '\[doctest\] test cases: *[1-9][0-9]* | *[1-9][0-9]* passed | *0 failed' "$1"; }
has_no_complaints() { has_run "$1" && grep -q -e 'ERROR SUMMARY: 0 errors' -e 'RACECHECK SUMMARY: 0 hazards' "$1"; }

failed_of() { sed -n 's/^FAILED ([^)]*) [0-9]* s, case \([0-9]*\): /\1 /p' "$out/$1.log"; } # NUMBER NAME
# all_passed NAME: fails, and shows some of what failed, unless all cases passed.
all_passed() {
  total=$(wc -l <"$out/$1.cases/names") good=$(grep -c ^passed "$out/$1.log")
  [ "$total" -eq 0 ] || [ "$good" -ne "$total" ] || return 0
  echo "-- $1: $good of $total test cases passed"
  failed_of "$1" | head -n 3 | while read -r number name; do
    echo "-- $name"
    grep -m 3 -A 12 '^========= [A-Z][a-z]' "$out/$1.cases/$number.log" 2>/dev/null
    tail -n 12 "$out/$1.cases/$number.log" 2>/dev/null
  done
  grep ^FAILED "$out/$1.log" | head -n 30
  return 1
}
# in_json NAME…: their test cases, for a stage's JSON.
in_json() {
  total=0 list=
  for name in "$@"; do
    total=$((total + $(wc -l <"$out/$name.cases/names")))
    list=$list$(failed_of "$name" | sed 's/[\\"]/\\&/g; s/^[0-9]* \(.*\)/, "'"$name"': \1"/' | tr -d '\n')
  done
  printf '"test_cases": %s, "failed_cases": [%s]' "$total" "${list#, }"
}

build() {
  if [ -n "${PLANECAST_GPU_BINARIES-}" ]; then
    [ -x "$built/planecast-cuda-test" ] || { echo "there is no $built/planecast-cuda-test"; return 1; }
    return 0
  fi
  capability=$(from_smi compute_cap | tr -d .)
  case $capability in "" | *[!0-9]*) of_gpu=native ;; *) of_gpu=$capability-real ;; esac
  architectures=${PLANECAST_GPU_ARCHITECTURES:-$of_gpu}
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
  rm -f "$built/commit"
  {
    targets="planecast-cuda-test planecast-device-memory planecast-device-calls planecast-device-acceptance"
    if configure ON; then
      targets="$targets planecast-bench-cuda"
    else
      echo "== without Google Benchmark"
      configure OFF || { grep -q doctest "$out/build.log" &&
        echo "== doctest is missing: CMAKE_PREFIX_PATH says where lib/cmake/doctest and include/doctest are"; false; }
    fi && timeout -k 10 "$(at_most 570)" cmake --build build/gpu --parallel "$(nproc)" --target $targets
  } >"$out/build.log" 2>&1 || {
    status=$?
    tail -n 40 "$out/build.log"
    case $status in 124 | 137) echo "out of time: run it again, what is built is kept" ;; esac
    return 1
  }
  echo "$commit" >"$built/commit"
  find build/gpu -name '*_test.cu.o.report' -exec sh test/cuda/report.sh "" "" {} + >"$out/kernels.txt" ||
    { grep -e '<--' -e complaints "$out/kernels.txt"; true; }
}

tested() {
  each_case test 4 "${PLANECAST_GPU_CASE_SECONDS:-120}" has_run "$built/planecast-cuda-test"
  more=$(in_json test) bad=0
  for name in memory calls acceptance; do
    [ -x "$built/planecast-device-$name" ] || continue # not among binaries from elsewhere
    timeout -k 5 "$(at_most 60)" "$built/planecast-device-$name" >"$out/device_$name.log" 2>&1 ||
      { echo "-- the example device_$name.cu: exit status $?"; tail -n 5 "$out/device_$name.log"; bad=1; }
  done
  all_passed test && [ "$bad" -eq 0 ]
}

# A few rounds of each property: the tools make kernels many times slower. They run side by side. Guards would hide
# from them what is read beside memory, and filling it what nobody wrote. What calls of the driver say is left out: the
# tests look at it themselves, and a driver's own questions to itself fail without harm. CUB's kernels are not ours to
# search for races.
tools=${PLANECAST_GPU_TOOLS:-memcheck racecheck initcheck synccheck}
sanitize() {
  command -v compute-sanitizer >/dev/null 2>&1 || { echo "there is no compute-sanitizer"; return 1; }
  for tool in $tools; do
    others=
    [ "$tool" != racecheck ] || others="--kernel-name-exclude kns=cub"
    each_case "sanitize-$tool" 1 "${PLANECAST_GPU_CASE_SECONDS:-240}" has_no_complaints \
      env PLANECAST_GPU_BARE=1 PLANECAST_GPU_ROUNDS="${PLANECAST_GPU_ROUNDS:-3}" \
      compute-sanitizer --tool "$tool" --report-api-errors no $others --error-exitcode 9 "$built/planecast-cuda-test" &
  done
  wait
  more=$(in_json $(printf 'sanitize-%s ' $tools)) bad=0
  for tool in $tools; do
    said=$(cat "$out/sanitize-$tool.cases"/*.log 2>/dev/null |
      grep -m 1 -i -e 'not supported' -e unsupported -e 'Unable to') &&
      echo "-- $tool may not work on this machine at all: $said"
    all_passed "sanitize-$tool" || bad=1
  done
  return "$bad"
}

bench() {
  [ -x "$built/planecast-bench-cuda" ] || { echo "there is no $built/planecast-bench-cuda"; return 1; }
  rm -f "$out/cuda.json"
  timeout -k 10 "$(at_most 570)" "$built/planecast-bench-cuda" --json "$out/cuda.json" --commit "$commit" \
    >"$out/bench.log" 2>&1 || {
    status=$?
    tail -n 40 "$out/bench.log"
    case $status in 124 | 137) echo "out of time" ;; esac
    echo "exit status $status: cuda.json holds what has run"
    return 1
  }
}

passed=0 failed=0
for stage in "$@"; do
  begun=$(date +%s) result=passed more=
  deadline=$((begun + ${PLANECAST_GPU_SECONDS:-570}))
  commit=$(of_programs)
  [ "$stage" != build ] || [ -n "${PLANECAST_GPU_BINARIES-}" ] || commit=$(of_sources)
  context "$stage" "not finished" 0
  if [ "$stage" != build ] && ! why=$(device); then
    echo "$why" | tail -n 1
    result=failed
  else
    case $stage in
    build) build || result=failed ;;
    test) tested || result=failed ;;
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
