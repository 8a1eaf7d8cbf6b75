# SPDX-License-Identifier: Apache-2.0
# Shared by the examples' run.sh: sourced, never run. Makes what they need and takes no time when it is there.
# QAIC_PREPARED=1 (the tests set it): everything is built and installed.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
if [ "${QAIC_PREPARED:-0}" != 1 ]; then
    {
        "$QAIC_SRC/scripts/install-deps.sh" --networks
        [ -x "$QAIC_BUILD_DIR/tools/qaic-exec" ] || say "building (a few minutes the first time) …"
        "$QAIC_SRC/scripts/build.sh" qaic-exec qaic-run _qaic
        "$QAIC_SRC/scripts/setup-venv.sh" --networks
        "$QAIC_SRC/scripts/install-python.sh"
    } >&2
fi
export PYTHONPATH="$QAIC_SRC/examples/common${PYTHONPATH:+:$PYTHONPATH}" PYTHONDONTWRITEBYTECODE=1
python="$QAIC_BUILD_DIR/venv/bin/python"
tools="$QAIC_BUILD_DIR/tools"
