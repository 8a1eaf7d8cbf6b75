/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Common ground of the AI 100 layout headers: little-endian field types and the size assertion.
 * Shared by the driver (kernel C), the runtime and the emulated card (C++20): no behaviour here.
 */
#ifndef AIC100_BASE_H
#define AIC100_BASE_H

#include <linux/types.h>

#ifdef __KERNEL__
#include <linux/build_bug.h>
#define AIC100_STATIC_ASSERT(cond, text) static_assert(cond, text)
#elif defined(__cplusplus)
#define AIC100_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define AIC100_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

#define AIC100_ASSERT_SIZE(type, bytes) \
	AIC100_STATIC_ASSERT(sizeof(type) == (bytes), "wire size of " #type)

#endif /* AIC100_BASE_H */
