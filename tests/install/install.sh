#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs a build into a clean prefix and looks at what is there. usage: install.sh CMAKE BUILD PREFIX VERSION LIBDIR
set -euo pipefail
cmake="$1" build="$2" prefix="$3" version="$4" lib="$3/$5"
rm -rf "$prefix"
"$cmake" --install "$build" --prefix "$prefix" >/dev/null

missing=0
for path in bin/qaic-run bin/qaic-runner bin/qaic-exec bin/qaic-compile bin/qaic-mx include/qaicrt/qaicrt.h \
    include/qaicrt/qaicrt.hpp include/hw/aic100_dbc.h "$5/libqaicrt.so.$version" "$5/libqaicrt.so.0" \
    "$5/libqaicrt.so" "$5/pkgconfig/qaicrt.pc" "$5/cmake/qaicrt/qaicrtConfig.cmake"; do
    [ -e "$prefix/$path" ] || { echo "missing: $path" && missing=1; }
done
[ "$missing" = 0 ]
[ "$(readlink "$lib/libqaicrt.so.0")" = "libqaicrt.so.$version" ]
[ "$(readlink "$prefix/bin/qaic-runner")" = qaic-run ]
# No grep -q behind a pipe: it leaves early, and the writer's SIGPIPE would fail the test now and then.
[[ "$(objdump -p "$lib/libqaicrt.so")" =~ SONAME\ +libqaicrt\.so\.0$'\n' ]]

# An installed tool finds all it needs without LD_LIBRARY_PATH.
[ "$("$prefix/bin/qaic-run" --version)" = "qaic-run $version" ]

# Nothing may point back at the build or the source tree.
if grep -rlI -e "$build" "$prefix/$5/pkgconfig" "$prefix/$5/cmake"; then
    echo "the files above name the build directory"
    exit 1
fi
if readelf -d "$lib/libqaicrt.so.0" "$prefix"/bin/* | grep -E 'RUNPATH|RPATH' | grep -F "$build"; then
    echo "an installed file looks for libraries in the build directory"
    exit 1
fi
