# SPDX-License-Identifier: Apache-2.0
"""Runs each program of the demo on ones and prints one line per program: its name and the result."""
import sys

import numpy
import qaic

directory, names = sys.argv[1], sys.argv[2:]
for name in names:
    session = qaic.Session(model_path=f"{directory}/{name}/programqpc.bin", num_activations=1)
    shape, dtype = session.model_input_shape_dict["input"]
    session.setup()
    output = session.run({"input": numpy.ones(shape, dtype)})["output"]
    print(name, repr(float(output.reshape(-1)[0])))
