# SPDX-License-Identifier: Apache-2.0
"""Options without effect, the options file, and what is logged."""

import logging
import unittest

import numpy as np
import qaic
from qaic.options import read_options_file

from support import MODELS, TestCase

ONES = {"input": np.ones((1, 32), np.float32)}

# The vendor's keywords of a session: a compiled program takes all of them.
VENDOR_KEYWORDS = {
    "aic_num_cores": 4, "mos": 1, "ols": 2, "convert_to_fp16": True, "onnx_define_symbol": [("batch", 1)],
    "output_node_names": ["output"], "allocator_dealloac_delay": 2, "size_split_granularity": 1024,
    "vtcm_working_set_limit_ratio": 1.0, "execute_nodes_in_fp16": ["Add", "Div"], "node_precision_info_file": "x.yaml",
    "keep_original_precision_for_nodes": ["Add"], "custom_io_list_file": "io.yaml",
    "dump_custom_io_config_template_file": "io.yaml", "external_quantization_file": "q.yaml",
    "quantization_schema_activations": "symmetric", "quantization_schema_constants": "symmetric",
    "quantization_calibration": "Percentile", "percentile_calibration_value": 99.99, "num_histogram_bins": 512,
    "quantization_precision": "Int8", "quantization_precision_bias": "Int32", "enable_rowwise": True,
    "enable_channelwise": True, "dump_profile": "p.yaml", "load_profile": "p.yaml", "convert_to_quantize": True,
    "load_embedding_tables": "t.zip", "dump_embedding_tables": "t.zip", "mdp_load_partition_config": "m.json",
    "mdp_dump_partition_config": "m.json", "host_preproc": True, "aic_preproc": False, "aic_enable_depth_first": True,
    "aic_depth_first_mem": 8, "stats_batchsize": 1, "always_expand_onnx_functions": True, "enable_debug": False,
    "time_passes": True, "io_crc": False, "io_crc_stride": 256, "sdp_cluster_sizes": [7, 7], "profiling_threads": 1,
    "compile_threads": 2, "use_producer_dma": True, "aic_perf_warnings": True, "aic_perf_metrics": True,
    "aic_pmu_recipe": "AxiRd", "aic_pmu_events": [1, 2], "dynamic_shape_input": ["x"], "multicast_weights": True,
    "ddr_stats": True, "combine_inputs": True, "combine_outputs": False, "oversubscription_name": "group1", "backend": "aic",
    "model_inputs": "input,float,[1,32]",
}


class Ignored(TestCase):
    def test_a_compiled_program_takes_every_keyword_of_the_vendor(self):
        session = qaic.Session(self.compile_model("my_model_a.onnx"), **VENDOR_KEYWORDS)
        self.assertEqual(session.run(ONES)["output"].item(), 9.984375)

    def test_each_is_reported_at_info_level_and_nothing_is_printed_by_default(self):
        program = self.compile_model("my_model_a.onnx")
        with self.assertLogs("qaic", logging.INFO) as logs:
            qaic.Session(program, time_passes=True, aic_perf_metrics=True, oversubscription_name="g")
        text = "\n".join(logs.output)
        for name in ("time_passes", "aic_perf_metrics", "oversubscription_name"):
            self.assertIn(f"INFO:qaic:{name} has no effect", text)
        code = "import qaic, sys; qaic.Session(sys.argv[1], time_passes=True, mos=1)"
        self.assertEqual(self.python(code, program), (0, "", ""))

    def test_precision_that_a_compiled_program_does_not_have_is_warned_about(self):
        program = self.compile_model("my_model_a.onnx")
        with self.assertLogs("qaic", logging.INFO) as logs:
            qaic.Session(program, convert_to_fp16=True, mxfp6_matmul=False, mx_profile="microxcaling", time_passes=True)
        warned = [record.getMessage() for record in logs.records if record.levelno == logging.WARNING]
        self.assertEqual(warned, [f"{name} has no effect: the program is compiled already." for name in ("convert_to_fp16", "mx_profile")])

    def test_a_graph_of_a_compiled_program_is_an_error(self):
        program, wanted = self.compile_model("my_model_a.onnx"), self.folder / "graph.onnx"
        for name in ("dump_graph", "dump-graph"):
            with self.assertRaisesRegex(ValueError, "graph.onnx' writes the graph while compiling, .*; give the .onnx file.$"):
                qaic.Session(program, **{name: wanted})
        self.assertFalse(wanted.exists())
        qaic.Session(program, dump_graph=None)

    def test_scheduling_options_are_reported_when_compiling(self):
        with self.assertLogs("qaic", logging.INFO) as logs:
            qaic.Session(MODELS / "my_model_a.onnx", mos=1, multicast_weights=True)
        text = "\n".join(logs.output)
        self.assertIn("mos has no effect", text)
        self.assertIn("multicast_weights has no effect", text)

    def test_values_out_of_fp16_are_warned_about(self):
        with self.assertLogs("qaic", logging.WARNING) as logs:
            qaic.Session(MODELS / "fp16_range.onnx", convert_to_fp16=True)
        self.assertIn("16-bit floating point", "\n".join(logs.output))


