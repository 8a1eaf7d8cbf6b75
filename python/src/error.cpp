// SPDX-License-Identifier: Apache-2.0
#include "python/src/error.hpp"

namespace py = pybind11;

namespace qaicpy {
namespace {

constexpr const char* kDoc =
    "A failure of the compiler, the runtime or the card. str() is one sentence; `code` is the "
    "class of the\n"
    "failure (a word such as 'format'), `sys_errno` the errno of a failing system call and "
    "`device_status` the\n"
    "card's own status, both 0 if there is none.";

void raise_error(const py::object& type, const qaicrt::Error& error) {
    py::object exception = type(error.message);
    exception.attr("code") = qaicrt::errc_name(error.code);
    exception.attr("sys_errno") = error.sys_errno;
    exception.attr("device_status") = error.device_status;
    PyErr_SetObject(type.ptr(), exception.ptr());
}

}  // namespace

void bind_error(py::module_& module) {
    PyObject* type = PyErr_NewExceptionWithDoc("qaic.Error", kDoc, PyExc_RuntimeError, nullptr);
    if (type == nullptr)
        throw py::error_already_set();
    module.attr("Error") = py::reinterpret_steal<py::object>(type);
    // The module keeps the class alive; the translator is stateless, so it finds it there.
    py::register_local_exception_translator([](std::exception_ptr pointer) {
        try {
            if (pointer)
                std::rethrow_exception(pointer);
        } catch (const ErrorException& exception) {
            raise_error(py::module_::import("qaic._qaic").attr("Error"), exception.error);
        }
    });
}

}  // namespace qaicpy
