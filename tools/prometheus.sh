#!/bin/sh
# Prints the folder with `prometheus` and `promtool`: those on the PATH, or Debian's package unpacked into .tools (no root,
# no service, nothing outside this folder). Exit code 1, with what to do, where there is neither.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
unpacked=$here/.tools/prometheus/usr/bin

if [ -x "$unpacked/promtool" ]; then
    echo "$unpacked"
    exit 0
fi
if found=$(command -v promtool) && command -v prometheus >/dev/null; then
    dirname -- "$found"
    exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo 'promtool and prometheus are not installed, and this is no Debian: install Prometheus and have it on the PATH' >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
if [ "$(id -u)" = 0 ]; then apt-get update -qq >&2; fi
chmod 777 "$work" # as root apt-get downloads as a user of its own
if ! (cd "$work" && apt-get download -qq prometheus >&2); then
    echo 'apt-get could not download the package prometheus; run `apt-get update` as root once, or install it' >&2
    exit 1
fi
mkdir -p "$here/.tools/prometheus"
dpkg-deb -x "$work"/prometheus_*.deb "$here/.tools/prometheus"
echo "$unpacked"
