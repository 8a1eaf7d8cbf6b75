# SPDX-License-Identifier: Apache-2.0
"""What a session does with arrays, shapes and models."""

import unittest

import numpy as np
import onnxruntime
import qaic

from support import MODELS, TestCase

ONES = {"input": np.ones((1, 32), np.float32)}


def onnxruntime_outputs(model, inputs):
    session = onnxruntime.InferenceSession(str(MODELS / model), providers=["CPUExecutionProvider"])
    return dict(zip((output.name for output in session.get_outputs()), session.run(None, inputs)))


class ShapeDicts(TestCase):
    def test_work_as_mappings_and_as_calls(self):
        session = qaic.Session(MODELS / "my_model_a.onnx")
        self.assertEqual(session.model_input_shape_dict["input"], ((1, 32), "float32"))
        self.assertEqual(session.model_input_shape_dict()["input"], ((1, 32), "float32"))
        self.assertEqual(session.model_output_shape_dict(), {"output": ((1, 1), "float32")})
        self.assertEqual(list(session.model_output_shape_dict), ["output"])

    def test_name_the_type_of_every_edge(self):
        session = qaic.Session(MODELS / "edge_types.onnx")
        types = {name: dtype for name, (_, dtype) in session.model_input_shape_dict.items()}
        self.assertEqual(types, {"in_f32": "float32", "in_f16": "float16", "in_i8": "int8", "in_b": "int8", "in_u8": "uint8",
                                 "in_i32": "int32", "in_i64": "int64"})

    def test_are_known_before_setup(self):
        session = qaic.Session(MODELS / "symbolic_dims.onnx", onnx_define_symbol={"batch": 3, "width": 4})
        self.assertEqual(session.model_input_shape_dict["x"], ((3, 8), "float32"))

    def test_are_those_of_input_shape(self):
        for shapes in ({"x": [3, 8], "shift": (3, 4)}, [("x", np.array([3, 8])), ("shift", [3, 4])]):
            session = qaic.Session(MODELS / "symbolic_dims.onnx", input_shape=shapes)
            self.assertEqual(session.model_input_shape_dict, {"x": ((3, 8), "float32"), "shift": ((3, 4), "float32")})


class Run(TestCase):
    def test_exact_model_sums_exactly(self):
        self.assertEqual(qaic.Session(MODELS / "my_model_a.onnx").run(ONES)["output"].item(), 9.984375)

    def test_mx_profiles_differ_as_documented(self):
        for profile, expected in (("aic100", 9.5), ("microxcaling", 9.75)):
            session = qaic.Session(MODELS / "my_model_a.onnx", convert_to_fp16=True, mxfp6_matmul=True, mx_profile=profile, aic_num_cores=4)
            self.assertEqual(session.run(ONES)["output"].item(), expected)

    def test_agrees_with_onnxruntime_on_a_small_network(self):
        x = np.random.default_rng(1).standard_normal((4, 64), np.float32)
        got = qaic.Session(MODELS / "mlp.onnx").run({"x": x})["y"]
        np.testing.assert_allclose(got, onnxruntime_outputs("mlp.onnx", {"x": x})["y"], rtol=2e-6, atol=1e-8)

    def test_several_inputs_and_outputs_keep_names_and_types(self):
        inputs = {"image": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array([5], np.int64)}
        got, want = qaic.Session(MODELS / "multi_io.onnx").run(inputs), onnxruntime_outputs("multi_io.onnx", inputs)
        self.assertEqual(list(got), ["turned", "scaled", "next"])
        for name, array in want.items():
            np.testing.assert_array_equal(got[name], array)
            self.assertEqual(got[name].dtype, array.dtype)

    def test_every_edge_type_passes_bit_for_bit(self):
        raw = np.random.default_rng(2).bytes(64)
        session = qaic.Session(MODELS / "edge_types.onnx")
        inputs = {name: np.frombuffer(raw, dtype, 8).reshape(shape) for name, (shape, dtype) in session.model_input_shape_dict.items()}
        inputs["in_b"] = np.array([[0, 1, 1, 0], [1, 0, 0, 1]], np.bool_)
        for name, array in session.run(inputs).items():
            self.assertEqual(array.tobytes(), inputs[name.replace("out_", "in_")].tobytes(), name)

    def test_a_scalar_is_one_element_and_takes_rank_zero(self):
        session = qaic.Session(MODELS / "scalar_edge.onnx")
        self.assertEqual(session.model_input_shape_dict["x"], ((1,), "float32"))
        for given in (np.array(1.25, np.float32), np.array([1.25], np.float32), 1.25):
            got = session.run({"x": given})["y"]
            self.assertEqual((got.shape, got.item()), ((1,), 2.5))

    def test_outputs_are_new_contiguous_arrays_of_the_caller(self):
        session = qaic.Session(MODELS / "my_model_a.onnx")
        first = session.run(ONES)["output"]
        self.assertTrue(first.flags.c_contiguous and first.flags.writeable and first.flags.owndata)
        session.run({"input": np.zeros((1, 32), np.float32)})
        self.assertEqual(first.item(), 9.984375)
        self.assertEqual(np.frombuffer(first, np.float32).reshape(1, 1).item(), 9.984375)
        session.reset()
        self.assertEqual(first.item(), 9.984375)

    def test_input_is_not_changed_and_may_be_read_only_or_strided(self):
        session = qaic.Session(MODELS / "my_model_a.onnx")
        wide = np.ones((1, 64), np.float32)
        wide[:, 1::2] = 7
        strided = wide[:, ::2]
        strided.flags.writeable = False
        self.assertEqual(session.run({"input": strided})["output"].item(), 9.984375)
        self.assertEqual(strided.sum(), 32)

    def test_lists_become_arrays_of_the_right_type(self):
        self.assertEqual(qaic.Session(MODELS / "my_model_a.onnx").run({"input": [[1] * 32]})["output"].item(), 9.984375)


