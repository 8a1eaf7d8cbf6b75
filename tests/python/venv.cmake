# SPDX-License-Identifier: Apache-2.0
# The Python environment of the tests; scripts/setup-venv.sh --test makes it.
set(QAIC_VENV "${PROJECT_BINARY_DIR}/venv" CACHE PATH "Python environment for the tests (scripts/setup-venv.sh --test)")
