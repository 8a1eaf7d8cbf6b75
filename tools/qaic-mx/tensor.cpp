// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/tensor.hpp"

#include "tools/common/npy.hpp"

#include <bit>
#include <cstring>

namespace qaicmxtool {

using qaicrt::Errc;
using qaicrt::Error;

static_assert(std::endian::native == std::endian::little, ".npy data is copied as it is");

qaicrt::Result<Tensor> read_tensor(const std::string& path) {
    QAICRT_TRY(const qaictools::NpyArray array, qaictools::read_npy(path));
    if (array.dtype != "<f4") {
        return Error(Errc::kUnsupported,
                     "'" + path + "' holds " + array.dtype +
                         " numbers, and float32 is needed; convert it with astype('float32').");
    }
    Tensor tensor{array.dims, std::vector<float>(array.data.size() / sizeof(float))};
    if (!array.data.empty()) {
        std::memcpy(tensor.values.data(), array.data.data(), array.data.size());
    }
    return tensor;
}

qaicrt::Status write_tensor(const std::string& path, const Tensor& tensor) {
    qaictools::NpyArray array{"<f4", tensor.dims,
                              std::vector<std::byte>(tensor.values.size() * sizeof(float))};
    if (!array.data.empty()) {
        std::memcpy(array.data.data(), tensor.values.data(), array.data.size());
    }
    return qaictools::write_npy(path, array);
}

qaicrt::Result<std::vector<int>> axes_of(const Tensor& tensor, const std::vector<int>& axes,
                                         const std::string& path) {
    const int rank = static_cast<int>(tensor.dims.size());
    if (rank == 0) {
        return Error(Errc::kInvalidArgument,
                     "'" + path + "' holds a single number, which has no axis to block.");
    }
    for (const int axis : axes) {
        if (axis < -rank || axis >= rank) {
            return Error(Errc::kInvalidArgument,
                         "--axis " + std::to_string(axis) + " is out of range: '" + path +
                             "' has " + std::to_string(rank) + " dimension(s), so it takes " +
                             std::to_string(-rank) + " to " + std::to_string(rank - 1) + ".");
        }
    }
    return axes.empty() ? std::vector<int>{-1} : axes;
}

}  // namespace qaicmxtool
