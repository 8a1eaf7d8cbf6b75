// SPDX-License-Identifier: Apache-2.0
#include "libqaicrt/api/guard.hpp"
#include "libqaicrt/api/program_impl.hpp"
#include "libqaicrt/support/bytes.hpp"
#include "libqaicrt/support/owned.hpp"
#include "libqaicrt/support/sys_error.hpp"
#include "libqaicrt/support/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace qaicrt {
namespace {

/// More than the memory of the largest card: no program is bigger.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{64} << 30;
constexpr const char* kFileInDirectory = "programqpc.bin";

Error file_error(int sys_errno, const std::string& path, const char* task) {
    return sys_error(
        sys_errno, std::string(task) + " " + quoted(path) + " failed: " + std::strerror(sys_errno));
}

Result<OwnedFd> open_file(const std::string& path) {
    // Non-blocking: opening a pipe must not wait for a writer.
    OwnedFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (fd.get() < 0) {
        return file_error(errno, path, "opening the QPC");
    }
    return fd;
}

Result<std::vector<std::byte>> read_file(const std::string& path) {
    QAICRT_TRY(OwnedFd fd, open_file(path));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) {
        return file_error(errno, path, "looking at the QPC");
    }
    if (S_ISDIR(info.st_mode)) {
        return read_file(path + "/" + kFileInDirectory);
    }
    if (!S_ISREG(info.st_mode)) {
        return Error{Errc::kInvalidArgument, quoted(path) +
                                                 " is neither a file nor a directory; give "
                                                 "a QPC file or the directory that holds it"};
    }
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size > kMaxFileBytes) {
        return Error{Errc::kFormat, quoted(path) + " has " + std::to_string(size) +
                                        " bytes; a QPC has at most 64 GiB"};
    }
    std::vector<std::byte> bytes(size);
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return file_error(errno, path, "reading the QPC");
        }
        if (got == 0) {
            return Error{Errc::kIo, quoted(path) + " became shorter while it was read; try again"};
        }
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

bool is_quantised(DataType type) {
    return type == DataType::kInt8Q || type == DataType::kUInt8Q || type == DataType::kInt16Q ||
           type == DataType::kInt32Q;
}

Result<TensorInfo> tensor_info(const qpc::Binding& binding, Direction direction) {
    TensorInfo info;
    info.name = binding.name;
    info.type = binding.initial.type;
    info.direction = direction;
    std::uint64_t bytes = data_type_bytes(info.type);
    for (const std::int32_t dim : binding.initial.dims) {
        info.dims.push_back(dim);
        if (dim < 0 || mul_overflows(bytes, static_cast<std::uint64_t>(dim), &bytes)) {
            return Error{Errc::kFormat,
                         "the size of tensor " + quoted(binding.name) + " does not fit 64 bits"};
        }
    }
    info.bytes = bytes;
    if (is_quantised(info.type)) {
        info.scale = binding.initial.scale;
        info.offset = binding.initial.offset;
    }
    return info;
}

/// Where the binding's one copy transform puts the tensor; sets `cannot_run` for other transforms.
Status place_tensor(Program::Impl& program, const qpc::Binding& binding, const TensorInfo& info,
                    std::vector<TensorPlace>& places) {
    if (binding.transforms.size() != 1 ||
        binding.transforms.front().kind != qpc::TransformKind::kCopyDmaBuffer) {
        program.cannot_run = "tensor " + quoted(binding.name) +
                             " needs a conversion on the host, which this runtime does not have";
        return {};
    }
    const qpc::Transform& copy = binding.transforms.front();
    const auto& buffers = program.stencil.buffers;
    const auto buffer =
        std::find_if(buffers.begin(), buffers.end(),
                     [&](const StencilBuffer& entry) { return entry.number == copy.copy_buffer; });
    if (buffer == buffers.end()) {
        return Error{Errc::kFormat, "no DMA request moves tensor " + quoted(binding.name)};
    }
    if (!range_fits(copy.copy_offset, info.bytes, buffer->bytes)) {
        return Error{Errc::kFormat,
                     "tensor " + quoted(binding.name) + " lies outside its DMA buffer"};
    }
    if (buffer->direction != info.direction) {
        return Error{Errc::kFormat, "tensor " + quoted(binding.name) +
                                        " is in a DMA buffer of the other direction"};
    }
    places.push_back({static_cast<std::size_t>(buffer - buffers.begin()), copy.copy_offset});
    return {};
}