class OptionsFile(TestCase):
    def write(self, text):
        path = self.folder / "options.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def test_reads_what_such_files_hold(self):
        path = self.write("""---
# a comment
aic_num_cores: 4
num-activations: 2     # dashes count as underscores
convert_to_fp16: True
vtcm_working_set_limit_ratio: 0.5
output_dir: "a # b"
onnx_define_symbol:
  batch: 3
  width: 4
output_node_names: [y, z]
sdp_cluster_sizes:
  - 7
  - 7
load_profile:
""")
        self.assertEqual(read_options_file(path), {
            "aic_num_cores": 4, "num_activations": 2, "convert_to_fp16": True, "vtcm_working_set_limit_ratio": 0.5,
            "output_dir": "a # b", "onnx_define_symbol": {"batch": 3, "width": 4}, "output_node_names": ["y", "z"],
            "sdp_cluster_sizes": [7, 7], "load_profile": None})

    def test_applies_to_the_session_and_arguments_win(self):
        path = self.write("mxfp6-matmul: true\nconvert_to_fp16: true\nmx_profile: microxcaling\nset_size: 3\n")
        session = qaic.Session(MODELS / "my_model_a.onnx", options_path=path)
        self.assertEqual(session.run(ONES)["output"].item(), 9.75)
        self.assertEqual(session.backend_options()["set_size"], 3)
        session = qaic.Session(MODELS / "my_model_a.onnx", options_path=path, mx_profile="aic100", set_size=2)
        self.assertEqual(session.run(ONES)["output"].item(), 9.5)
        self.assertEqual(session.backend_options()["set_size"], 2)

    def test_errors_name_file_and_line(self):
        for text, message in (("a: 1\nb\n", "line 2: 'b' is not 'name: value'"), ("  a: 1\n", "line 1: indented"),
                              ("a: {b: 1}\n", "line 1: '{b: 1}' is YAML that options files here do not use"),
                              ("a: [1\n", "line 1: a list has to end with ]"), ("a: 1\na: 2\n", "line 2: option a is given twice"),
                              ("a:\n  - 1\n  b: 2\n", "line 3: 'name: value' among list items")):
            with self.subTest(text=text), self.assertRaises(ValueError) as caught:
                read_options_file(self.write(text))
            self.assertIn(message, str(caught.exception))

    def test_missing_file_and_unknown_option(self):
        with self.assertRaisesRegex(RuntimeError, "none.yaml cannot be read"):
            qaic.Session(MODELS / "my_model_a.onnx", options_path=self.folder / "none.yaml")
        with self.assertRaisesRegex(TypeError, "no option 'aic_num_core'. Did you mean aic_num_cores?"):
            qaic.Session(MODELS / "my_model_a.onnx", options_path=self.write("aic-num-core: 2\n"))


if __name__ == "__main__":
    unittest.main()
