/* The rows.  config/README.md shows the same keys to people; test/config compares both. */
#include "config/config_key.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define AT(type, field) \
  .offset = offsetof(struct type, field), .size = sizeof(((struct type *)0)->field)
#define LIST(type, field, count)                                    \
  AT(type, field), .element = sizeof(((struct type *)0)->field[0]), \
                   .cnt_offset = offsetof(struct type, count)
#define RANGE(lo, hi, def) .min = (lo), .max = (hi), .fallback = (def)
#define REQUIRED .fallback = KEY_REQUIRED

#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)
#define TIB ((int64_t)1 << 40)
#define DAY_MS 86400000
#define MINUTE_US 60000000

static const char *const roles[] = {"voter", "observer", NULL};
static const char *const durabilities[] = {"sync", "memory", NULL};
static const char *const apps[] = {"log", "tree", NULL};
static const char *const quotas[] = {"enforce", "warn", NULL};
static const char *const idles[] = {"spin", "yield", "sleep", NULL};
static const char *const embedded_eal[] = {"--no-huge", "-m", "256", "--no-pci", NULL};

static const struct key fast_keys[] = {
    {"ip", KEY_IP, AT(config_fast, ip)},
    {"udp_port", KEY_NUMBER, AT(config_fast, udp_port), RANGE(1, 65535, 2988)},
    {"mac", KEY_MAC, AT(config_fast, mac)},
    {"port", KEY_PORT, AT(config_fast, port_idx)},
};
static const struct key_table fast_table = {fast_keys, COUNT(fast_keys)};

static const struct key peer_keys[] = {
    {"id", KEY_NUMBER, AT(config_peer, id), RANGE(1, LIMIT_NODE_ID, KEY_REQUIRED)},
    {"role", KEY_CHOICE, AT(config_peer, role), .choices = roles, .text = "voter or observer"},
    {"address", KEY_HOST, AT(config_peer, address), REQUIRED},
    {"quorum_port", KEY_NUMBER, AT(config_peer, quorum_port), RANGE(1, 65535, 2888)},
    {"election_port", KEY_NUMBER, AT(config_peer, election_port), RANGE(1, 65535, 3888)},
    {"fast", KEY_OBJECT_OR_LIST, LIST(config_peer, fast, fast_cnt), .min = 1,
     .max = LIMIT_FAST_PATHS, .sub = &fast_table},
};
static const struct key_table peer_table = {peer_keys, COUNT(peer_keys)};

static const struct key port_keys[] = {
    {"name", KEY_NAME, AT(config_port, name), REQUIRED},
    {"args", KEY_TEXT, AT(config_port, args), .text = ""},
    {"vlan", KEY_NUMBER, AT(config_port, vlan), RANGE(0, 4094, 0)},
};
static const struct key_table port_table = {port_keys, COUNT(port_keys)};

static const struct key core_keys[] = {
    {"fast", KEY_NUMBER, AT(config_cores, fast), RANGE(-1, LIMIT_CORE, -1)},
    {"disk", KEY_NUMBER, AT(config_cores, disk), RANGE(-1, LIMIT_CORE, -1)},
    {"slow", KEY_NUMBER, AT(config_cores, slow), RANGE(-1, LIMIT_CORE, -1)},
    {"app", KEY_NUMBER, AT(config_cores, app), RANGE(-1, LIMIT_CORE, -1)},
};
static const struct key_table core_table = {core_keys, COUNT(core_keys)};