Status describe(Program::Impl& program) {
    auto stencil = make_stencil(program.image);
    if (stencil) {
        program.stencil = std::move(stencil).value();
    } else if (stencil.error().code == Errc::kUnsupported) {
        program.cannot_run = stencil.error().message;
    } else {
        return std::move(stencil).error();
    }
    const auto add = [&](const std::vector<qpc::Binding>& bindings, Direction direction,
                         std::vector<TensorInfo>& tensors,
                         std::vector<TensorPlace>& places) -> Status {
        for (const qpc::Binding& binding : bindings) {
            QAICRT_TRY(TensorInfo info, tensor_info(binding, direction));
            if (program.cannot_run.empty()) {
                QAICRT_CHECK(place_tensor(program, binding, info, places));
            }
            tensors.push_back(std::move(info));
        }
        return {};
    };
    QAICRT_CHECK(add(program.image.description.inputs, Direction::kToDevice, program.inputs,
                     program.input_places));
    return add(program.image.description.outputs, Direction::kFromDevice, program.outputs,
               program.output_places);
}

Result<std::size_t> index_of(std::span<const TensorInfo> tensors, std::string_view name,
                             const char* kind) {
    std::string known;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        if (tensors[i].name == name) {
            return i;
        }
        known += (i == 0 ? "" : ", ") + quoted(tensors[i].name);
    }
    return Error{Errc::kNotFound, std::string("the program has no ") + kind + " " + quoted(name) +
                                      "; it has " + (known.empty() ? "none" : known)};
}

}  // namespace

Program::Program(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Result<Program> Program::from_file(const std::string& path) {
    return guarded("read the QPC", [&]() -> Result<Program> {
        QAICRT_TRY(std::vector<std::byte> bytes, read_file(path));
        auto program = from_bytes(std::move(bytes));
        if (!program) {
            program.error().message = quoted(path) + ": " + program.error().message;
        }
        return program;
    });
}

Result<Program> Program::from_bytes(std::vector<std::byte> bytes) {
    return guarded("load the QPC", [&]() -> Result<Program> {
        auto impl = std::make_shared<Impl>();
        impl->bytes = std::move(bytes);
        QAICRT_TRY(impl->image, qpc::parse_program(impl->bytes));
        impl->name = impl->image.description.name.empty() ? impl->image.metadata.network_name
                                                          : impl->image.description.name;
        QAICRT_CHECK(describe(*impl));
        return Program(std::move(impl));
    });
}

const std::string& Program::name() const noexcept {
    return impl_->name;
}
std::span<const TensorInfo> Program::inputs() const noexcept {
    return impl_->inputs;
}
std::span<const TensorInfo> Program::outputs() const noexcept {
    return impl_->outputs;
}

Result<std::size_t> Program::input_index(std::string_view tensor) const {
    return index_of(impl_->inputs, tensor, "input");
}

Result<std::size_t> Program::output_index(std::string_view tensor) const {
    return index_of(impl_->outputs, tensor, "output");
}

unsigned Program::num_nsps() const noexcept {
    return impl_->image.metadata.num_nsps;
}
std::int32_t Program::batch_size() const noexcept {
    return impl_->image.description.batch_size;
}
bool Program::made_for_emulator() const noexcept {
    return impl_->image.made_for_emulator();
}
std::span<const std::byte> Program::bytes() const noexcept {
    return impl_->bytes;
}

}  // namespace qaicrt
