# SPDX-License-Identifier: Apache-2.0
"""Every mistake gives the right exception and a sentence that says what, where and what to do."""

import unittest

import numpy as np
import qaic

from support import MODELS, TestCase


class Inputs(TestCase):
    def setUp(self):
        super().setUp()
        self.session = qaic.Session(MODELS / "multi_io.onnx")
        self.good = {"image": np.zeros((2, 3), np.float32), "count": np.array([1], np.int64)}

    def check(self, text, **changes):
        with self.assertRaises(ValueError) as caught:
            self.session.run({**self.good, **changes})
        self.assertEqual(str(caught.exception), text)

    def test_wrong_shape_names_tensor_expected_and_given(self):
        self.check("Input image: expected shape (2, 3) and type float32, given shape (3, 2) and type float32.",
                   image=np.zeros((3, 2), np.float32))

    def test_wrong_type_says_how_to_convert(self):
        self.check("Input image: expected shape (2, 3) and type float32, given shape (2, 3) and type float64. "
                   "Convert it with astype('float32').", image=np.zeros((2, 3)))

    def test_other_byte_order_is_another_type(self):
        with self.assertRaisesRegex(ValueError, "type >f4"):
            self.session.run({**self.good, "image": np.zeros((2, 3), ">f4")})

    def test_unknown_name_lists_the_known_ones(self):
        self.check("picture: no such input; this program has image, count.", picture=np.zeros(1))

    def test_missing_name(self):
        with self.assertRaisesRegex(ValueError, r"Input count is missing; expected an array of shape \(1,\) and type int64."):
            self.session.run({"image": self.good["image"]})

    def test_what_is_no_array_at_all(self):
        with self.assertRaisesRegex(ValueError, "Input image: expected an array .* given str that does not convert"):
            self.session.run({**self.good, "image": "picture.png"})
        with self.assertRaisesRegex(TypeError, "dictionary of arrays by input name, not list"):
            self.session.run([self.good["image"]])

    def test_session_works_after_an_error(self):
        with self.assertRaises(ValueError):
            self.session.run({})
        self.assertEqual(self.session.run(self.good)["next"].item(), 2)


class Options(TestCase):
    def test_unknown_option_suggests_a_near_one(self):
        with self.assertRaisesRegex(TypeError, "no option 'num_activation'. Did you mean num_activations?"):
            qaic.Session(MODELS / "my_model_a.onnx", num_activation=1)

    def test_unknown_option_is_an_error_for_a_compiled_program_too(self):
        with self.assertRaisesRegex(TypeError, "no option 'frobnicate'"):
            qaic.Session(self.compile_model("my_model_a.onnx"), frobnicate=True)

    def test_bad_values_are_named(self):
        for options, text in (({"num_activations": 0}, "num_activations is 0; give a whole number from 1"),
                              ({"dev_id": "a"}, "dev_id is 'a'"), ({"set_size": 1.5}, "set_size is 1.5"),
                              ({"set_size": 4097}, "set_size is 4097; give a whole number from 1 to 4096"),
                              ({"enable_metrics": "yes"}, "enable_metrics is 'yes'; give True or False"),
                              ({"backend": "cpu"}, "backend is 'cpu'; 'aic' is the only one"),
                              ({"enable_metrics": True, "enable_profiling": True}, "exclude each other"),
                              ({"aic_num_cores": 17}, "aic_num_cores=17 is not valid: give a number from 1 to 16"),
                              ({"mx_profile": "nonesuch", "mxfp6_matmul": True}, "nonesuch"),
                              ({"onnx_define_symbol": 3}, "onnx_define_symbol is 3"),
                              ({"input_shape": 3}, "input_shape is 3; give {'input': "),
                              ({"input_shape": {"input": [1, 2.5]}}, "input_shape is {'input'"),
                              ({"input_shape": {"input": [1, 0]}}, "input_shape=input,1x0 is not valid"),
                              ({"input_shape": {"data": [1]}}, "has no input 'data'; its inputs are 'input'"),
                              ({"convert_to_fp16": "maybe"}, "convert_to_fp16=maybe is not valid")):
            with self.subTest(options=options), self.assertRaisesRegex(ValueError, text):
                qaic.Session(MODELS / "my_model_a.onnx", **options)

    def test_options_that_would_change_results_are_refused_when_compiling(self):
        with self.assertRaisesRegex(RuntimeError, "convert_to_quantize cannot be used"):
            qaic.Session(MODELS / "my_model_a.onnx", convert_to_quantize=True)


class Files(TestCase):
    def test_missing_files(self):
        for name in ("none.onnx", "none.bin"):
            with self.subTest(name=name), self.assertRaisesRegex(RuntimeError, name) as caught:
                qaic.Session(self.folder / name)
            self.assertEqual(caught.exception.code, "not found")

    def test_other_endings_and_other_types(self):
        with self.assertRaisesRegex(ValueError, "model.pt is neither an .onnx file nor a compiled program"):
            qaic.Session("model.pt")
        with self.assertRaisesRegex(TypeError, "model_path is a list"):
            qaic.Session(["model.onnx"])

    def test_damaged_program(self):
        path = self.compile_model("my_model_a.onnx") / "programqpc.bin"
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with self.assertRaises(qaic.Error) as caught:
            qaic.Session(path)
        self.assertEqual(caught.exception.code, "format")

    def test_unsupported_operators_are_all_named_with_counts(self):
        with self.assertRaises(RuntimeError) as caught:
            qaic.Session(MODELS / "unsupported_ops.onnx")
        text = str(caught.exception)
        for part in ("Bernoulli", "RandomNormalLike", "com.example", "Frobnicate", "dropout/Bernoulli_1", "2"):
            self.assertIn(part, text)
        self.assertNotIn("Relu", text)

    def test_open_dimension_is_named(self):
        with self.assertRaisesRegex(ValueError, "batch"):
            qaic.Session(MODELS / "symbolic_dims.onnx")

    def test_refused_types_and_paths(self):
        with self.assertRaisesRegex(RuntimeError, "wide.*DOUBLE|DOUBLE.*wide"):
            qaic.Session(MODELS / "edge_double.onnx")
        with self.assertRaisesRegex(RuntimeError, r"\.\./my_model_a_current.data"):
            qaic.Session(MODELS / "external_escape.onnx")

    def test_failed_compile_leaves_nothing_behind(self):
        with self.assertRaises(RuntimeError):
            qaic.Session(MODELS / "unsupported_ops.onnx", output_dir=self.folder / "a" / "b")
        self.assertEqual(list(self.folder.iterdir()), [])


class Devices(TestCase):
    def test_unknown_device(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", dev_id=7)
        with self.assertRaisesRegex(RuntimeError, "7") as caught:
            session.setup()
        self.assertEqual(caught.exception.code, "not found")

    def test_too_many_activations_say_what_is_used_up(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", aic_num_cores=16, num_activations=2)
        with self.assertRaises(qaic.Error) as caught:
            session.setup()
        self.assertEqual(caught.exception.code, "exhausted")
        self.assertNotEqual(caught.exception.device_status, 0)
        session.update_backend_options(num_activations=1)
        session.setup()

    def test_error_is_a_runtime_error_with_codes(self):
        self.assertTrue(issubclass(qaic.Error, RuntimeError))
        with self.assertRaises(qaic.Error) as caught:
            qaic.Session(self.folder / "none.bin")
        self.assertEqual((caught.exception.code, caught.exception.sys_errno, caught.exception.device_status), ("not found", 2, 0))


if __name__ == "__main__":
    unittest.main()
