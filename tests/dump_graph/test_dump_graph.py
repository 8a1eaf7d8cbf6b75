# SPDX-License-Identifier: Apache-2.0
"""The graph that qaic-exec -dump-graph writes: onnx finds it valid, and onnxruntime computes with it what it computes with
the model, and what the emulated card computes."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from half_models import HALF_OPERATORS, NOT_IN_ONNXRUNTIME, X, save_half_model, schema_of, schemas_without_half

MODELS = pathlib.Path(__file__).resolve().parents[1] / "models"
EXEC = pathlib.Path(os.environ["QAIC_TOOLS_DIR"]) / "qaic-exec"
# Sums in another order, relative to the largest output; the same bound as for the networks.
FP32_BOUND = 5e-6


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def small_cnn(opset=13):
    """Conv, BatchNormalization, Relu, MaxPool, a depthwise Conv with Clip and a sum, GlobalAveragePool, Gemm, and an If at run
    time around Softmax."""
    random = np.random.default_rng(7)

    def weights(*shape):
        return (random.standard_normal(shape) * 0.4).astype(np.float32)

    def branch(name, op_type, captured, **attributes):
        node = helper.make_node(op_type, [captured], [f"{name}_result"], name=f"{name}/{op_type}", **attributes)
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}_result", TensorProto.FLOAT, [2, 5])])

    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "variance"], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["p1", "w2", "b2"], ["c2"], group=8, pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["c2", "zero", "six"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3", "b3"], ["c3"]),
        helper.make_node("Add", ["c3", "p1"], ["sum"]),
        helper.make_node("GlobalAveragePool", ["sum"], ["average"]),
        helper.make_node("Flatten", ["average"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w4", "b4"], ["scores"], transB=1),
        helper.make_node("If", ["normalise"], ["answer"], then_branch=branch("yes", "Softmax", "scores", axis=1),
                         else_branch=branch("no", "Identity", "scores")),
    ]
    initializers = [
        constant("w1", weights(8, 3, 3, 3)), constant("w2", weights(8, 1, 3, 3)), constant("w3", weights(8, 8, 1, 1)),
        constant("w4", weights(5, 8)), constant("b2", weights(8)), constant("b3", weights(8)), constant("b4", weights(5)),
        constant("scale", weights(8)), constant("shift", weights(8)), constant("mean", weights(8)),
        constant("variance", np.abs(weights(8)) + 0.5), constant("zero", np.float32(0)), constant("six", np.float32(6)),
    ]
    graph = helper.make_graph(
        nodes, "small_cnn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [2, 3, 32, 24]),
         helper.make_tensor_value_info("normalise", TensorProto.BOOL, [1])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [2, 5]),
         helper.make_tensor_value_info("r1", TensorProto.FLOAT, [2, 8, 16, 12])], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run_onnxruntime(path, inputs):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


class DumpGraph(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)

    def run_exec(self, *flags):
        return subprocess.run([EXEC, *map(str, flags)], capture_output=True, text=True, check=False, cwd=self.scratch)

    def run_card(self, model, inputs, *flags):
        """Compiles with -dump-graph, runs on the emulated card; the outputs by name, and the path of the graph."""
        files = []
        for name, array in inputs.items():
            array.tofile(self.scratch / f"{name}.raw")
            files.append(f"{name}.raw")
        (self.scratch / "list.txt").write_text(",".join(files) + "\n", encoding="utf-8")
        lowered = self.scratch / "lowered.onnx"
        done = self.run_exec(f"-m={model}", "-input-list-file=list.txt", "-write-output-dir=out", f"-dump-graph={lowered}", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"Lowered graph is present at {lowered}\n", done.stdout)
        onnx.checker.check_model(str(lowered), full_check=True)
        outputs = {}
        for output in onnx.load(lowered).graph.output:
            shape = [dim.dim_value for dim in output.type.tensor_type.shape.dim]
            dtype = helper.tensor_dtype_to_np_dtype(output.type.tensor_type.elem_type)
            outputs[output.name] = np.fromfile(self.scratch / f"out/{output.name}-activation-0-inf-0.bin", dtype).reshape(shape)
        return outputs, lowered

    def assert_near(self, got, expected, bound=FP32_BOUND):
        self.assertEqual(list(got), list(expected))
        for name, array in expected.items():
            self.assertEqual(got[name].shape, array.shape)
            self.assertEqual(got[name].dtype, array.dtype)
            difference = np.abs(got[name] - array).max() / np.abs(array).max()
            print(f"{self.id().rsplit('.', 1)[1]}: {name}: largest difference {difference:.1e}", flush=True)
            self.assertLess(difference, bound)

    def check(self, model, inputs, *flags):
        """Card, onnxruntime on the model and onnxruntime on the written graph agree."""
        card, lowered = self.run_card(model, inputs, *flags)
        expected = run_onnxruntime(model, inputs)
        self.assert_near(card, expected)
        self.assert_near(run_onnxruntime(lowered, inputs), expected)
        return onnx.load(lowered)

    def save(self, model):
        path = self.scratch / "model.onnx"
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
        return path

    def encoder(self):
        symbols = ("-onnx-define-symbol=batch,2", "-onnx-define-symbol=sequence,16")
        return MODELS / "encoder_block.onnx", {"x": np.load(MODELS / "encoder_block_x.npy")}, symbols

    def test_encoder_block(self):
        model, inputs, symbols = self.encoder()
        lowered = self.check(model, inputs, *symbols)
        original = onnx.load(model)
        self.assertLess(len(lowered.graph.node), len(original.graph.node))
        self.assertEqual([dim.dim_value for dim in lowered.graph.input[0].type.tensor_type.shape.dim], [2, 16, 64])
        described = {info.name for info in lowered.graph.value_info} | {output.name for output in lowered.graph.output}
        self.assertEqual({name for node in lowered.graph.node for name in node.output} - {""}, described)

    def test_mxfp6_weights_are_the_cards(self):
        model, inputs, symbols = self.encoder()
        card, lowered = self.run_card(model, inputs, "-mxfp6-matmul", *symbols)
        self.assertNotIn("MxDequantize", {node.op_type for node in onnx.load(lowered).graph.node})
        self.assert_near(run_onnxruntime(lowered, inputs), card)

    def test_fp16(self):
        model, inputs, symbols = self.encoder()
        card, lowered = self.run_card(model, inputs, "-convert-to-fp16", *symbols)
        types = {tensor.data_type for tensor in onnx.load(lowered).graph.initializer}
        self.assertIn(TensorProto.FLOAT16, types)
        # A few steps of FP16, 2^-10 each: onnxruntime rounds elsewhere.
        self.assert_near(run_onnxruntime(lowered, inputs), card, bound=4 * 2.0**-10)

    def test_every_operator_that_an_opset_gives_no_fp16_has_a_model(self):
        self.assertEqual(self.run_exec("-operators-supported=onnx").returncode, 0)
        listed = (self.scratch / "OnnxSupportedOperators.txt").read_text(encoding="utf-8").split()
        lacking = schemas_without_half(set(listed))
        self.assertGreater(len(lacking), 10)
        modelled = {schema_of(op_type, opset) for op_type, (opsets, *_) in HALF_OPERATORS.items() for opset in opsets}
        self.assertEqual(sorted(lacking - modelled), [])

    def test_fp16_where_the_opset_has_none(self):
        path = self.scratch / "half.onnx"
        for op_type, (opsets, *_) in HALF_OPERATORS.items():
            for opset in opsets:
                for shared in (False, True):
                    with self.subTest(f"{op_type} of opset {opset}{', constants with other readers' * shared}"):
                        save_half_model(path, op_type, opset, shared)
                        card, lowered = self.run_card(path, {"x": X}, "-convert-to-fp16")
                        self.assertEqual(onnx.load(lowered).opset_import[0].version, opset)
                        if opset < NOT_IN_ONNXRUNTIME:
                            for name, array in run_onnxruntime(lowered, {"x": X}).items():
                                np.testing.assert_allclose(card[name].astype(array.dtype), array, rtol=2.0**-9, atol=2.0**-9)

    def test_small_cnn(self):
        random = np.random.default_rng(3)
        image = random.standard_normal((2, 3, 32, 24)).astype(np.float32)
        for opset in (13, 18):
            path = self.save(small_cnn(opset))
            for normalise in (True, False):
                lowered = self.check(path, {"image": image, "normalise": np.array([normalise])})
        self.assertEqual([output.name for output in lowered.graph.output], ["answer", "r1"])
        operators = [node.op_type for node in lowered.graph.node]
        self.assertIn("If", operators)
        self.assertNotIn("BatchNormalization", operators)
        self.assertTrue(any(name.startswith("FusedConv_Bias_Relu") for name in operators), operators)
        names = {(function.domain, function.name) for function in lowered.functions}
        called = {(node.domain, node.op_type) for node in lowered.graph.node if node.domain}
        self.assertEqual(names, called)

    def test_a_branch_that_does_not_fit_fails_when_it_is_taken(self):
        wide = helper.make_graph([helper.make_node("Add", ["x", "three"], ["wide"])], "wide", [],
                                 [helper.make_tensor_value_info("wide", TensorProto.FLOAT, ["w"])],
                                 [constant("three", np.ones(3, np.float32))])
        fits = helper.make_graph([helper.make_node("Relu", ["x"], ["fits"])], "fits", [],
                                 [helper.make_tensor_value_info("fits", TensorProto.FLOAT, ["n"])])
        graph = helper.make_graph([helper.make_node("If", ["c"], ["y"], name="choice", then_branch=fits, else_branch=wide)], "g",
                                  [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"]),
                                   helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["y_size"])])
        path = self.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
        inputs = {"x": np.array([-1, 2, -3, 4], np.float32), "c": np.array(True)}
        card, lowered = self.run_card(path, inputs, "-onnx-define-symbol=n,4")
        self.assert_near(run_onnxruntime(lowered, inputs), card)
        with self.assertRaisesRegex(Exception, "out of data bounds"):
            run_onnxruntime(lowered, inputs | {"c": np.array(False)})

    def test_the_same_model_gives_the_same_bytes(self):
        path = self.save(small_cnn())
        written = []
        for name in ("a.onnx", "b.onnx"):
            done = self.run_exec(f"-m={path}", "-compile-only", "-aic-binary-dir=program", f"-dump-graph={name}")
            self.assertEqual(done.returncode, 0, done.stderr)
            written.append((self.scratch / name).read_bytes())
        self.assertEqual(written[0], written[1])
        self.assertNotIn(str(self.scratch).encode(), written[0])


if __name__ == "__main__":
    unittest.main()
