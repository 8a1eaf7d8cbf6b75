/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * DMA bridge channels (DBC) of the AI 100: registers, request and response elements, semaphore word.
 * Facts: Linux Documentation/accel/qaic/aic100.rst and the public mainline ABI.
 */
#ifndef AIC100_DBC_H
#define AIC100_DBC_H

#include <hw/aic100_base.h>

#define AIC100_DBC_COUNT 16
#define AIC100_SEM_PER_DBC 32
#define AIC100_SEM_VALUE_MASK 0xfff

/* Registers of one DBC, four u32 at AIC100_DBC_REG_BASE + n * AIC100_DBC_REG_STRIDE of the DBC BAR. */
#define AIC100_DBC_REG_BASE 0x20000
#define AIC100_DBC_REG_STRIDE 0x1000
#define AIC100_DBC_REQHP 0x0 /* card writes: next request it will take */
#define AIC100_DBC_REQTP 0x4 /* host writes: one past the last valid request */
#define AIC100_DBC_RSPHP 0x8 /* host writes: next response it will read */
#define AIC100_DBC_RSPTP 0xc /* card writes: one past the last valid response */

/* Queue memory: request FIFO at the start, response FIFO at the end of one contiguous block. */
#define AIC100_DBC_QUEUE_GAP 256
#define AIC100_DBC_QUEUE_ALIGN 4096

/* pcie_dma_cmd */
#define AIC100_REQ_CMD_XFER_MASK 0x03
#define AIC100_REQ_CMD_XFER_NONE 0x00
#define AIC100_REQ_CMD_XFER_TO_DEV 0x01
#define AIC100_REQ_CMD_XFER_FROM_DEV 0x02
#define AIC100_REQ_CMD_BULK 0x08
#define AIC100_REQ_CMD_COMPLETION 0x10
#define AIC100_REQ_CMD_FORCE_MSI 0x80

/* doorbell attributes */
#define AIC100_DB_ENABLE 0x80
#define AIC100_DB_LEN_MASK 0x03
#define AIC100_DB_LEN_32 0x00
#define AIC100_DB_LEN_16 0x01
#define AIC100_DB_LEN_8 0x02

/* semaphore command word */
#define AIC100_SEM_CMD_ENABLE (1u << 31)
#define AIC100_SEM_CMD_FENCE_TO_DEV (1u << 30)   /* wait for earlier to-device transfers */
#define AIC100_SEM_CMD_FENCE_FROM_DEV (1u << 29) /* wait for earlier from-device transfers */
#define AIC100_SEM_CMD_OP_SHIFT 24
#define AIC100_SEM_CMD_OP_MASK 0x7
#define AIC100_SEM_CMD_PRESYNC (1u << 22)
#define AIC100_SEM_CMD_INDEX_SHIFT 16
#define AIC100_SEM_CMD_INDEX_MASK 0x1f

enum aic100_sem_op {
	AIC100_SEM_NOP = 0,
	AIC100_SEM_INIT = 1,
	AIC100_SEM_INC = 2,
	AIC100_SEM_DEC = 3,
	AIC100_SEM_WAIT_EQUAL = 4,
	AIC100_SEM_WAIT_GT_EQ = 5,
	AIC100_SEM_WAIT_GT_0 = 6, /* waits for > 0, then decrements */
};

/* One element of the request FIFO. */
struct aic100_request {
	__le16 req_id;
	__u8 seq_id;
	__u8 cmd;
	__le32 reserved0;
	__le64 src_addr;
	__le64 dst_addr;
	__le32 len;
	__le32 reserved1;
	__le64 db_addr;
	__u8 db_attr;
	__u8 reserved2;
	__le16 reserved3;
	__le32 db_data;
	__le32 sem_cmd[4];
};
AIC100_ASSERT_SIZE(struct aic100_request, 64);

/* One element of the response FIFO. Code 0 is success; the other values are not public. */
struct aic100_response {
	__le16 req_id;
	__le16 code;
};
AIC100_ASSERT_SIZE(struct aic100_response, 4);

/*
 * Completion codes of the emulated card. The silicon's values are unknown (inferred: any non-zero is
 * an error), so nothing may interpret them beyond zero and non-zero.
 */
#define AIC100_RSP_OK 0
#define AIC100_RSP_BAD_REQUEST 1    /* reserved transfer type, linked list, bad doorbell width */
#define AIC100_RSP_BAD_CARD_ADDR 2  /* card address outside the activation's memory */
#define AIC100_RSP_BAD_HOST_ADDR 3  /* host address not readable or writable */
#define AIC100_RSP_ABORTED 4        /* channel torn down while the request was pending */
#define AIC100_RSP_WORKLOAD 5       /* the NSP program failed; the output is not valid */

/* Multicast windows: MCID m of an activation starts at mcid_base + m * AIC100_MCID_WINDOW. */
#define AIC100_MCID_WINDOW 0x800000u

#endif /* AIC100_DBC_H */
