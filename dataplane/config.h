/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ternd's configuration: an INI file, checked to the last key before anything starts.
 *
 * The file is read twice: once by ourselves, line by line, to refuse with file and line what
 * rte_cfgfile would cut or drop silently (names over 63 and values over 255 characters, lines
 * without
 * '=', duplicates), and once by rte_cfgfile for the values.
 */
#ifndef TERN_DATAPLANE_CONFIG_H
#define TERN_DATAPLANE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "tcp/fastopen.h"
#include "tcp/ip_addr.h"

enum {
	CONFIG_NAME_BYTES = 64,
	CONFIG_VALUE_BYTES = 256,
	CONFIG_MAX_PORTS = 8,
	CONFIG_MAX_ADDRESSES = 16, /* per port, each family */
	CONFIG_MAX_SERVICES = 32,
	CONFIG_MAX_LISTEN = 8, /* endpoints per service */
	CONFIG_MAX_LANES = 64,
	CONFIG_MAX_PREFIXES = 32,
};

enum config_hugepages {
	HUGEPAGES_AUTO, /* use them if there are enough, else go on without and say so */
	HUGEPAGES_YES,  /* refuse to start without */
	HUGEPAGES_NO,
};

enum config_idle {
	IDLE_POLL,     /* a lane looks at its queues all the time */
	IDLE_ADAPTIVE, /* it sleeps when there is nothing to do */
};

struct config_address {
	struct ip_addr ip;
	uint8_t prefix_len; /* bits: 0...32 or 0...128 */
};

/* A list of prefixes. */
struct config_networks {
	struct config_address list[CONFIG_MAX_PREFIXES];
	unsigned int n;
};

/* Segmentation by the device. */
enum config_tso {
	TSO_AUTO, /* if the device offers it and is not known to get it wrong */
	TSO_YES,  /* refuse to start without */
	TSO_NO,
};

/* [port N]: the N-th ethdev port. */
struct config_port {
	struct config_address addresses[2 * CONFIG_MAX_ADDRESSES];
	unsigned int n_addresses;
	struct ip_addr gateway4; /* any-address: none */
	struct ip_addr gateway6;
	char device[CONFIG_VALUE_BYTES]; /* to attach, as of --vdev; "": the next that EAL has */
	uint16_t mtu;                    /* bytes; 0: the device's */
	uint16_t rx_desc;                /* descriptors of each queue */
	uint16_t tx_desc;
	bool rx_checksum; /* ask the device to verify checksums, if it can */
	bool tx_checksum; /* ask the device to fill them in, if it can */
	enum config_tso tso;
	uint64_t lanes;  /* that have it, by bit; 0: all */
	uint16_t queues; /* of each direction, at most; 0: one for each lane */
};

struct service_plugin;

/*
 * [service KIND] or [service KIND NAME], so that one kind may run several times. KIND is built in,
 * or any name, and the key `plugin` names the file.
 */
struct config_service {
	char name[CONFIG_NAME_BYTES];
	struct service_plugin *plugin; /* see service_plugin.h */
	struct tcp_endpoint listen[CONFIG_MAX_LISTEN];
	unsigned int n_listen;
	uint32_t backlog;
	uint32_t fastopen;       /* pending connections whose SYN brought data; 0: no Fast Open */
	bool smc;                /* listeners say SMC-R, and talk CLC with who says it, too */
	uint32_t idle_timeout_s; /* close a connection on which nothing moved for so long; 0: never
				  */
};

struct config {
	/* [dataplane] */
	char name[CONFIG_NAME_BYTES]; /* control socket /run/tern/<name>.sock, EAL file prefix */
	char eal[CONFIG_VALUE_BYTES]; /* EAL arguments, split at white space */
	gid_t group;                  /* that may connect to the control socket; -1: our own */
	unsigned int lanes;
	enum config_hugepages hugepages;
	enum config_idle idle;

	struct config_port ports[CONFIG_MAX_PORTS];
	unsigned int n_ports;

	/* [tcp] */
	char congestion[16];
	bool timestamps;
	bool window_scaling;
	bool tw_reuse;           /* own connections may take a TIME-WAIT's place */
	bool pacing;             /* of every connection, by its congestion window */
	uint32_t min_rtt_wlen;   /* seconds that a smallest round trip holds */
	uint32_t rmem_bytes;     /* default SO_RCVBUF */
	uint32_t rmem_max_bytes; /* up to which it grows by itself */
	uint32_t wmem_bytes;     /* default SO_SNDBUF */
	uint32_t wmem_max_bytes; /* up to which it grows by itself */
	uint32_t timewait_s;
	uint32_t fold_after_s; /* how long a connection is idle before it is folded; 0: never */
	uint32_t user_timeout_s;
	uint8_t syn_retries;
	uint8_t syn_linear_timeouts; /* SYNs sent again before their time-out doubles */
	uint8_t synack_retries;
	uint8_t retries;
	uint8_t orphan_retries;
	uint8_t mtu_probing; /* as Linux's tcp_mtu_probing */
	uint16_t base_mss;   /* bytes; as Linux's tcp_base_mss */
	uint16_t probe_threshold;
	uint32_t probe_interval_s;
	uint16_t initial_cwnd;
	bool slow_start_after_idle;
	uint8_t ecn; /* as Linux's tcp_ecn */
	bool ecn_fallback;
	uint8_t syncookies; /* as Linux's tcp_syncookies */
	bool sack, dsack, frto, tlp, rack;
	uint16_t reordering, max_reordering; /* segments */
	uint32_t keepalive_time_s, keepalive_intvl_s;
	uint8_t keepalive_probes;
	uint16_t fastopen;                      /* TCP_FASTOPEN_... */
	struct tcp_fastopen_keys fastopen_keys; /* none: one is drawn at start */
	uint32_t fastopen_blackhole_s;          /* as Linux's tcp_fastopen_blackhole_timeout_sec */

	/* [limits], each per lane */
	uint32_t connections;
	uint32_t requests; /* half-open connections */
	uint32_t timewait; /* connections in TIME-WAIT */
	uint32_t unfolded; /* connections that are not folded, at a time; 0: all */
	uint32_t mutes;    /* connections that went elsewhere in the last minute */
	uint32_t buffers;  /* packet buffers of 2 KiB */
	uint32_t neighbours;
	uint32_t programs;        /* attached at once; of all lanes */
	uint32_t user_programs;   /* the same of one user; 0: as many as of all */
	uint32_t program_sockets; /* of each program and lane; a power of 2 */
	uint32_t program_blocks;  /* of 4 KiB, of each program and lane, for what came in */

	/* [programs]: which addresses are Tern's for them, see prefixes.h; and who may repair */
	bool program_auto; /* on-link prefixes, and all where there is a gateway */
	struct config_networks program_prefixes;
	struct config_networks program_except;
	gid_t repair_group; /* (gid_t)-1: root alone */

	struct config_service services[CONFIG_MAX_SERVICES];
	unsigned int n_services;
};

/*
 * Reads and checks a configuration file. Returns 0, or -1 with one message for each thing that is
 * wrong written to `errors` (a stream, one line each: "FILE:LINE: [section] key: what is wrong;
 * what would be right"). Main thread, before EAL starts. It loads plugins and tells them their
 * keys: config_free() in either case.
 */
int config_read(const char *path, struct config *config, FILE *errors);

/* Stops and unloads services; the rest of the configuration stays as it is. */
void config_free(struct config *config);

#endif
