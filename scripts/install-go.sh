#!/usr/bin/env bash
# Go and its code for transparency logs, from Debian's packages: the tests let them verify what this program wrote.
# Does nothing where they are; installs them as root on Debian; says what to do elsewhere.
set -euo pipefail

packages=(golang-go golang-golang-x-mod-dev)
have() { command -v go >/dev/null && [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb/tlog ]; }

have && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests verify the log with Go's sumdb packages too. Install Debian's ${packages[*]} (as root: apt-get install" >&2
  echo "--no-install-recommends ${packages[*]}), or the like, so that /usr/share/gocode holds golang.org/x/mod." >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }
install 2>/dev/null || { apt-get update -qq && install; }
have
