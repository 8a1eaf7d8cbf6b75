# SPDX-License-Identifier: Apache-2.0
# The Python environment of the tests; scripts/setup-venv.sh --test makes it. Sanitizer builds share that of build/.
if(QAIC_SANITIZE)
  set(venv "${PROJECT_SOURCE_DIR}/build/venv")
else()
  set(venv "${PROJECT_BINARY_DIR}/venv")
endif()
set(QAIC_VENV "${venv}" CACHE PATH "Python environment for the tests (scripts/setup-venv.sh --test)")
