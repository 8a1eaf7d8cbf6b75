#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo on a built tree prints the three answers, in this form and order, and how long it took.
set -euo pipefail
output="$(scripts/demo.sh)"
printf '%s\n' "$output"
for line in 'exact 9.984375' 'microxcaling 9.75' 'aic100 9.5'; do
    grep -qxF "$line" <<<"$output" || { echo "missing line: $line" >&2; exit 1; }
done
grep -qE '^done in [0-9]+ s$' <<<"$output" || { echo "missing: how long it took" >&2; exit 1; }
