// SPDX-License-Identifier: Apache-2.0
#include <qaicrt/result.hpp>
#include <qaicrt/types.hpp>

namespace qaicrt {

const char* errc_name(Errc code) noexcept {
    switch (code) {
        case Errc::kOk:
            return "ok";
        case Errc::kInvalidArgument:
            return "invalid argument";
        case Errc::kFormat:
            return "format";
        case Errc::kUnsupported:
            return "unsupported";
        case Errc::kNotFound:
            return "not found";
        case Errc::kIo:
            return "i/o";
        case Errc::kNoMemory:
            return "no memory";
        case Errc::kExhausted:
            return "exhausted";
        case Errc::kBusy:
            return "busy";
        case Errc::kTimeout:
            return "timeout";
        case Errc::kCancelled:
            return "cancelled";
        case Errc::kDevice:
            return "device";
        case Errc::kProtocol:
            return "protocol";
        case Errc::kPermission:
            return "permission";
        case Errc::kNoDevice:
            return "no device";
        case Errc::kInternal:
            return "internal";
    }
    return "unknown";
}

const char* data_type_name(DataType type) noexcept {
    switch (type) {
        case DataType::kFloat:
            return "FloatTy";
        case DataType::kFloat16:
            return "Float16Ty";
        case DataType::kInt8Q:
            return "Int8QTy";
        case DataType::kUInt8Q:
            return "UInt8QTy";
        case DataType::kInt16Q:
            return "Int16QTy";
        case DataType::kInt32Q:
            return "Int32QTy";
        case DataType::kInt32I:
            return "Int32ITy";
        case DataType::kInt64I:
            return "Int64ITy";
        case DataType::kInt8:
            return "Int8Ty";
    }
    return "InvalidTy";
}

}  // namespace qaicrt
