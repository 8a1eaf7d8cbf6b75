// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/commands.hpp"
#include "tools/qaic-mx/tensor.hpp"

namespace qaicmxtool {
namespace {

qaicrt::Status quantize_file(const QuantizeArguments& arguments, const qaicmx::Profile& profile) {
    QAICRT_TRY(Tensor tensor, read_tensor(arguments.input));
    QAICRT_TRY(const std::vector<int> axes, axes_of(tensor, arguments.axes, arguments.input));
    QAICRT_CHECK(qaicmx::fake_quantize(profile, tensor.values, tensor.dims, axes, tensor.values));
    return write_tensor(arguments.output, tensor);
}

}  // namespace

Outcome run_quantize(const QuantizeArguments& arguments) {
    auto profile = make_profile(arguments.profile, arguments.options);
    if (!profile) {
        return Failure{std::move(profile).error(), true};
    }
    auto status = quantize_file(arguments, *profile);
    return status ? Outcome() : Failure{std::move(status).error(), false};
}

}  // namespace qaicmxtool
