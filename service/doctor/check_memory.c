/* NUMA nodes, huge pages, limits of the process. */
#include <string.h>
#include <stdlib.h>

#include "service/doctor/tree.h"

#define NODES 16          /* NUMA nodes that are looked at */
#define MIB_OF_EAL 64     /* what EAL and the rings between threads take */
#define MIB_PER_PORT 24   /* 2,048 packets of the largest MTU */
#define FILES_WANTED 1024 /* connections of peers and clients, segments, EAL's own */

int doctor_port_node(const struct doctor *d, const struct config_port *port) {
  char name[LIMIT_NAME_LEN];
  long long node = -1;
  if (doctor_port_is_pci(port)) {
    doctor_pci_address(port, name);
    if (!tree_number(d, &node, "sys/bus/pci/devices/%s/numa_node", name)) return -1;
  } else if (doctor_port_interface(port, name)) {
    if (!tree_number(d, &node, "sys/class/net/%s/device/numa_node", name)) return -1;
  }
  return node >= 0 && node < NODES ? (int)node : -1;
}

static int node_of_core(const struct doctor *d, int core) {
  for (int node = 0; node < NODES; node++)
    if (tree_exists(d, "sys/devices/system/cpu/cpu%d/node%d", core, node)) return node;
  return -1;
}

static void check_numa_of(struct doctor *d, const struct config_port *port) {
  int core = d->config->cores.fast, node = doctor_port_node(d, port);
  int own = core < 0 ? -1 : node_of_core(d, core);
  struct tree_text cpus = {"?"};
  struct doctor_row *row = row_add(d, "numa", port->name);
  if (node < 0) {
    row_says(row, DOCTOR_NOT_APPLICABLE, "the device belongs to no NUMA node");
  } else if (core < 0) {
    row_says(row, DOCTOR_NOT_APPLICABLE, "node %d; cores.fast is not pinned", node);
  } else if (own < 0) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the NUMA node of core %d cannot be read", core),
             "lscpu -e");
  } else if (own != node) {
    tree_line(d, &cpus, "sys/devices/system/node/node%d/cpulist", node);
    row_mend(
        row_says(row, DOCTOR_WARN, "on node %d, core %d of cores.fast on node %d", node, core, own),
        "put one of cores %.200s as \"fast\" into \"cores\" in %.200s", cpus.s, d->config->file);
  } else {
    row_says(row, DOCTOR_OK, "node %d, as core %d", node, core);
  }
}

void doctor_check_numa(struct doctor *d) {
  for (int i = 0; i < d->config->port_cnt; i++) {
    const struct config_port *port = &d->config->ports[i];
    char name[LIMIT_NAME_LEN];
    if (doctor_port_is_pci(port) || doctor_port_interface(port, name)) check_numa_of(d, port);
  }
}

/* The memory that "eal" asks for, else a guess from the ports. */
static long wanted_mib(const struct config *c) {
  for (int i = 0; i < c->eal_cnt; i++) {
    const char *arg = c->eal[i];
    if (strcmp(arg, "-m") == 0 && i + 1 < c->eal_cnt) return strtol(c->eal[i + 1], NULL, 10);
    if (strncmp(arg, "-m", 2) == 0) return strtol(arg + 2, NULL, 10);
    if (strncmp(arg, "--socket-mem=", 13) != 0) continue;
    long sum = 0;
    for (const char *at = arg + 12; at; at = strchr(at + 1, ',')) sum += strtol(at + 1, NULL, 10);
    return sum;
  }
  return MIB_OF_EAL + (long)MIB_PER_PORT * (c->port_cnt + 1);
}

/* MiB of all page sizes below a directory; -1: nothing can be read.  A running node has its own. */
static long huge_mib(const struct doctor *d, const char *directory) {
  static const int kib[] = {64, 2048, 16384, 32768, 524288, 1048576};
  const char *file = d->status ? "nr_hugepages" : "free_hugepages";
  long sum = -1;
  for (size_t i = 0; i < sizeof kib / sizeof kib[0]; i++) {
    long long pages;
    if (!tree_number(d, &pages, "%s/hugepages-%dkB/%s", directory, kib[i], file)) continue;
    sum = (sum < 0 ? 0 : sum) + (long)(pages * kib[i] / 1024);
  }
  return sum;
}

static bool without_huge_pages(const struct config *c) {
  for (int i = 0; i < c->eal_cnt; i++)
    if (strcmp(c->eal[i], "--no-huge") == 0) return true;
  return false;
}

