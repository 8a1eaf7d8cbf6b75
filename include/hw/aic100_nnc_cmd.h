/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Commands that the runtime sends to QSM inside NNC PASSTHROUGH transactions (command protocol 17.0).
 * Every command and reply starts with its number; all fields little endian, no hidden padding.
 */
#ifndef AIC100_NNC_CMD_H
#define AIC100_NNC_CMD_H

#include <hw/aic100_base.h>

#define AIC100_CMD_PROTOCOL_MAJOR 17
#define AIC100_CMD_PROTOCOL_MINOR 0
#define AIC100_STATUS_FORMAT_VERSION 12
#define AIC100_METADATA_MAJOR 1
#define AIC100_METADATA_MINOR 0
#define AIC100_HW_VERSION_2_0 0x00020000u
#define AIC100_DMA_TAG_ELF 100
#define AIC100_DMA_TAG_CONSTANTS 300
#define AIC100_CMD_NAME_LEN 64

enum aic100_cmd_type {
	AIC100_CMD_LOAD_CONSTANTS = 1,
	AIC100_CMD_LOAD_CONSTANTS_RESP = 2,
	AIC100_CMD_LOAD_ELF = 3,
	AIC100_CMD_LOAD_ELF_RESP = 4,
	AIC100_CMD_UNLOAD_CONSTANTS = 5,
	AIC100_CMD_UNLOAD_CONSTANTS_RESP = 6,
	AIC100_CMD_UNLOAD_ELF = 7,
	AIC100_CMD_UNLOAD_ELF_RESP = 8,
	AIC100_CMD_ACTIVATE = 9,
	AIC100_CMD_ACTIVATE_RESP = 10,
	AIC100_CMD_DEACTIVATE = 11,
	AIC100_CMD_DEACTIVATE_RESP = 12,
	AIC100_CMD_STATUS = 13,
	AIC100_CMD_STATUS_RESP = 14,
	AIC100_CMD_LOAD_CONSTANTS_EX = 15,      /* answered with 2 */
	AIC100_CMD_LOAD_CONSTANTS_PAYLOAD = 16, /* answered with 2 */
	AIC100_CMD_TERMINATE = 17,
	AIC100_CMD_CREATE_RESOURCE_GROUP = 28,
	AIC100_CMD_CREATE_RESOURCE_GROUP_RESP = 29,
	AIC100_CMD_RELEASE_RESOURCE_GROUP = 30,
	AIC100_CMD_RELEASE_RESOURCE_GROUP_RESP = 31,
	AIC100_CMD_RESOURCE_INFO = 32,
	AIC100_CMD_RESOURCE_INFO_RESP = 33,
	AIC100_CMD_PERFORMANCE_INFO = 34,
	AIC100_CMD_PERFORMANCE_INFO_RESP = 35,
	AIC100_CMD_ACTIVATE_STATE = 36,
	AIC100_CMD_ACTIVATE_STATE_RESP = 37,
};

/* NNC status codes used by the emulated QSM; the whole table is in docs/wire.md. */
enum aic100_nnc_status {
	AIC100_ST_SUCCESS = 0,
	AIC100_ST_ERROR = -1,
	AIC100_ST_DMA_ERROR = -2,
	AIC100_ST_UNDEFINED_REQUEST = -3,
	AIC100_ST_MEM_ALLOC_ERROR = -4,
	AIC100_ST_METADATA_ERROR = -5,
	AIC100_ST_PARAMETER_ERROR = -6,
	AIC100_ST_TIMED_OUT_WAITING = -7,
	AIC100_ST_OPERATION_NOT_PERMITTED = -9,
	AIC100_ST_BUFFER_TOO_SMALL = -10,
	AIC100_ST_RESOURCE_NOT_FOUND = -11,
	AIC100_ST_MCID_ALLOC_ERROR = -12,
	AIC100_ST_NSP_ALLOC_ERROR = -13,
	AIC100_ST_VC_ALLOC_ERROR = -14,
	AIC100_ST_SEM_ALLOC_ERROR = -15,
	AIC100_ST_NSP_RESPONSE_ERROR = -16,
	AIC100_ST_CMD_LENGTH_ERROR = -17,
	AIC100_ST_RESERVATION_IDS_EXHAUSTED = -18,
	AIC100_ST_SS_UNDER_SSR_ERROR = -36,
	AIC100_ST_SWITCH_PARAM_ERROR = -57,
	AIC100_ST_VER_MISMATCH_ERROR = -102,
	AIC100_ST_NO_NW_TO_DEACTIVATE = -116,
};

