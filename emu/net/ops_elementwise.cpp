// SPDX-License-Identifier: Apache-2.0
/// Add, Sub, Mul, Div.
#include "emu/net/elementwise.hpp"

namespace qaicnet {

namespace {

/// Integers wrap around, as in NumPy; unsigned arithmetic of at least `unsigned` avoids overflow in
/// C++.
template <class T>
using Wide = std::common_type_t<unsigned, std::make_unsigned_t<T>>;

#define QAICNET_ARITHMETIC(Name, op)                                                       \
    struct Name {                                                                          \
        template <class T>                                                                 \
        T operator()(T a, T b) const noexcept {                                            \
            if constexpr (std::is_floating_point_v<T>) {                                   \
                return a op b;                                                             \
            } else {                                                                       \
                return static_cast<T>(static_cast<Wide<T>>(a) op static_cast<Wide<T>>(b)); \
            }                                                                              \
        }                                                                                  \
    };
QAICNET_ARITHMETIC(AddOp, +)
QAICNET_ARITHMETIC(SubOp, -)
QAICNET_ARITHMETIC(MulOp, *)
#undef QAICNET_ARITHMETIC

/// Integers truncate toward zero; x / 0 is 0 and the smallest value / -1 is itself: neither may
/// trap.
struct DivOp {
    template <class T>
    T operator()(T a, T b) const noexcept {
        if constexpr (std::is_floating_point_v<T>) {
            return a / b;
        } else {
            if (b == 0) {
                return 0;
            }
            if constexpr (std::is_signed_v<T>) {
                if (b == -1) {
                    return static_cast<T>(Wide<T>{0} - static_cast<Wide<T>>(a));
                }
            }
            return static_cast<T>(a / b);
        }
    }
};

qaicrt::Status infer_arithmetic(NodeContext& c) {
    return infer_binary(c, kNumericTypes);
}

constexpr OpDef arithmetic(const char* name, qaicrt::Result<KernelPtr> (*prepare)(NodeContext&)) {
    return {"", name, kMinOpset, kMaxOpset, 2, 2, 1, "", infer_arithmetic, prepare};
}

constexpr OpDef kOps[] = {
    arithmetic("Add", prepare_binary<AddOp>),
    arithmetic("Sub", prepare_binary<SubOp>),
    arithmetic("Mul", prepare_binary<MulOp>),
    arithmetic("Div", prepare_binary<DivOp>),
};

}  // namespace

std::span<const OpDef> elementwise_ops() {
    return kOps;
}

}  // namespace qaicnet
