#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finds the sentences in a recording (espeak-ng) with silero-vad's network on the emulated card; fails when they are elsewhere.
if [ $# -ne 0 ]; then
    printf 'speech/run.sh: unknown argument %s; it takes none.\n' "$1" >&2
    exit 2
fi
. "$(dirname "${BASH_SOURCE[0]}")/../prepare.sh"
exec "$python" "$QAIC_SRC/examples/speech/find_speech.py" "$@"