struct aic100_cmd_load_constants {
	__le32 type;
	__le32 process_id;
	__le32 tag;
	__le32 constants_crc;
	__le64 data_length;
	char constants_name[AIC100_CMD_NAME_LEN];
};
AIC100_ASSERT_SIZE(struct aic100_cmd_load_constants, 88);

struct aic100_cmd_load_constants_ex { /* followed by descriptor_len bytes */
	__le32 type;
	__le32 process_id;
	char constants_name[AIC100_CMD_NAME_LEN];
	__le32 descriptor_len;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_load_constants_ex, 80);

struct aic100_constants_descriptor { /* also the content of constantsdesc.bin */
	__le64 static_size;
	__le64 dynamic_size;
	__u8 static_ecc;
	__u8 dynamic_ecc;
	__u8 padding[6];
};
AIC100_ASSERT_SIZE(struct aic100_constants_descriptor, 24);

struct aic100_cmd_load_constants_payload {
	__le32 type;
	__le32 process_id;
	__le32 tag;
	__le32 constants_id;
	__le64 data_length;
	__le64 offset;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_load_constants_payload, 32);

struct aic100_cmd_load_constants_resp {
	__le32 type;
	__le32 constants_id;
	__le32 status; /* signed */
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_load_constants_resp, 16);

struct aic100_cmd_load_elf {
	__le32 type;
	__le32 tag;
	__le32 process_id;
	__le32 metadata_crc;
	char network_name[AIC100_CMD_NAME_LEN];
	__le64 data_length;
	__le32 metadata_flatbuffer_crc;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_load_elf, 96);

struct aic100_cmd_load_elf_resp {
	__le32 type;
	__le32 elf_id;
	__le32 status;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_load_elf_resp, 16);

struct aic100_cmd_unload { /* constants or ELF */
	__le32 type;
	__le32 id;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_unload, 8);

struct aic100_cmd_status_only_resp {
	__le32 type;
	__le32 status;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_status_only_resp, 8);

struct aic100_cmd_activate {
	__le32 type;
	__le32 process_id;
	__le32 constants_id; /* 0: none */
	__le32 elf_id;
	__le32 reservation_type;
	__le32 resource_res_id; /* signed, -1: none */
	__le32 opt_vc_setup;
	__le32 vc_res_id; /* signed, -1: default */
	__le32 initial_state;
	__le32 dma_type;
	__u8 opt_support_datapath_switching;
	__u8 padding[7];
};
AIC100_ASSERT_SIZE(struct aic100_cmd_activate, 48);

/* nsp_mask sits at an unaligned offset: kept as bytes so that no compiler inserts padding. */
struct aic100_cmd_activate_resp {
	__le32 type;
	__le32 status;
	__le32 activation_id;
	__le32 virtual_channel_id;
	__le64 ddr_base;
	__le64 dynamic_ddr_base;
	__le64 mcid_base;
	__le64 mcid_base_dma_cmd;
	__le32 dma_type;
	__le32 pc_mask;
	__le64 cmd_nsp_base_polling_addr;
	__le32 cmd_nsp_polling_info_size;
	__le32 cmd_nsp_polling_data;
	__le64 cmd_doorbell_addr;
	__u8 cmd_doorbell_length;
	__u8 cmd_doorbell_valid;
	__u8 nsp_mask[4];
	__u8 padding[2];
};
AIC100_ASSERT_SIZE(struct aic100_cmd_activate_resp, 88);

struct aic100_cmd_deactivate {
	__le32 type;
	__le32 activation_id;
	__le32 opt_vc_teardown;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_deactivate, 16);

struct aic100_cmd_status {
	__le32 type;
	__u8 info_type;
	__u8 padding[3];
};
AIC100_ASSERT_SIZE(struct aic100_cmd_status, 8);

