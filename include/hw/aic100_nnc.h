/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * NNC, the control protocol between driver and QSM (the card's management firmware): message header
 * and transactions as they travel on the CONTROL channel. The command set inside PASSTHROUGH
 * transactions is in aic100_nnc_cmd.h.
 */
#ifndef AIC100_NNC_H
#define AIC100_NNC_H

#include <hw/aic100_base.h>

#define AIC100_NNC_MAGIC 0x43494151u /* "QAIC" */
#define AIC100_NNC_MAJOR 5
#define AIC100_NNC_MINOR 0
#define AIC100_NNC_MAX_TO_DEV (64u * 1024u)
#define AIC100_NNC_MAX_FROM_DEV 4096u
#define AIC100_NNC_STATUS_FLAG_CRC (1u << 0)

enum aic100_nnc_trans {
	AIC100_TRANS_UNDEFINED = 0,
	AIC100_TRANS_PASSTHROUGH_FROM_USR = 1,
	AIC100_TRANS_PASSTHROUGH_TO_USR = 2,
	AIC100_TRANS_PASSTHROUGH_FROM_DEV = 3,
	AIC100_TRANS_PASSTHROUGH_TO_DEV = 4,
	AIC100_TRANS_DMA_XFER_FROM_USR = 5,
	AIC100_TRANS_DMA_XFER_TO_DEV = 6,
	AIC100_TRANS_ACTIVATE_FROM_USR = 7,
	AIC100_TRANS_ACTIVATE_FROM_DEV = 8,
	AIC100_TRANS_ACTIVATE_TO_DEV = 9,
	AIC100_TRANS_DEACTIVATE_FROM_USR = 10,
	AIC100_TRANS_DEACTIVATE_FROM_DEV = 11,
	AIC100_TRANS_STATUS_FROM_USR = 12,
	AIC100_TRANS_STATUS_TO_USR = 13,
	AIC100_TRANS_STATUS_FROM_DEV = 14,
	AIC100_TRANS_STATUS_TO_DEV = 15,
	AIC100_TRANS_TERMINATE_FROM_DEV = 16,
	AIC100_TRANS_TERMINATE_TO_DEV = 17,
	AIC100_TRANS_DMA_XFER_CONT = 18,
	AIC100_TRANS_VALIDATE_PARTITION_FROM_DEV = 19,
	AIC100_TRANS_VALIDATE_PARTITION_TO_DEV = 20,
};

struct aic100_nnc_msg_hdr {
	__le32 crc32; /* CRC-32/ISO-HDLC over the whole message with this field zero; 0 when off */
	__le32 magic;
	__le32 sequence;
	__le32 len;   /* whole message, header included */
	__le32 count; /* transactions */
	__le32 handle;
	__le32 partition_id;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_nnc_msg_hdr, 32);

struct aic100_trans_hdr {
	__le32 type;
	__le32 len; /* header included */
};
AIC100_ASSERT_SIZE(struct aic100_trans_hdr, 8);

struct aic100_addr_size {
	__le64 addr;
	__le64 size;
};
AIC100_ASSERT_SIZE(struct aic100_addr_size, 16);

struct aic100_trans_dma_xfer { /* followed by count address/size pairs */
	struct aic100_trans_hdr hdr;
	__le32 tag;
	__le32 count;
	__le32 chunk_id; /* 0: complete in this message */
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_trans_dma_xfer, 24);

struct aic100_trans_dma_cont {
	struct aic100_trans_hdr hdr;
	__le32 chunk_id;
	__le32 padding;
	__le64 xferred_size;
};
AIC100_ASSERT_SIZE(struct aic100_trans_dma_cont, 24);

struct aic100_trans_activate_to_dev {
	struct aic100_trans_hdr hdr;
	__le64 req_q_addr;
	__le64 rsp_q_addr;
	__le32 req_q_size; /* elements */
	__le32 rsp_q_size; /* elements */
	__le32 buf_len;
	__le32 options;
};
AIC100_ASSERT_SIZE(struct aic100_trans_activate_to_dev, 40);

struct aic100_trans_activate_from_dev {
	struct aic100_trans_hdr hdr;
	__le32 status;
	__le32 dbc_id;
	__le64 options;
};
AIC100_ASSERT_SIZE(struct aic100_trans_activate_from_dev, 24);

struct aic100_trans_deactivate_from_dev {
	struct aic100_trans_hdr hdr;
	__le32 status;
	__le32 dbc_id;
};
AIC100_ASSERT_SIZE(struct aic100_trans_deactivate_from_dev, 16);

struct aic100_trans_status_from_dev {
	struct aic100_trans_hdr hdr;
	__le16 major;
	__le16 minor;
	__le32 status;
	__le64 status_flags;
};
AIC100_ASSERT_SIZE(struct aic100_trans_status_from_dev, 24);

struct aic100_trans_terminate_to_dev {
	struct aic100_trans_hdr hdr;
	__le32 handle;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_trans_terminate_to_dev, 16);

struct aic100_trans_terminate_from_dev {
	struct aic100_trans_hdr hdr;
	__le32 status;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_trans_terminate_from_dev, 16);

struct aic100_trans_validate_partition_to_dev {
	struct aic100_trans_hdr hdr;
	__le32 part_id;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_trans_validate_partition_to_dev, 16);

struct aic100_trans_validate_partition_from_dev {
	struct aic100_trans_hdr hdr;
	__le32 status;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_trans_validate_partition_from_dev, 16);

#endif /* AIC100_NNC_H */
