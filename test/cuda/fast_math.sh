#!/bin/sh
# What -use_fast_math makes of kernels, in PTX:
#   fast_math.sh NVCC FILE.cu OPTION…
# It may add .ftz, but not to a change of sign in kernels that code: nothing else that is not written as an instruction
# of its own sees numbers so small that they are flushed to zero, which tests on the processor hold. And in an
# encode_program it may divide less exactly: that is the guess of a cell, which the loops behind it set right
# (ruler::code). Fails where anything else differs, with the lines.
set -eu
nvcc=$1 source=$2
shift 2
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
"$nvcc" "$@" -ptx "$source" -o "$room/plain.ptx"
"$nvcc" "$@" -use_fast_math -ptx "$source" -o "$room/fast.ptx"

# instructions FILE: one a line, behind the kernel's number; no .ftz, no guesses, no comments.
instructions() {
  awk '
    /^[ \t]*\/\// || /^[ \t]*$/ { next }
    /\.entry/ { name = $0; ++kernels }
    name !~ /(code|base|upgrade|lengths)_program/ || !/neg\.ftz/ { gsub(/\.ftz\./, ".") } # a row may begin at a subnormal number
    { if (name ~ /encode_program/) sub(/div\.approx\.f32/, "div.rn.f32"); print kernels ": " $0 }
  ' "$1"
}
instructions "$room/plain.ptx" >"$room/plain"
instructions "$room/fast.ptx" >"$room/fast"
kernels=$(grep -c '\.entry' "$room/plain.ptx" || true)
flushed=$(diff "$room/plain.ptx" "$room/fast.ptx" | grep -c '^> .*\.ftz\.' || true)
if [ "$kernels" -eq 0 ] || [ "$flushed" -eq 0 ]; then
  echo "$kernels kernels, in $flushed instructions of which -use_fast_math flushes to zero: not what was to be compared"
  exit 1
fi
if ! diff "$room/plain" "$room/fast" >"$room/other"; then
  head -n 60 "$room/other"
  echo "-use_fast_math changes more than it may; kernels are counted in the order of:"
  sed -n 's/.*\.entry \([^(]*\).*/\1/p' "$room/plain.ptx" | c++filt
  exit 1
fi
echo "$kernels kernels, $(wc -l <"$room/plain") lines; the same but for $flushed that flush to zero"
