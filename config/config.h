/* config.h - one node's JSON file as one const struct.
 *
 * config_load reads FILE with cJSON, checks it whole, and fills every default, so that no other
 * code knows a default or parses a string.  Everything is held by value; nothing to free.
 *
 * Owner: main until the threads start, then read-only by all.  Blocks: reads one file.
 * Source: design 1, 4, 5, 6, 8; config/README.md explains each key. */
#ifndef ZABLINE_CONFIG_CONFIG_H
#define ZABLINE_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "config/limits.h"

enum config_role { ROLE_VOTER, ROLE_OBSERVER };
enum config_durability { DURABILITY_SYNC, DURABILITY_MEMORY };
enum config_app { CONFIG_APP_LOG, CONFIG_APP_TREE };
enum config_quota { CONFIG_QUOTA_ENFORCE, CONFIG_QUOTA_WARN };
enum config_idle { IDLE_SPIN, IDLE_YIELD, IDLE_SLEEP };

/* One UDP endpoint of the fast path. */
struct config_fast {
  uint32_t ip; /* host byte order */
  uint16_t udp_port;
  /* "mac", or on memif and ring ports 02:5a:42:00:<0 or 1>:<id>.  On Ethernet ports a peer's is
   * learnt by ARP unless it is given; ours is the device's, which has to be the given one. */
  uint8_t mac[6];
  bool mac_static; /* of a peer: mac is known; ours: it was given */
  int port_idx;    /* own port (index into ports[]) that leads to this peer; -1 for ourselves */
};

struct config_peer {
  uint8_t id;
  enum config_role role;
  char address[LIMIT_HOST_LEN]; /* control address: name or IP */
  uint16_t quorum_port;
  uint16_t election_port;
  int fast_cnt; /* the same for all peers */
  struct config_fast fast[LIMIT_FAST_PATHS];
};

/* One DPDK port: "name" is the EAL device name, "args" its devargs ("role=server,socket=..."). */
struct config_port {
  char name[LIMIT_NAME_LEN];
  char args[LIMIT_ARG_LEN];
  uint16_t vlan; /* 802.1Q id of all frames, 0: untagged */
  bool ethernet; /* a NIC or what stands for one: MACs of its own, ARP; else memif or ring */
  int fast_idx;  /* our address there is peers[self_idx].fast[fast_idx] */
};

struct config_cores { /* -1: not pinned */
  int fast, disk, slow, app;
};

struct config {
  char file[LIMIT_PATH_LEN];
  char cluster[LIMIT_NAME_LEN];
  uint32_t cluster_id; /* CRC32C of the cluster name */
  uint8_t id;
  char data_dir[LIMIT_PATH_LEN];
  enum config_durability durability;
  int peer_cnt;
  struct config_peer peers[LIMIT_PEERS]; /* ascending id */
  int self_idx;                          /* own entry of peers[] */

  int eal_cnt;
  char eal[LIMIT_EAL_ARGS][LIMIT_ARG_LEN];
  int port_cnt;
  struct config_port ports[LIMIT_PORTS];
  uint16_t mtu; /* of the fast path: IPv4 packet bytes */
  struct config_cores cores;
  enum config_idle idle;
  uint32_t idle_turns; /* empty turns before one yield or sleep */

  uint32_t ring_bytes;     /* epoch stream ring: power of two */
  uint32_t largest_record; /* payload bytes */
  uint32_t heartbeat_us, timeout_us;
  uint32_t tick_ms, init_limit, sync_limit; /* limits in ticks, as ZooKeeper */
  uint32_t finalize_ms;
  uint32_t disk_timeout_ms;
  uint64_t min_free_bytes;
  uint64_t segment_bytes;      /* log segment: multiple of LIMIT_SECTOR */
  uint64_t snapshot_log_bytes; /* a snapshot is taken after so many bytes of log */
  uint32_t snapshots_kept;
  uint32_t counter_limit; /* last counter of an epoch; 0xfffffffe by default, small in tests */

  enum config_app app;
  uint16_t client_port;
  uint32_t container_check_ms;
  int max_client_cnxns;              /* from one address, 0: any number */
  uint32_t global_outstanding_limit; /* requests of all clients that wait for their answers */
  enum config_quota quota;
  char super_digest[LIMIT_SUPER_DIGEST];   /* "user:base64(sha1(user:password))", or empty */
  char four_letter_words[LIMIT_WORDS_LEN]; /* that are answered: "srvr, ruok", or "*" */
  char control_socket[LIMIT_SOCKET_PATH_LEN];
  uint32_t app_keep; /* app_log: records kept for tail */
};

/* What config_load found wrong: one line "FILE: PATH: found WHAT, allowed: WHAT". */
struct config_error {
  char text[2 * LIMIT_TEXT_LEN];
};

/* config_load fills *c from the JSON in file.  Returns 0, or -1 with *e set and *c unspecified.
 * Relative paths stay relative to the working directory. */
int config_load(struct config *c, const char *file, struct config_error *e);

/* config_warning returns a line to show, or NULL; idx counts from 0. */
const char *config_warning(const struct config *c, int idx);

/* config_peer_idx returns the index in c->peers of id, or -1. */
int config_peer_idx(const struct config *c, uint8_t id);

/* config_voter_cnt counts peers with ROLE_VOTER. */
int config_voter_cnt(const struct config *c);

/* config_quorum_text writes the server list as ZooKeeper prints it
 * ("server.1=host:2881:3881:participant" lines and "version=0", no newline at the end).  Returns
 * its length, NUL not counted; buf holds LIMIT_CONFIG_TEXT bytes.  Source: election.md 2.1. */
int config_quorum_text(const struct config *c, char *buf);

#endif
