// SPDX-License-Identifier: Apache-2.0
#include "tools/qaic-mx/commands.hpp"
namespace qaicmxtool {
Outcome run_probes(const ProbesArguments&) {
    return Failure{qaicrt::Error(qaicrt::Errc::kInternal, "later"), false};
}
}  // namespace qaicmxtool
