/* Whom the node runs as: the owner of its files, and what its ports may do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "service/doctor/tree.h"

#define SERVICE_HOME "var/lib/zabline" /* the package makes it, for the user of zabd@.service */
#define FILES_MOST 4096                /* of the data directory that are looked at */
#define BIT(capability) (1ull << (capability))

struct user {
  char name[LIMIT_NAME_LEN];
};

static struct user name_of(uid_t uid) {
  struct user u;
  const struct passwd *p = getpwuid(uid);
  if (p)
    snprintf(u.name, sizeof u.name, "%s", p->pw_name);
  else
    snprintf(u.name, sizeof u.name, "#%u", uid);
  return u;
}

/* The owner of a file; root for what we may not look at. */
static uid_t owner_of(const char *path) {
  struct stat st;
  return stat(path, &st) ? 0 : st.st_uid;
}

/* The user of zabd@.service; root: it is not installed. */
static uid_t service_user(const struct doctor *d) {
  char path[LIMIT_PATH_LEN];
  return owner_of(tree_path(d, path, SERVICE_HOME));
}

/* Who formats as another user than the node's leaves it a directory that it cannot open. */
void doctor_mend_format(const struct doctor *d, struct doctor_row *row, const char *parent) {
  uid_t uid = owner_of(parent);
  if (uid == 0) uid = service_user(d);
  if (uid == 0 || uid == d->uid)
    row_mend(row, "zabd --config %s --format", d->config->file);
  else
    row_mend(row, "runuser -u %s -- zabd --config %s --format", name_of(uid).name, d->config->file);
}

/* The first regular file of another owner; false: there is none. */
static bool foreign_file(const char *directory, uid_t uid, struct tree_text *name,
                         struct stat *foreign) {
  DIR *dir = opendir(directory);
  const struct dirent *e;
  bool found = false;
  for (int i = 0; dir && !found && i < FILES_MOST && (e = readdir(dir)) != NULL; i++) {
    if (fstatat(dirfd(dir), e->d_name, foreign, AT_SYMLINK_NOFOLLOW)) continue;
    found = S_ISREG(foreign->st_mode) && foreign->st_uid != uid;
    if (found) snprintf(name->s, sizeof name->s, "%s", e->d_name);
  }
  if (dir) closedir(dir);
  return found;
}

static uid_t user_of_node(const struct doctor *d, uid_t owner) {
  char path[LIMIT_PATH_LEN];
  if (d->pid) return owner_of(tree_path(d, path, "proc/%d", d->pid));
  return owner ? owner : service_user(d);
}

static void check_owner(struct doctor *d) {
  const char *path = d->config->data_dir;
  struct tree_text name;
  struct stat st, foreign;
  struct doctor_row *row = row_add(d, "owner", NULL);
  if (stat(path, &st)) {
    row_says(row, DOCTOR_NOT_APPLICABLE, "%s: %s", path, strerror(errno));
    return;
  }
  uid_t uid = user_of_node(d, st.st_uid);
  enum doctor_verdict bad = d->pid ? DOCTOR_WARN : DOCTOR_FAIL;
  struct user user = name_of(uid), owner = name_of(st.st_uid);
  row_mend(row, "chown -R %s: %s", user.name, path);
  if (st.st_uid != uid && uid != 0)
    row_says(row, bad, "%.200s belongs to %s, the node runs as %s", path, owner.name, user.name);
  else if (uid != 0 && foreign_file(path, uid, &name, &foreign))
    row_says(row, bad, "%.200s in it belongs to %s, the node runs as %s", name.s,
             name_of(foreign.st_uid).name, user.name);
  else
    row_mend(row_says(row, DOCTOR_OK, "%s", owner.name), "%s", "");
}

static const struct {
  const char *name;
  int bit;
} capabilities[] = {{"net_admin", CAP_NET_ADMIN}, {"net_raw", CAP_NET_RAW}, {"bpf", CAP_BPF}};

/* As the unit gives them.  vfio-pci and shared memory need none. */
static uint64_t needed_by(const struct doctor *d, const struct config_port *port) {
  if (doctor_port_is(port, "net_af_packet")) return BIT(CAP_NET_RAW);
  if (doctor_port_is(port, "net_af_xdp"))
    return BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) | BIT(CAP_BPF);
  return doctor_port_is_mellanox(d, port) ? BIT(CAP_NET_ADMIN) | BIT(CAP_NET_RAW) : 0;
}

/* CapEff of /proc/PID/status; false: it cannot be read. */
static bool effective(const struct doctor *d, uint64_t *set) {
  char path[LIMIT_PATH_LEN], line[LIMIT_TEXT_LEN];
  bool found = false;
  if (d->pid)
    tree_path(d, path, "proc/%d/status", d->pid);
  else
    tree_path(d, path, "proc/self/status");
  FILE *f = fopen(path, "re");
  while (f && !found && fgets(line, sizeof line, f)) {
    found = strncmp(line, "CapEff:", 7) == 0;
    if (found) *set = strtoull(line + 7, NULL, 16);
  }
  if (f) fclose(f);
  return found;
}

static void list(char text[LIMIT_NAME_LEN], uint64_t set) {
  *text = '\0';
  for (size_t i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++) {
    size_t at = strlen(text);
    if (set & BIT(capabilities[i].bit))
      snprintf(text + at, LIMIT_NAME_LEN - at, "%s%s", at ? ", " : "", capabilities[i].name);
  }
}

/* Whoever asks need not be whom the node will run as, so nothing fails before it runs; and what
 * runs has opened its ports. */
static void check_capabilities(struct doctor *d) {
  const char *of = d->pid ? "the running node" : "this shell";
  char names[LIMIT_NAME_LEN];
  uint64_t needed = 0, there;
  struct doctor_row *row = row_add(d, "capabilities", NULL);
  for (int i = 0; i < d->config->port_cnt; i++) needed |= needed_by(d, &d->config->ports[i]);
  if (!needed) {
    row_says(row, DOCTOR_NOT_APPLICABLE, "no port needs any");
  } else if (!effective(d, &there)) {
    row_mend(row_says(row, DOCTOR_UNKNOWN, "those of %s cannot be read", of),
             "grep CapEff /proc/PID/status");
  } else {
    if (there & BIT(CAP_SYS_ADMIN)) there |= BIT(CAP_BPF); /* it was its part once */
    list(names, needed & ~there ? needed & ~there : needed);
    if (needed & ~there)
      row_mend(row_says(row, DOCTOR_WARN, "%s lacks %s, which a port needs", of, names),
               "systemctl start zabd@NAME (its unit gives them), or start zabd as root");
    else
      row_says(row, DOCTOR_OK, "%s has %s", of, names);
  }
}

void doctor_check_user(struct doctor *d) {
  check_owner(d);
  check_capabilities(d);
}
