#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that the build (--demo, the default), the examples with real networks (--networks) or
# the whole test suite (--test) needs.
# Says nothing and takes no time when all are there.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

packages=(g++ cmake ninja-build ccache libonnx-dev libprotobuf-dev protobuf-compiler libflatbuffers-dev
    flatbuffers-compiler libfmt-dev libcli11-dev nlohmann-json3-dev libgtest-dev
    pybind11-dev python3-dev python3-venv)
case "${1:---demo}" in
    --demo) ;;
    --networks) packages+=(espeak-ng) ;;
    --test) packages+=(clang-16 libclang-rt-16-dev clang-format-16 clang-tidy-16 libbenchmark-dev libonnx-testdata libdnnl-dev espeak-ng binutils make pkg-config git) ;;
    *) die "usage: scripts/install-deps.sh [--demo|--networks|--test]" ;;
esac

missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

say "installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log="$QAIC_BUILD_DIR/log/apt.log"
quiet "$log" as_root apt-get -q update
quiet "$log" as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}"
