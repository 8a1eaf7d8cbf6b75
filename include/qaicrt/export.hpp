// SPDX-License-Identifier: Apache-2.0
/// What the shared library lets out. Everything is built with hidden visibility; a public class or
/// function says QAICRT_API.
#pragma once

#define QAICRT_API __attribute__((visibility("default")))
