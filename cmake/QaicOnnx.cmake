# SPDX-License-Identifier: Apache-2.0
# Debian's libonnx ships the generated protobuf schema but no CMake package.
find_library(QAIC_ONNX_PROTO_LIBRARY onnx_proto REQUIRED)
find_path(QAIC_ONNX_INCLUDE onnx/onnx-ml.pb.h REQUIRED)
add_library(qaic_onnx_proto INTERFACE)
target_include_directories(qaic_onnx_proto SYSTEM INTERFACE "${QAIC_ONNX_INCLUDE}")
target_compile_definitions(qaic_onnx_proto INTERFACE ONNX_ML=1 ONNX_NAMESPACE=onnx)
target_link_libraries(qaic_onnx_proto INTERFACE "${QAIC_ONNX_PROTO_LIBRARY}" protobuf::libprotobuf)