/* Read in this order: "port" of a peer needs ports[]. */
static const struct key top_keys[] = {
    {"cluster", KEY_NAME, AT(config, cluster), REQUIRED},
    {"id", KEY_NUMBER, AT(config, id), RANGE(1, LIMIT_NODE_ID, KEY_REQUIRED)},
    {"data_dir", KEY_TEXT, AT(config, data_dir), REQUIRED},
    {"durability", KEY_CHOICE, AT(config, durability), .choices = durabilities,
     .text = "sync or memory"},
    {"eal", KEY_TEXTS, LIST(config, eal, eal_cnt), .max = LIMIT_EAL_ARGS, .choices = embedded_eal},
    {"ports", KEY_OBJECTS, LIST(config, ports, port_cnt), .max = LIMIT_PORTS, .sub = &port_table},
    {"peers", KEY_OBJECTS, LIST(config, peers, peer_cnt), .min = 1, .max = LIMIT_PEERS, REQUIRED,
     .sub = &peer_table},
    {"mtu", KEY_NUMBER, AT(config, mtu), RANGE(LIMIT_MTU_MIN, LIMIT_MTU_MAX, 1500)},
    {"cores", KEY_OBJECT, AT(config, cores), .sub = &core_table},
    {"idle", KEY_CHOICE, AT(config, idle), .choices = idles, .text = "spin, yield or sleep",
     .fallback = IDLE_YIELD},
    {"idle_turns", KEY_NUMBER, AT(config, idle_turns), RANGE(0, 1000000000, 500)},
    {"ring_bytes", KEY_NUMBER, AT(config, ring_bytes),
     RANGE(LIMIT_RING_MIN, LIMIT_RING_MAX, 4 * MIB)},
    {"largest_record", KEY_NUMBER, AT(config, largest_record),
     RANGE(LIMIT_RECORD_MIN, LIMIT_RECORD_MAX, MIB)},
    {"heartbeat_us", KEY_NUMBER, AT(config, heartbeat_us), RANGE(10, MINUTE_US, 5000)},
    {"timeout_us", KEY_NUMBER, AT(config, timeout_us), RANGE(30, 10 * MINUTE_US, 40000)},
    {"tick_ms", KEY_NUMBER, AT(config, tick_ms), RANGE(1, DAY_MS, 2000)},
    {"init_limit", KEY_NUMBER, AT(config, init_limit), RANGE(2, 10000, 10)},
    {"sync_limit", KEY_NUMBER, AT(config, sync_limit), RANGE(1, 10000, 5)},
    {"finalize_ms", KEY_NUMBER, AT(config, finalize_ms), RANGE(1, 60000, 20)},
    {"disk_timeout_ms", KEY_NUMBER, AT(config, disk_timeout_ms), RANGE(10, DAY_MS, 500)},
    {"min_free_bytes", KEY_NUMBER, AT(config, min_free_bytes), RANGE(0, TIB, GIB)},
    {"segment_bytes", KEY_NUMBER, AT(config, segment_bytes), RANGE(LIMIT_SECTOR, GIB, 64 * MIB)},
    {"snapshot_log_bytes", KEY_NUMBER, AT(config, snapshot_log_bytes),
     RANGE(65536, TIB, 256 * MIB)},
    {"snapshots_kept", KEY_NUMBER, AT(config, snapshots_kept), RANGE(1, 100, 3)},
    {"counter_limit", KEY_NUMBER, AT(config, counter_limit), RANGE(1, 0xfffffffe, 0xfffffffe)},
    {"app", KEY_CHOICE, AT(config, app), .choices = apps, .text = "log or tree"},
    {"client_port", KEY_NUMBER, AT(config, client_port), RANGE(1, 65535, 2181)},
    {"max_client_cnxns", KEY_NUMBER, AT(config, max_client_cnxns), RANGE(0, 1000000, 60)},
    {"global_outstanding_limit", KEY_NUMBER, AT(config, global_outstanding_limit),
     RANGE(1, 1000000, 10000)},
    {"quota", KEY_CHOICE, AT(config, quota), .choices = quotas, .text = "enforce or warn"},
    {"super_digest", KEY_TEXT, AT(config, super_digest), .text = ""},
    {"four_letter_words", KEY_TEXT, AT(config, four_letter_words),
     .text = "srvr, ruok, mntr, isro, stat"},
    {"container_check_ms", KEY_NUMBER, AT(config, container_check_ms), RANGE(100, DAY_MS, 60000)},
    {"control_socket", KEY_TEXT, AT(config, control_socket), .text = ""},
    {"app_keep", KEY_NUMBER, AT(config, app_keep), RANGE(1, 100000000, 1000000)},
};
const struct key_table config_table = {top_keys, COUNT(top_keys)};