/* The memory must be on the NIC's node; with one node that is all there is. */
static int memory_node(const struct doctor *d) {
  for (int i = 0; i < d->config->port_cnt; i++) {
    int node = doctor_port_node(d, &d->config->ports[i]);
    if (node >= 0) return node;
  }
  return -1;
}

void doctor_check_hugepages(struct doctor *d) {
  char directory[LIMIT_NAME_LEN] = "sys/kernel/mm/hugepages", where[LIMIT_NAME_LEN] = "";
  struct doctor_row *row = row_add(d, "hugepages", NULL);
  if (without_huge_pages(d->config)) {
    row_says(row, DOCTOR_NOT_APPLICABLE, "--no-huge in \"eal\"");
    return;
  }
  int node = memory_node(d);
  if (node >= 0 && tree_exists(d, "sys/devices/system/node/node%d/hugepages", node)) {
    snprintf(directory, sizeof directory, "sys/devices/system/node/node%d/hugepages", node);
    snprintf(where, sizeof where, " on node %d", node);
  }
  long wanted = wanted_mib(d->config), there = huge_mib(d, directory);
  if (there < 0)
    row_mend(row_says(row, DOCTOR_UNKNOWN, "/%s cannot be read", directory),
             "grep Huge /proc/meminfo");
  else if (there < wanted)
    row_mend(row_says(row, DOCTOR_FAIL, "%ld MiB %s%s, %ld MiB wanted", there,
                      d->status ? "there" : "free", where, wanted),
             "echo %ld > /%s/hugepages-2048kB/nr_hugepages (at boot: hugepages=%ld)",
             (wanted + 1) / 2, directory, (wanted + 1) / 2);
  else
    row_says(row, DOCTOR_OK, "%ld MiB %s%s, %ld MiB wanted", there, d->status ? "there" : "free",
             where, wanted);
}

/* One row of /proc/PID/limits: the soft limit.  Returns -1 if it cannot be read, or LONG_MAX. */
static long long soft_limit(const struct doctor *d, const char *name) {
  char path[LIMIT_PATH_LEN], line[LIMIT_TEXT_LEN];
  long long value = -1;
  if (d->pid)
    tree_path(d, path, "proc/%d/limits", d->pid);
  else
    tree_path(d, path, "proc/self/limits");
  FILE *f = fopen(path, "re");
  while (f && value < 0 && fgets(line, sizeof line, f)) {
    if (strncmp(line, name, strlen(name)) != 0) continue;
    const char *at = line + strlen(name);
    at += strspn(at, " ");
    value = strncmp(at, "unlimited", 9) == 0 ? INT64_MAX : strtoll(at, NULL, 10);
  }
  if (f) fclose(f);
  return value;
}

/* Those of the shell are not those of the service: they fail only once the node has them. */
static void judge_limit(struct doctor *d, const char *check, long long limit, long long wanted) {
  const char *of = d->pid ? "the running node" : "this shell (zabd@.service has its own)";
  struct doctor_row *row = row_add(d, check, NULL);
  bool files = strcmp(check, "files") == 0;
  if (limit < 0)
    row_mend(row_says(row, DOCTOR_UNKNOWN, "the limits of %s cannot be read", of),
             files ? "ulimit -n" : "ulimit -l");
  else if (limit < wanted)
    row_mend(row_says(row, d->pid ? DOCTOR_FAIL : DOCTOR_WARN, "%s: %lld, wanted %lld%s", of, limit,
                      wanted, files ? "" : " bytes"),
             files ? "ulimit -n %lld, or LimitNOFILE=%lld" : "ulimit -l %lld, or LimitMEMLOCK=%lld",
             files ? wanted : wanted / 1024, wanted);
  else if (limit == INT64_MAX)
    row_says(row, DOCTOR_OK, "%s: unlimited", of);
  else
    row_says(row, DOCTOR_OK, "%s: %lld, wanted %lld", of, limit, wanted);
}

/* The kernel counts what a device may reach by DMA, and AF_XDP's packets, as locked memory. */
void doctor_check_limits(struct doctor *d) {
  bool locks = false;
  for (int i = 0; i < d->config->port_cnt; i++)
    locks = locks || doctor_port_is_pci(&d->config->ports[i]) ||
            doctor_port_is(&d->config->ports[i], "net_af_xdp");
  judge_limit(d, "files", soft_limit(d, "Max open files"), FILES_WANTED);
  if (locks)
    judge_limit(d, "memlock", soft_limit(d, "Max locked memory"),
                (long long)wanted_mib(d->config) << 20);
  else
    row_says(row_add(d, "memlock", NULL), DOCTOR_NOT_APPLICABLE, "no port locks memory");
}
