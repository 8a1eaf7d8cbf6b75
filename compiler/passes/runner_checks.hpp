// SPDX-License-Identifier: Apache-2.0
/// Checks between the passes that ask the network runner.
#pragma once

#include "compiler/passes/passes.hpp"

namespace qaicc {

/// Two tensors of one name, of which later passes would see the first. Errors: kFormat naming the
/// tensor and who makes it.
qaicrt::Status refuse_duplicates(const Lowering& lowering);

/// Errors: kUnsupported when nodes cannot be run; options.log_error gets the vendor's frame, with
/// every node.
qaicrt::Status refuse_unsupported(Lowering& lowering);

/// Gives every graph output its element type; those that the model does not declare are inferred.
qaicrt::Status type_outputs(Lowering& lowering);

}  // namespace qaicc
