#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a Python test in the build's environment; a missing environment is a failure, never a skipped test.
#   with_venv.sh VENV ARGUMENT…
venv="$1"
shift
if [ ! -f "$venv/.stamp-test" ]; then
  echo "with_venv.sh: $venv lacks the packages of the tests; run: QAIC_BUILD_DIR=$(dirname "$venv") scripts/setup-venv.sh --test" >&2
  exit 1
fi
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$@"
