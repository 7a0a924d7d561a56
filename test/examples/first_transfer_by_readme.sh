#!/bin/sh
# What README.md says under "The first transfer", done in an empty folder: its CMakeLists.txt, its commands; the program
# must print what stands there. Only `git clone …` is replaced by a link to this checkout.
# sh first_transfer_by_readme.sh CHECKOUT FOLDER
set -eu
top=$1
rm -rf "$2"
mkdir -p "$2"
cd "$2"
section=$(sed -n '/^## The first transfer/,/^## /p' "$top/README.md")
ln -s "$top" planecast
echo "$section" | awk '/^```cmake/ {inside = 1; next} /^```/ {inside = 0} inside' >CMakeLists.txt
echo "$section" | awk '/^```sh/ {inside = 1; next} /^```/ {inside = 0} inside' |
  sed '/^mkdir hello/d; /^git clone/d' >commands.sh
grep -q 'build/hello' commands.sh
cat commands.sh
sh -eu commands.sh
says=$(echo "$section" | awk '/^\$ build\/hello/ {inside = 1; next} /^```/ {inside = 0} inside')
[ -n "$says" ] && [ "$(build/hello)" = "$says" ] || { echo "this is not what README.md says it prints"; exit 1; }
