// SPDX-License-Identifier: Apache-2.0
/// The extension module qaic._qaic: compiler and runtime for the package qaic. Not an interface for
/// users.
///
/// Arrays cross as buffers of bytes (PEP 3118), so the module depends on no version of NumPy; the
/// package checks names, shapes and types before it calls in. The GIL is released while compiling,
/// copying and waiting.
#include "compiler/compile.hpp"
#include "python/src/error.hpp"
#include "python/src/native_section.hpp"
#include "python/src/runner.hpp"

#include <qaicrt/device.hpp>
#include <qaicrt/program.hpp>
#include <qaicrt/types.hpp>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace qaicpy {
namespace {

using Keywords = std::vector<std::pair<std::string, std::string>>;

/// Holds an object whose threads exist in one process only. In a child made by fork() it is left
/// alone: its destructor would wait for threads that the child does not have.
template <class T>
class OwnedByProcess {
  public:
    explicit OwnedByProcess(std::unique_ptr<T> object)
        : object_(std::move(object)), owner_(getpid()) {}
    OwnedByProcess(const OwnedByProcess&) = delete;
    OwnedByProcess& operator=(const OwnedByProcess&) = delete;
    ~OwnedByProcess() {
        if (getpid() != owner_) {
            static_cast<void>(object_.release());
            return;
        }
        if (sections_closed() && !in_main_thread()) {
            static_cast<void>(object_.release());
            return;
        }
        const NativeSection native;
        object_.reset();
    }
    T& get() {
        if (getpid() != owner_) {
            throw ErrorException{{qaicrt::Errc::kInvalidArgument,
                                  "This session was made before fork(); make a new qaic.Session in "
                                  "the child process."}};
        }
        return *object_;
    }

  private:
    std::unique_ptr<T> object_;
    pid_t owner_;
};

/// A contiguous buffer of a Python object, held until the end of scope.
class BufferView {
  public:
    BufferView(const py::handle& object, bool writable) {
        if (PyObject_GetBuffer(object.ptr(), &view_, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) != 0)
            throw py::error_already_set();
    }
    BufferView(BufferView&& other) noexcept : view_(std::exchange(other.view_, Py_buffer{})) {}
    BufferView(const BufferView&) = delete;
    BufferView& operator=(const BufferView&) = delete;
    BufferView& operator=(BufferView&&) = delete;
    ~BufferView() {
        if (view_.obj != nullptr)
            PyBuffer_Release(&view_);
    }
    std::span<std::byte> bytes() const {
        return {static_cast<std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
    }

  private:
    Py_buffer view_{};
};

std::vector<BufferView> views_of(const py::list& objects, bool writable) {
    std::vector<BufferView> views;
    views.reserve(objects.size());
    for (const auto& object : objects)
        views.emplace_back(object, writable);
    return views;
}

template <class Span>
std::vector<Span> spans_of(const std::vector<BufferView>& views) {
    std::vector<Span> spans;
    spans.reserve(views.size());
    for (const auto& view : views)
        spans.emplace_back(view.bytes());
    return spans;
}

/// NumPy's name of an element type.
const char* dtype_name(qaicrt::DataType type) {
    switch (type) {
        case qaicrt::DataType::kFloat:
            return "float32";
        case qaicrt::DataType::kFloat16:
            return "float16";
        case qaicrt::DataType::kInt8Q:
        case qaicrt::DataType::kInt8:
            return "int8";
        case qaicrt::DataType::kUInt8Q:
            return "uint8";
        case qaicrt::DataType::kInt16Q:
            return "int16";
        case qaicrt::DataType::kInt32Q:
        case qaicrt::DataType::kInt32I:
            return "int32";
        case qaicrt::DataType::kInt64I:
            return "int64";
    }
    return "void";
}

/// [(name, shape, dtype name), …]
py::list describe(std::span<const qaicrt::TensorInfo> tensors) {
    py::list result;
    for (const auto& tensor : tensors) {
        py::tuple shape(tensor.dims.size());
        for (std::size_t i = 0; i < tensor.dims.size(); ++i)
            shape[i] = py::int_(tensor.dims[i]);
        result.append(py::make_tuple(tensor.name, shape, dtype_name(tensor.type)));
    }
    return result;
}

/// Called without the GIL; false leaves a Python exception set in this thread.
bool no_signal_raised() {
    if (!in_main_thread())
        return true;
    const py::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() == 0;
}

void run(OwnedByProcess<Runner>& self, const py::list& inputs, const py::list& outputs) {
    const auto input_views = views_of(inputs, false), output_views = views_of(outputs, true);
    const auto input_spans = spans_of<Runner::Bytes>(input_views);
    const auto output_spans = spans_of<Runner::MutableBytes>(output_views);
    Runner& runner = self.get();
    qaicrt::Status status;
    {
        const NativeSection native;
        status = runner.run(input_spans, output_spans, no_signal_raised);
    }
    if (PyErr_Occurred() != nullptr)
        throw py::error_already_set();  // Ctrl-C while waiting
    unwrap(std::move(status));
}

py::tuple benchmark(OwnedByProcess<Runner>& self, const py::list& inputs,
                    std::optional<std::size_t> count, double seconds) {
    const auto views = views_of(inputs, false);
    const auto spans = spans_of<Runner::Bytes>(views);
    const auto duration = std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(seconds));
    Runner& runner = self.get();
    auto result = [&] {
        const NativeSection native;
        return runner.benchmark(spans, count, duration, no_signal_raised);
    }();
    if (PyErr_Occurred() != nullptr)
        throw py::error_already_set();
    auto value = unwrap(std::move(result));
    return py::make_tuple(value.completed, std::chrono::duration<double>(value.elapsed).count(),
                          std::move(value.latencies));
}

/// Compiles to `output_dir`, or in memory when it is empty. `log` gets the compiler's lines.
qaicrt::Program compile(const std::string& model_path, const std::string& output_dir,
                        const Keywords& keywords, const py::function& log) {
    std::vector<std::string> notes;
    auto options = unwrap(qaicc::options_from_keywords(keywords, &notes));
    options.model_path = model_path;
    options.output_dir = output_dir;
    for (const auto& note : notes)
        log(note);
    options.log = [&log](const std::string& line) {
        if (sections_closed())
            return;
        const py::gil_scoped_acquire acquire;
        try {
            log(line);
        } catch (py::error_already_set& error) {
            error.discard_as_unraisable("qaic.Session");  // must not unwind through the compiler
        }
    };
    const NativeSection native;
    qaicc::CompileReport report;
    if (output_dir.empty()) {
        auto bytes = unwrap(qaicc::compile_model_to_bytes(options, &report));
        return unwrap(qaicrt::Program::from_bytes(std::move(bytes)));
    }
    report = unwrap(qaicc::compile_model(options));
    return unwrap(qaicrt::Program::from_file(report.qpc_path));
}

/// Empty for a keyword that the compiler honours, otherwise why it has no effect. Unknown names and
/// bad values raise.
std::vector<std::string> check_keyword(const std::string& name, const std::string& text) {
    std::vector<std::string> notes;
    auto options = qaicc::options_from_keywords({{name, text}}, &notes);
    if (!options && options.error().code != qaicrt::Errc::kUnsupported)
        unwrap(std::move(options));
    if (!options)
        notes.push_back(options.error().message);
    return notes;
}

std::unique_ptr<OwnedByProcess<Runner>> make_runner(OwnedByProcess<qaicrt::Context>& context,
                                                    const qaicrt::Program& program, int dev_id,
                                                    unsigned num_activations, unsigned set_size) {
    const RunnerOptions options{dev_id, num_activations, set_size};
    const auto& open_context = context.get();
    const NativeSection native;
    return std::make_unique<OwnedByProcess<Runner>>(
        unwrap(Runner::create(open_context, program, options)));
}

std::unique_ptr<OwnedByProcess<qaicrt::Context>> make_context() {
    const NativeSection native;
    auto context = unwrap(qaicrt::Context::create());
    return std::make_unique<OwnedByProcess<qaicrt::Context>>(
        std::make_unique<qaicrt::Context>(std::move(context)));
}

}  // namespace
}  // namespace qaicpy

