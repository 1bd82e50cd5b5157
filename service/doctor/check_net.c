/* Kernel sockets: the addresses that zabd will listen at, and the peers behind theirs. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "service/doctor/doctor.h"

/* Returns a result for freeaddrinfo, or NULL with *why set. */
static struct addrinfo *resolve(const char *host, uint16_t port, int flags, const char **why) {
  char service[8];
  struct addrinfo *found = NULL;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
  snprintf(service, sizeof service, "%u", port);
  int error = getaddrinfo(host, service, &hints, &found);
  *why = error == EAI_SYSTEM ? strerror(errno) : error ? gai_strerror(error) : NULL;
  return error ? NULL : found;
}

/* As zabd does it (libuv: SO_REUSEADDR).  Returns 0 or errno. */
static int try_bind(const struct addrinfo *a) {
  int yes = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  int error = bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1) ? errno : 0;
  close(fd);
  return error;
}

static void check_tcp(struct doctor *d, const char *name, const char *host, uint16_t port) {
  const char *why;
  struct doctor_row *row = row_add(d, "listen", name);
  struct addrinfo *a = resolve(host, port, host ? 0 : AI_PASSIVE, &why);
  const char *shown = host ? host : "*";
  int error = a ? try_bind(a) : 0;
  if (a) freeaddrinfo(a);
  if (!a)
    row_mend(row_says(row, DOCTOR_FAIL, "%s does not resolve: %s", shown, why), "getent hosts %s",
             shown);
  else if (!error)
    row_says(row, DOCTOR_OK, "%s:%u is free", shown, port);
  else if (error == EADDRINUSE)
    row_mend(row_says(row, DOCTOR_FAIL, "%s:%u is in use by another process", shown, port),
             "ss -ltnp 'sport = :%u'", port);
  else if (error == EADDRNOTAVAIL)
    row_mend(row_says(row, DOCTOR_FAIL, "%s is not an address of this machine", shown),
             "ip -brief address; is \"id\" in %.300s the right one?", d->config->file);
  else
    row_mend(row_says(row, DOCTOR_UNKNOWN, "%s:%u: %s", shown, port, strerror(error)),
             "ss -ltnp 'sport = :%u'", port);
}

static void check_control_socket(struct doctor *d) {
  const char *path = d->config->control_socket;
  struct stat st;
  struct doctor_row *row = row_add(d, "listen", "control_socket");
  if (d->status)
    row_says(row, DOCTOR_OK, "%s: the node runs and answers", path);
  else if (d->silent)
    row_mend(row_says(row, DOCTOR_FAIL, "%.200s: %.200s", path, d->silent),
             "systemctl status 'zabd@*'");
  else if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
    row_mend(row_says(row, DOCTOR_FAIL, "%s is there and is no socket", path), "ls -l %s", path);
  else
    row_says(row, DOCTOR_OK, "%s is free", path);
}

/* The kernel would answer every frame to an address of its own. */
static void check_fast_address(struct doctor *d, uint32_t ip) {
  struct in_addr own = {.s_addr = htonl(ip)};
  char text[INET_ADDRSTRLEN];
  const char *interface = NULL;
  struct ifaddrs *all;
  inet_ntop(AF_INET, &own, text, sizeof text);
  struct doctor_row *row = row_add(d, "fast.ip", text);
  if (getifaddrs(&all)) {
    row_mend(
        row_says(row, DOCTOR_UNKNOWN, "the kernel's addresses cannot be read: %s", strerror(errno)),
        "ip -brief address");
    return;
  }
  for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
    struct sockaddr_in address;
    if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET) continue;
    memcpy(&address, a->ifa_addr, sizeof address);
    if (address.sin_addr.s_addr == own.s_addr) interface = a->ifa_name;
  }
  if (interface)
    row_mend(row_says(row, DOCTOR_FAIL, "the kernel has it too, at %s", interface),
             "ip address del %s dev %s, or another fast.ip", text, interface);
  else
    row_says(row, DOCTOR_OK, "is not the kernel's");
  freeifaddrs(all);
}