struct aic100_resource_info {
	__le32 dram_total_mb;
	__le32 dram_free_mb;
	__le32 fragmentation;
	__u8 vc_total;
	__u8 vc_free;
	__u8 nsp_total;
	__u8 nsp_free;
	__le32 mcid_total;
	__le32 mcid_free;
	__le32 sem_total;
	__le32 sem_free;
	__u8 pc_total;
	__u8 pc_reserved;
	__u8 padding[6];
};
AIC100_ASSERT_SIZE(struct aic100_resource_info, 40);

struct aic100_performance_info {
	__le32 nsp_hz;
	__le32 ddr_hz;
	__le32 comp_hz;
	__le32 mem_hz;
	__le32 sys_hz;
	__le32 padding;
	__le64 peak_compute_ops;
	__le64 dram_bw_kbps;
	__le64 reserved[2];
};
AIC100_ASSERT_SIZE(struct aic100_performance_info, 56);

struct aic100_status_info {
	__u8 format_version;
	__u8 padding0[7];
	__u8 fw_major;
	__u8 fw_minor;
	__u8 fw_patch;
	__u8 fw_build;
	char fw_qc_image_version[38];
	char fw_oem_image_version[38];
	char fw_image_variant[16];
	__le32 hw_version;
	char serial[16];
	char board_serial[32];
	__le32 compiler_version;
	struct aic100_resource_info resources;
	struct aic100_performance_info performance;
	__le32 loaded_constants;
	__le32 constants_in_use;
	__u8 loaded_networks;
	__u8 active_networks;
	__le16 metadata_major;
	__le16 metadata_minor;
	__le16 nnc_cmd_major;
	__le16 nnc_cmd_minor;
	char sbl_image_name[24];
	__u8 need_reset_to_retire_pages;
	__u8 padding1;
	__le32 pvs_image_version;
	__le64 nsp_pgmask;
	__le64 qts_time_offset_usecs;
	__le32 retired_pages;
	__u8 sku_type;
	__u8 complex_id;
	__u8 padding2[2];
	__u8 nsp_fw_version[4];
	__le32 padding3;
	char nsp_qc_image_version[64];
	char nsp_oem_image_version[48];
	char nsp_image_variant[48];
};
AIC100_ASSERT_SIZE(struct aic100_status_info, 496);

struct aic100_cmd_status_resp {
	__le32 type;
	__le32 status;
	struct aic100_status_info info;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_status_resp, 504);

struct aic100_cmd_resource_info {
	__le32 type;
	__le32 process_id;
	__le32 res_grp_id; /* signed, -1: whole device */
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_resource_info, 16);

struct aic100_cmd_resource_info_resp {
	__le32 type;
	__le32 res_grp_id;
	struct aic100_resource_info info;
	__le32 status;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_resource_info_resp, 56);

struct aic100_cmd_performance_info {
	__le32 type;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_performance_info, 8);

struct aic100_cmd_performance_info_resp {
	__le32 type;
	__le32 status;
	struct aic100_performance_info info;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_performance_info_resp, 64);

struct aic100_cmd_create_resource_group {
	__le32 type;
	__le32 process_id;
	__le32 source_grp_id;
	__le32 num_nsp;
	__le32 num_mcid;
	__le32 num_sem;
	__le32 num_vc;
	__le32 padding0;
	__le64 shddr_size;
	__le64 l2region_size;
	__le64 mem_size;
	__le16 num_networks;
	__u8 padding1[6];
};
AIC100_ASSERT_SIZE(struct aic100_cmd_create_resource_group, 64);

struct aic100_cmd_create_resource_group_resp {
	__le32 type;
	__le32 status;
	__le32 res_grp_id;
	__le32 padding;
};
AIC100_ASSERT_SIZE(struct aic100_cmd_create_resource_group_resp, 16);

struct aic100_cmd_activate_state {
	__le32 type;
	__le32 num_cmds; /* at most 8 */
	struct {
		__le32 activation_id;
		__le32 cmd;
	} cmds[8];
};
AIC100_ASSERT_SIZE(struct aic100_cmd_activate_state, 72);

#endif /* AIC100_NNC_CMD_H */
