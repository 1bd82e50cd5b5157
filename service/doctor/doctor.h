/* doctor.h - what an operator should know about a machine before zabd's first start.
 *
 * Each check adds rows: check, what it looked at, a verdict, what was found and, unless that is
 * good, the command that mends it.  What cannot be read is unknown, never passed.  Sysfs, procfs
 * and /dev are read below `root`, so tests give a tree of their own; nothing is changed but for one
 * temporary file in the data directory, which has no name while it is written.
 *
 * Owner: zabctl's thread.  Blocks: yes, some seconds at most.  Source: issue "rack" 6. */
#ifndef ZABLINE_SERVICE_DOCTOR_DOCTOR_H
#define ZABLINE_SERVICE_DOCTOR_DOCTOR_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "config/config.h"

enum doctor_verdict {
  DOCTOR_OK,
  DOCTOR_WARN, /* works, and will disappoint */
  DOCTOR_FAIL, /* zabd will not start, or not reach its peers */
  DOCTOR_UNKNOWN,
  DOCTOR_NOT_APPLICABLE,
  DOCTOR_VERDICT_CNT
};

struct doctor_row {
  const char *check;            /* static text */
  char subject[LIMIT_HOST_LEN]; /* which port, peer, file; "": there is only one */
  enum doctor_verdict verdict;
  char found[LIMIT_TEXT_LEN];
  char mend[LIMIT_TEXT_LEN]; /* a command, or "" */
};

struct doctor {
  const struct config *config;
  const char *root;    /* "" or the tree that has sys/, proc/ and dev/ */
  const cJSON *status; /* of the running node; NULL: it does not run */
  const char *silent;  /* why a node that listens did not answer, or NULL */
  int pid;             /* of the running node, 0: unknown */
  uid_t uid;           /* of whoever asks */
  int timeout_ms;      /* of connections to peers */
  const char *const *peer_files;
  int peer_file_cnt;
  int row_cnt;
  struct doctor_row rows[LIMIT_DOCTOR_ROWS];
};

/* doctor_run makes all checks. */
void doctor_run(struct doctor *d);

/* doctor_failed: is there a row with DOCTOR_FAIL? */
bool doctor_failed(const struct doctor *d);

/* doctor_print writes aligned text, doctor_print_json one object in one line. */
void doctor_print(const struct doctor *d, FILE *out);
void doctor_print_json(const struct doctor *d, FILE *out);

/* row_add adds a row, unknown as yet; subject may be NULL. */
struct doctor_row *row_add(struct doctor *d, const char *check, const char *subject);
/* row_says sets verdict and what was found; returns row. */
struct doctor_row *row_says(struct doctor_row *row, enum doctor_verdict verdict, const char *format,
                            ...) __attribute__((format(printf, 3, 4)));
/* row_mend sets the command. */
void row_mend(struct doctor_row *row, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The checks, one function for each area; each adds its rows. */
void doctor_check_config(struct doctor *d);    /* warnings, configs of peers */
void doctor_check_ports(struct doctor *d);     /* device, driver, link, IOMMU, MTU */
void doctor_check_numa(struct doctor *d);      /* fast lcore against NIC */
void doctor_check_hugepages(struct doctor *d); /* if EAL wants them */
void doctor_check_cpu(struct doctor *d);       /* cores, frequency, clock */
void doctor_check_disk(struct doctor *d);      /* data directory */
void doctor_check_user(struct doctor *d);      /* owner of the data, capabilities */
void doctor_check_listen(struct doctor *d);    /* addresses that zabd will listen at */
void doctor_check_peers(struct doctor *d);     /* reachable on both paths */
void doctor_check_limits(struct doctor *d);    /* files, locked memory */

/* What some hundred durable writes of one sector took. */
struct doctor_writes {
  int error;   /* errno, or 0 */
  bool direct; /* the file system has O_DIRECT */
  int cnt;
  uint64_t p50_us, p99_us, max_us;
};

/* doctor_measure writes into a temporary file in directory. */
struct doctor_writes doctor_measure(const char *directory);
/* doctor_judge_writes adds the rows about w. */
void doctor_judge_writes(struct doctor *d, const struct doctor_writes *w);

/* What sysfs does not tell of a kernel interface. */
struct doctor_link {
  bool program_known, strips_known;
  uint32_t program; /* the XDP program's number, 0: none */
  bool strips_tags; /* VLAN tags, before XDP */
};

/* doctor_ask_link asks the kernel. */
struct doctor_link doctor_ask_link(const char *interface);
/* doctor_judge_link adds the rows about the interface of a net_af_xdp port. */
void doctor_judge_link(struct doctor *d, const struct config_port *port,
                       const struct doctor_link *l);

/* doctor_mend_format: the command that makes the data directory below parent, as its user. */
void doctor_mend_format(const struct doctor *d, struct doctor_row *row, const char *parent);

/* doctor_port_is: has the port's device name this beginning ("net_af_xdp")? */
bool doctor_port_is(const struct config_port *port, const char *beginning);
bool doctor_port_is_pci(const struct config_port *port);
bool doctor_port_is_mellanox(const struct doctor *d, const struct config_port *port);
/* doctor_port_interface copies the kernel interface ("iface=") of a port, false: it has none. */
bool doctor_port_interface(const struct config_port *port, char name[LIMIT_NAME_LEN]);
/* doctor_port_node: NUMA node of the port's device; -1: none, or unknown. */
int doctor_port_node(const struct doctor *d, const struct config_port *port);
/* doctor_check_control: the peers over TCP. */
void doctor_check_control(struct doctor *d);
/* doctor_check_iommu: of a PCI device bound to vfio-pci. */
void doctor_check_iommu(struct doctor *d, const char *address);
/* doctor_pci_address: "3b:00.0" as sysfs writes it, with its domain. */
void doctor_pci_address(const struct config_port *port, char address[LIMIT_NAME_LEN]);

#endif
