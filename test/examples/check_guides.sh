#!/bin/sh
# Code that README.md and the guides quote must stand in the examples: a block of C++ whose first line names a
# file (// examples/x.cpp) is looked for in it, line by line, spaces and empty lines apart. Blocks without a
# name are schematic. A block that begins with `$ program` is what that program prints; README.md's build/hello
# is the first transfer, where that is built. Figures of a table whose rows begin with a dtype and a number of
# channels are those of bits.json. Says what is not so; exits 1 then.
# sh check_guides.sh CHECKOUT PROGRAMS
set -eu
cd "$1"
programs=$2
bad=0 quoted=0 ran=0
for guide in README.md examples/guides/*.md examples/tiny_llm/README.md; do
  blocks=$(awk '/^```cpp/ {inside = 1; first = 1; next} /^```/ {inside = 0}
                inside && first {first = 0; if ($0 ~ /^\/\/ (examples|test)\//) print NR}' "$guide")
  for line in $blocks; do
    file=$(sed -n "${line}s|^// \([^ :]*\).*|\1|p" "$guide")
    quoted=$((quoted + 1))
    if ! [ -f "$file" ]; then
      echo "$guide:$line: there is no $file"
      bad=1
    elif ! awk -v start="$line" '
        function bare(s) { gsub(/[ \t]+/, "", s); return s }
        FNR == NR { if (FNR > start && !done) { if (/^```/) done = 1; else if (bare($0) != "") want[++n] = bare($0) } next }
        bare($0) != "" { have[++m] = bare($0) }
        END {
          for (i = 1; i + n - 1 <= m; ++i) {
            for (j = 1; j <= n && have[i + j - 1] == want[j]; ++j) {}
            if (j > n) exit 0
          }
          exit 1
        }' "$guide" "$file"; then
      echo "$guide:$line: this is not in $file"
      bad=1
    fi
  done
  for line in $(awk '/^```/ {open = !open; next} open && /^\$ (planecast-|build\/hello)/ {print NR}' "$guide"); do
    program=$(sed -n "${line}s/^\$ //p" "$guide")
    if [ "$program" = build/hello ]; then
      program=planecast-first-transfer
      [ -x "$programs/$program" ] || continue # it needs TCP
    fi
    ran=$((ran + 1))
    if [ "$("$programs/$program")" != "$(sed -n "$((line + 1)),\$p" "$guide" | sed '/^```/,$d')" ]; then
      echo "$guide:$line: this is not what $program prints"
      bad=1
    fi
  done
done
# | BF16, 64 channels | bits, part | bits, part | lossless: normal | Laplace | outlier keys |
rows=$(sed -E -n 's/^  .*"dtype": "([a-z0-9]*)", "head_dim": ([0-9]*), .*"bits_4": ([0-9.]*), "of_raw_4": ([0-9.]*), "bits_8": ([0-9.]*), "of_raw_8": ([0-9.]*), "bits_lossless": ([0-9.]*), "of_raw_lossless": ([0-9.]*),.*/\1 \2 \3, \4 | \5, \6 | \7, \8/p' bench/results/bits.json |
  awk '{key = $1 " " $2; exact = $9 " " $10; if (key != last) printf "%s| %s, %s channels | %s %s | %s %s | %s |", (last == "" ? "" : "\n"), toupper($1), $2, $3, $4, $6, $7, exact; else printf " %s |", exact; last = key} END {print ""}')
[ "$(grep -E '^\| (BF16|FP16), [0-9]+ channels ' examples/guides/operating.md)" = "$rows" ] ||
  { echo "operating.md: its table is not bits.json's:"; echo "$rows"; bad=1; }
[ "$ran" -ge 2 ] || { echo "only $ran programs found"; bad=1; }
[ "$quoted" -ge 5 ] || { echo "only $quoted quotations found"; bad=1; }
exit $bad