class Sources(TestCase):
    def test_program_file_and_its_directory_both_load(self):
        folder = self.compile_model("my_model_a.onnx", "-convert-to-fp16", "-mxfp6-matmul")
        for path in (folder, folder / "programqpc.bin", str(folder)):
            self.assertEqual(qaic.Session(path).run(ONES)["output"].item(), 9.5)

    def test_output_dir_keeps_the_program(self):
        qaic.Session(MODELS / "my_model_a.onnx", output_dir=self.folder / "kept", mxfp6_matmul=True)
        self.assertEqual([file.name for file in (self.folder / "kept").iterdir()], ["programqpc.bin"])
        self.assertEqual(qaic.Session(self.folder / "kept").run(ONES)["output"].item(), 9.5)

    def test_compiling_in_memory_writes_no_file(self):
        code = "import qaic, sys, os; qaic.Session(sys.argv[1]).setup(); print(os.listdir('.'))"
        self.assertEqual(self.python(code, MODELS / "my_model_a.onnx"), (0, "[]\n", ""))

    def test_same_answers_from_memory_and_file(self):
        x = np.random.default_rng(3).standard_normal((4, 64), np.float32)
        options = {"convert_to_fp16": True, "mxfp6_matmul": True}
        memory = qaic.Session(MODELS / "mlp.onnx", **options).run({"x": x})["y"]
        file = qaic.Session(self.compile_model("mlp.onnx", "-convert-to-fp16", "-mxfp6-matmul")).run({"x": x})["y"]
        self.assertEqual(memory.tobytes(), file.tobytes())


class Life(TestCase):
    def test_setup_twice_reset_twice_and_run_again(self):
        session = qaic.Session(MODELS / "my_model_a.onnx")
        session.reset()
        session.setup()
        session.setup()
        session.reset()
        session.reset()
        self.assertEqual(session.run(ONES)["output"].item(), 9.984375)

    def test_context_manager_gives_the_card_back(self):
        for _ in range(40):  # sixteen NSPs: a session that kept its own would exhaust the card
            with qaic.Session(MODELS / "my_model_a.onnx", aic_num_cores=8) as session:
                session.run(ONES)

    def test_dropped_sessions_give_the_card_back(self):
        for _ in range(40):
            qaic.Session(MODELS / "my_model_a.onnx", aic_num_cores=8).run(ONES)

    def test_sessions_share_the_card_until_it_is_full(self):
        one, two = (qaic.Session(MODELS / "my_model_a.onnx", aic_num_cores=8) for _ in range(2))
        one.setup()
        two.setup()
        third = qaic.Session(MODELS / "my_model_a.onnx", aic_num_cores=8)
        with self.assertRaises(RuntimeError) as caught:
            third.setup()
        self.assertEqual(caught.exception.code, "exhausted")
        one.reset()
        self.assertEqual(third.run(ONES)["output"].item(), 9.984375)
        self.assertEqual(two.run(ONES)["output"].item(), 9.984375)

    def test_backend_options_can_be_changed(self):
        session = qaic.Session(MODELS / "my_model_a.onnx", set_size=3)
        self.assertEqual(session.backend_options(), {"num_activations": 1, "dev_id": 0, "set_size": 3})
        session.setup()
        session.update_backend_options(num_activations=2, set_size=5)
        self.assertEqual(session.backend_options(), {"num_activations": 2, "dev_id": 0, "set_size": 5})
        self.assertEqual(session.run(ONES)["output"].item(), 9.984375)
        with self.assertRaisesRegex(TypeError, "'output_dir' cannot be changed"):
            session.update_backend_options(output_dir="x")
        with self.assertRaisesRegex(ValueError, "set_size is 0"):
            session.update_backend_options(set_size=0)


if __name__ == "__main__":
    unittest.main()