PYBIND11_MODULE(_qaic, module) {
    using namespace qaicpy;
    module.doc() = "Compiler and runtime of the package qaic; use qaic.Session.";
    bind_error(module);
    py::class_<OwnedByProcess<qaicrt::Context>>(module, "Context").def(py::init(&make_context));
    py::class_<qaicrt::Program>(module, "Program")
        .def(py::init([](const std::string& path) {
                 const NativeSection native;
                 return unwrap(qaicrt::Program::from_file(path));
             }),
             py::arg("path"))
        .def_property_readonly("name", &qaicrt::Program::name)
        .def_property_readonly("batch_size", &qaicrt::Program::batch_size)
        .def_property_readonly("num_nsps", &qaicrt::Program::num_nsps)
        .def_property_readonly(
            "inputs", [](const qaicrt::Program& program) { return describe(program.inputs()); })
        .def_property_readonly(
            "outputs", [](const qaicrt::Program& program) { return describe(program.outputs()); });
    py::class_<OwnedByProcess<Runner>, std::shared_ptr<OwnedByProcess<Runner>>>(module, "Runner")
        .def(py::init(&make_runner), py::arg("context"), py::arg("program"), py::arg("dev_id"),
             py::arg("num_activations"), py::arg("set_size"))
        .def("run", &run, py::arg("inputs"), py::arg("outputs"))
        .def("benchmark", &benchmark, py::arg("inputs"), py::arg("count"), py::arg("seconds"));
    module.def("compile", &compile, py::arg("model_path"), py::arg("output_dir"),
               py::arg("keywords"), py::arg("log"));
    module.def("close", &close_sections);
    module.def("after_fork_in_child", &forget_other_threads);
    module.def("check_keyword", &check_keyword, py::arg("name"), py::arg("text"));
}
