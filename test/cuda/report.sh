#!/bin/sh
# What ptxas says of the kernels, a line each, and whether it is as it should be:
#   report.sh "80 90" "encode_program decode_program" FILE…
# Fails where a kernel spills registers or has a stack frame, and where one of the programs is missing for one of the
# architectures. Dynamic shared memory is the launch's and does not stand here.
set -eu
architectures=$1 programs=$2
shift 2
[ $# -gt 0 ] || { echo "no reports"; exit 1; }
for file in "$@"; do
  [ -f "$file" ] || { echo "$file is missing: build it again"; exit 1; }
done
cat "$@" | c++filt | awk -v architectures="$architectures" -v programs="$programs" '
  # run_program<P>(P) and run_rounds<P>(P) are called P; what another kernel takes is left out.
  function short(name) {
    gsub(/planecast::(v0::)?(detail::)?|\(anonymous namespace\)::/, "", name)
    sub(/^void /, "", name)
    if (name ~ /^run_(program|rounds)</) { sub(/^run_[a-z]*</, "", name); sub(/ ?>\(.*/, "", name) }
    else sub(/\(.*/, "", name)
    gsub(/ >/, ">", name)
    return name
  }
  function number_before(words,   at) {
    at = match($0, "[0-9]+ " words)
    return at ? substr($0, at) + 0 : 0
  }
  function max(a, b) { return a > b ? a : b }
  /Compiling entry function/ {
    split($0, part, "\047") # a quote
    name = short(part[2]); architecture = part[4]; sub(/^sm_/, "", architecture)
    stack = stores = loads = 0
  }
  /bytes stack frame/ { # of the kernel, or of a function that it calls
    stack = max(stack, number_before("bytes stack frame"))
    stores = max(stores, number_before("bytes spill stores")); loads = max(loads, number_before("bytes spill loads"))
  }
  /: Used [0-9]+ registers/ {
    bad = stack + stores + loads > 0 && name !~ /^cub::/ # those are not ours to mend
    wrong += bad; ++count
    for (n = split(programs, of, " "); n > 0; --n)
      if (index(name, of[n]) == 1) seen[of[n], architecture] = 1
    printf "sm_%-4s %3d registers %6d B shared %4d B stack %4d/%d B spilled  %s%s\n", architecture,
      number_before("registers"), number_before("bytes smem"), stack, stores, loads, name, bad ? "  <-- " : ""
  }
  END {
    for (a = split(architectures, architecture_of, " "); a > 0; --a)
      for (n = split(programs, of, " "); n > 0; --n)
        if (!((of[n], architecture_of[a]) in seen)) {
          printf "there is no %s for sm_%s\n", of[n], architecture_of[a]; ++wrong
        }
    printf "%d kernels, %d complaints\n", count, wrong
    exit wrong > 0 || count == 0
  }'
