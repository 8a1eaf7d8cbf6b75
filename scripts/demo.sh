#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh Debian 12 to the answer: why do these weights give 9.5 on the AI 100 and 9.75 in microxcaling?
# Installs what is needed, builds, compiles the question's model three ways and runs each on the emulated card.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
start=$(date +%s)
cd "$QAIC_SRC"

"$QAIC_SRC/scripts/install-deps.sh" --demo
[ -x "$QAIC_BUILD_DIR/tools/qaic-exec" ] || say "building (a few minutes the first time) …"
"$QAIC_SRC/scripts/build.sh" qaic-exec qaic-run qaic-mx _qaic
"$QAIC_SRC/scripts/setup-venv.sh"
"$QAIC_SRC/scripts/install-python.sh"

demo="$QAIC_BUILD_DIR/demo"
rm -rf "$demo"
mkdir -p "$demo"
compile() { # compile NAME FLAGS…: the question's own command line, with other flags where the answer differs
    local name="$1"
    shift
    quiet "$demo/$name.log" "$QAIC_BUILD_DIR/tools/qaic-exec" -m="$QAIC_SRC/tests/models/my_model_a.onnx" \
        -aic-hw -aic-hw-version=2.0 -convert-to-fp16 "$@" -aic-num-cores=4 -compile-only -aic-binary-dir="$demo/$name"
}
compile exact
compile microxcaling -mxfp6-matmul -mx-profile=microxcaling
compile aic100 -mxfp6-matmul

echo
echo "A Linear layer, weights 2^-6 2^-5 2^-4 2^-3 2^-2 2^-1 1 8, input all ones. Run on the emulated card:"
echo
"$QAIC_BUILD_DIR/venv/bin/python" "$QAIC_SRC/scripts/demo_run.py" "$demo" exact microxcaling aic100
echo
echo "Why, weight by weight:"
echo
"$QAIC_BUILD_DIR/tools/qaic-mx" explain 0.015625 0.03125 0.0625 0.125 0.25 0.5 1 8 \
    --format fp6_e2m3 --block-size 32 --profile microxcaling --profile aic100
cat <<TEXT

Try your own weights:   build/tools/qaic-mx explain 3.1 0.2 -0.7 --format fp6_e2m3 --block-size 32
Try your own model:     build/tools/qaic-exec -m=model.onnx -aic-hw -convert-to-fp16 -mxfp6-matmul -compile-only -aic-binary-dir=my_qpc
                        build/tools/qaic-run -t my_qpc -n 10
From Python:            build/venv/bin/python -c 'import qaic; help(qaic.Session)'
TEXT
echo
echo "done in $(($(date +%s) - start)) s"
