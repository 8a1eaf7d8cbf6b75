// SPDX-License-Identifier: Apache-2.0
/// From Result/Error to Python exceptions.
#pragma once

#include <qaicrt/result.hpp>

#include <pybind11/pybind11.h>

#include <utility>

namespace qaicpy {

/// Carries an Error to the boundary, where it becomes qaic.Error (a RuntimeError) with its codes as
/// attributes.
struct ErrorException {
    qaicrt::Error error;
};

template <class T>
T unwrap(qaicrt::Result<T> result) {
    if (!result)
        throw ErrorException{std::move(result).error()};
    return std::move(result).value();
}

inline void unwrap(qaicrt::Status status) {
    if (!status)
        throw ErrorException{std::move(status).error()};
}

/// Adds the class Error to the module and translates ErrorException into it.
void bind_error(pybind11::module_& module);

}  // namespace qaicpy
