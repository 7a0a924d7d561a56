# need PACKAGE…: installs missing Debian packages if this runs as root, else prints the line that does.
# Elsewhere than on Debian it trusts that the tools are there.

need() {
  command -v dpkg-query >/dev/null 2>&1 || return 0
  missing=
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -eq 0 ]; then
    echo "installing:$missing"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } \
      >/dev/null || { echo "could not install:$missing" >&2; exit 1; }
  else
    echo "These packages are missing; this line installs them:" >&2
    echo "  sudo apt-get install -y --no-install-recommends$missing" >&2
    exit 1
  fi
}

# want PACKAGE…: the same, but goes on without what cannot be had.
want() { (need "$@") || echo "going on without $*" >&2; }