static void check_fast_addresses(struct doctor *d) {
  const struct config_peer *self = &d->config->peers[d->config->self_idx];
  for (int i = 0; i < d->config->port_cnt; i++)
    if (d->config->ports[i].ethernet)
      check_fast_address(d, self->fast[d->config->ports[i].fast_idx].ip);
}

void doctor_check_listen(struct doctor *d) {
  const struct config_peer *self = &d->config->peers[d->config->self_idx];
  check_fast_addresses(d);
  check_control_socket(d);
  if (d->status || d->silent) {
    row_says(row_add(d, "listen", "TCP ports"), DOCTOR_NOT_APPLICABLE, "the node runs");
    return;
  }
  check_tcp(d, "quorum_port", self->address, self->quorum_port);
  check_tcp(d, "election_port", self->address, self->election_port);
  check_tcp(d, "client_port", NULL, d->config->client_port);
}

struct dial {
  int fd, error; /* fd -1: decided */
  const char *unresolved;
};

static void start(struct dial *t, const struct config_peer *p) {
  *t = (struct dial){.fd = -1};
  struct addrinfo *a = resolve(p->address, p->election_port, 0, &t->unresolved);
  if (!a) return;
  t->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int rc = t->fd < 0 ? -1 : connect(t->fd, a->ai_addr, a->ai_addrlen);
  t->error = rc == 0 ? 0 : errno;
  freeaddrinfo(a);
}

static void settle(struct dial *t, short revents) {
  socklen_t len = sizeof t->error;
  if (t->fd < 0 || !revents) return;
  getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &t->error, &len);
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* All at once: one silent peer costs the timeout once. */
static void wait_for_all(struct dial *dials, int cnt, int timeout_ms) {
  int64_t end = now_ms() + timeout_ms;
  for (;;) { /* ends with the timeout */
    struct pollfd p[LIMIT_PEERS];
    int open = 0, left = (int)(end - now_ms());
    for (int i = 0; i < cnt; i++) {
      bool waits = dials[i].fd >= 0 && dials[i].error == EINPROGRESS;
      p[i] = (struct pollfd){.fd = waits ? dials[i].fd : -1, .events = POLLOUT};
      open += waits;
    }
    if (!open || left <= 0 || poll(p, (nfds_t)cnt, left) < 0) return;
    for (int i = 0; i < cnt; i++)
      if (p[i].fd >= 0) settle(&dials[i], p[i].revents);
  }
}

static void judge_dial(struct doctor *d, const struct config_peer *p, const struct dial *t) {
  char name[16];
  snprintf(name, sizeof name, "%d control", p->id);
  struct doctor_row *row = row_add(d, "peer", name);
  const char *host = p->address;
  if (t->unresolved)
    row_mend(row_says(row, DOCTOR_FAIL, "%s does not resolve: %s", host, t->unresolved),
             "getent hosts %s", host);
  else if (!t->error)
    row_says(row, DOCTOR_OK, "%s:%u answers", host, p->election_port);
  else if (t->error == ECONNREFUSED)
    row_mend(
        row_says(row, DOCTOR_WARN, "%s answers, nothing listens at %u: zabd does not run there",
                 host, p->election_port),
        "on %s: systemctl start zabd@NAME", host);
  else
    row_mend(row_says(row, DOCTOR_FAIL, "%s:%u: %s", host, p->election_port,
                      t->error == EINPROGRESS ? "no answer" : strerror(t->error)),
             "ping %s; nft list ruleset (here and there)", host);
}

void doctor_check_control(struct doctor *d) {
  struct dial dials[LIMIT_PEERS];
  const struct config *c = d->config;
  for (int i = 0; i < c->peer_cnt; i++) {
    dials[i] = (struct dial){.fd = -1};
    if (i != c->self_idx) start(&dials[i], &c->peers[i]);
  }
  wait_for_all(dials, c->peer_cnt, d->timeout_ms);
  for (int i = 0; i < c->peer_cnt; i++) {
    if (i != c->self_idx) judge_dial(d, &c->peers[i], &dials[i]);
    if (dials[i].fd >= 0) close(dials[i].fd);
  }
}
