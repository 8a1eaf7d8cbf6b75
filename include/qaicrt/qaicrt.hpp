// SPDX-License-Identifier: Apache-2.0
/// All of the C++ API.
#pragma once

#include <qaicrt/activation.hpp>
#include <qaicrt/buffer.hpp>
#include <qaicrt/device.hpp>
#include <qaicrt/program.hpp>
#include <qaicrt/queue.hpp>
#include <qaicrt/result.hpp>
#include <qaicrt/types.hpp>
