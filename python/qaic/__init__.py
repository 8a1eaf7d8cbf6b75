# SPDX-License-Identifier: Apache-2.0
"""Run ONNX models and compiled programs on a Cloud AI 100 card, real or emulated.

    session = qaic.Session("model.onnx", convert_to_fp16=True)
    outputs = session.run({"input": array})
"""

from qaic._qaic import Error
from qaic._version import VERSION as __version__
from qaic.session import Session

__all__ = ["Error", "Session", "__version__"]
