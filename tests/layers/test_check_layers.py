# SPDX-License-Identifier: Apache-2.0
"""Feeds scripts/check-layers.py small trees: each wrong include must be named, each right one pass."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts/check-layers.py"

HEADERS = [
    "include/hw/aic100_base.h", "include/qaicrt/result.hpp", "include/qaicrt/device.hpp", "emu/mx/formats.hpp",
    "emu/net/network.hpp", "emu/card.hpp", "libqaicrt/qpc/container.hpp", "libqaicrt/backend/backend.hpp",
    "libqaicrt/backend/emu/emu_card.hpp", "libqaicrt/api/impl.hpp", "compiler/compile.hpp", "tools/common/npy.hpp",
    "tools/qaic-a/a.hpp", "libqaicrt/qpc/test/fixtures.hpp",
]


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.root = pathlib.Path(self.scratch.name)
        for header in HEADERS:
            self.write(header, "")

    def write(self, path, text):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def run_check(self):
        result = subprocess.run([sys.executable, SCRIPT, self.root], capture_output=True, text=True)
        return result.returncode, result.stdout

    def assert_refused(self, path, include, *words):
        self.write(path, f"// first line\n#include {include}\n")
        code, output = self.run_check()
        self.assertEqual(code, 1, output)
        self.assertIn(f"{path}:2: ", output)
        for word in words:
            self.assertIn(word, output)

    def assert_accepted(self, path, *includes):
        self.write(path, "".join(f"#include {include}\n" for include in includes))
        code, output = self.run_check()
        self.assertEqual(code, 0, output)

    def test_accepts_the_allowed_edges(self):
        self.assert_accepted("emu/net/a.cpp", '"emu/mx/formats.hpp"', "<qaicrt/result.hpp>", "<vector>", "<onnx/onnx.pb.h>")
        self.assert_accepted("emu/qsm.cpp", '"card.hpp"', '"libqaicrt/qpc/container.hpp"', "<hw/aic100_base.h>")
        self.assert_accepted("libqaicrt/backend/emu/b.cpp", '"emu/card.hpp"', '"libqaicrt/backend/backend.hpp"')
        self.assert_accepted("tools/qaic-a/main.cpp", '"compiler/compile.hpp"', '"tools/common/npy.hpp"', "<qaicrt/device.hpp>")

    def test_tests_may_include_anything(self):
        self.assert_accepted("tests/x/t.cpp", '"libqaicrt/api/impl.hpp"', '"emu/card.hpp"', "<onnx/onnx.pb.h>")
        self.assert_accepted("emu/test/t.cpp", '"compiler/compile.hpp"')

    def test_runtime_may_not_use_the_compiler(self):
        self.assert_refused("libqaicrt/api/a.cpp", '"compiler/compile.hpp"', "api may not include compiler")

    def test_runtime_may_not_reach_around_the_seam(self):
        self.assert_refused("libqaicrt/api/a.cpp", '"emu/card.hpp"', "api may not include emu")
        self.assert_refused("libqaicrt/api/a.cpp", '"libqaicrt/backend/emu/emu_card.hpp"', "backend/emu")

    def test_numerics_may_not_know_the_network(self):
        self.assert_refused("emu/mx/a.cpp", '"emu/net/network.hpp"', "emu/mx may not include emu/net")

    def test_card_may_not_use_the_runtime(self):
        self.assert_refused("emu/a.cpp", "<qaicrt/device.hpp>", "emu may not include public API")

    def test_a_relative_include_is_no_way_around(self):
        self.assert_refused("emu/mx/a.cpp", '"../card.hpp"', "emu/mx may not include emu ")

    def test_hardware_headers_depend_on_nothing(self):
        self.assert_refused("include/hw/a.h", "<qaicrt/result.hpp>", "hw may not include base", "nothing else of ours")

    def test_driver_sees_hardware_headers_only(self):
        self.assert_refused("driver/a.c", '"emu/card.hpp"', "it may include: hw, uapi")

    def test_tools_share_only_through_common(self):
        self.assert_refused("tools/qaic-b/b.cpp", '"tools/qaic-a/a.hpp"', "share through tools/common")

    def test_test_headers_stay_in_tests(self):
        self.assert_refused("libqaicrt/qpc/a.cpp", '"libqaicrt/qpc/test/fixtures.hpp"', "test header")

    def test_outside_headers_are_fenced_too(self):
        self.assert_refused("libqaicrt/api/a.cpp", "<onnx/onnx.pb.h>", "the runtime knows no ONNX")
        self.assert_refused("emu/a.cpp", "<sys/socket.h>", "three ports")
        self.assert_refused("include/qaicrt/a.hpp", "<fmt/format.h>", "standard library only")

    def test_unknown_directories_and_files_are_named(self):
        self.assert_refused("emu/a.cpp", '"no/such.hpp"', "not a file of this repository")
        self.write("emu/a.cpp", "")
        self.write("newpart/a.cpp", "")
        code, output = self.run_check()
        self.assertEqual(code, 1)
        self.assertIn("newpart/a.cpp:1: no layer covers", output)

    def test_an_empty_tree_is_not_a_pass(self):
        with tempfile.TemporaryDirectory() as empty:
            self.assertEqual(subprocess.run([sys.executable, SCRIPT, empty], capture_output=True).returncode, 1)


if __name__ == "__main__":
    unittest.main()
