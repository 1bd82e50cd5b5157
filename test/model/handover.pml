/* handover.pml - the hand-over of design 5.2 and the rejoin rule of design 6, for three nodes.
 *
 * One process for each node; between steps all state is global, so one step is one transition and a
 * crash fits between any two.  README.md says what is abstracted and why that loses nothing.  Names
 * are those of slowpath/ and fastpath/; the rule or the function stands beside each step.
 *
 *   LOOKING --leads----> L_PROMISED -> L_SYNC -> L_EST
 *      `------follows--> F_PROMISED -> F_OP -> F_SYNC -> F_CURRENT -> F_OPEN
 *
 * A record is its zxid, epoch * 8 + counter: the stream of epoch e is (e,1), (e,2), ... and a
 * position in it is a number of records.  Switches and bounds: run.py. */

#ifndef EMAX
#define EMAX 3 /* epochs */
#endif
#ifndef RMAX
#define RMAX 2 /* records proposed in all */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LOSSES
#define LOSSES 0 /* lost disks, each followed by --format --rejoin */
#endif
#ifndef REACH
#define REACH 0
#endif
#if LOSSES || defined(MEMORY)
#define REJOINS /* there may be nodes that do not count */
#endif

#define AT(l, f) ((l) * 3 + (f))
#define EPOCH(z) ((z) / 8)
#define LOG(n, i) log[(n) * RMAX + (i)]

/* What must be reachable: the run with REACH == k has to fail here. */
#define REACHED(k, cond) assert(REACH != (k) || !(cond))

/* step: role and step in one */
#define LOOKING 0
#define F_PROMISED 1 /* acceptedEpoch durable */
#define F_OP 2       /* ACKEPOCH sent */
#define F_SYNC 3     /* DIFF or TRUNC done, ATTACHED; records come */
#define F_CURRENT 4  /* history, then currentEpoch durable (R5) */
#define F_OPEN 5     /* ACK of NEWLEADER sent, fast path open */
#define L_PROMISED 8 /* own acceptedEpoch durable, LEADERINFO may leave */
#define L_SYNC 9     /* currentEpoch durable, LEAD */
#define L_EST 10

#define CLOSED 0 /* mode of the fast path */
#define LEADING 1
#define FOLLOWING 2

/* durable; dur: records of the log that are on disk */
byte acc[3], cur[3], dur[3], log[3 * RMAX];
/* volatile; size: records of the log, with those that are in memory only */
byte step[3], ldr[3], size[3];
byte promised[3]; /* leader: nodes whose promise counts */
byte basis[3];    /* learner: P */
bool flight[9];   /* ACK of NEWLEADER is on its way from f to l */
bool acked[9];    /* leader's fast path: ACK and first frame have come (COUNT) */
byte pdur[9];     /* leader's fast path: the peer's durable position */

/* the fast path; init: records before the stream of fe (leader) */
byte mode[3], fe[3], init_size[3];
bool est[3];
/* follower: position received; position told.  A frame told to fl in epoch fe stays in flight, also
 * behind the end of its sender; fresh: it is of the iteration that the leader has now. */
byte fpos[3], told[3], fl[3];
bool fresh[3];
#ifdef NO_ITERATION
byte late[3], late_e[3], late_l[3];
#endif

#ifdef REJOINS
bool silent[3]; /* neither votes nor counts: lost its disk, or unclean in `memory` */
bool quiet[9];  /* leader: it said so in FOLLOWERINFO */
byte hold[3];   /* what the leader had appended at ATTACH (HEARD) */
byte joined[3]; /* leader: nodes that vouch for the epoch (E5) */
#define COUNTS(l, f) (!quiet[AT(l, f)])
#define VOTES(n) (!silent[n])
#else
#define COUNTS(l, f) 1
#define VOTES(n) 1
#endif
#if LOSSES
bool lost_once;
#else
#define lost_once 0
#endif

/* ghosts and budgets */
byte proposed[EMAX + 1], comm[EMAX + 1], clen[EMAX + 1], glen, ghost[RMAX], total;
bool established[EMAX + 1];
byte crashes = CRASHES, losses = LOSSES;

hidden byte i, j, k, z;

#define LAST(n, cnt) ((cnt) == 0 -> 0 : LOG(n, ((cnt) == 0 -> 0 : (cnt) - 1)))
#define DURABLE_LAST(n) LAST(n, dur[n])
#define IS_LEADER(n) (step[n] >= L_PROMISED)
#ifdef MEMORY
#define ACKS(n) size[n] /* on receipt */
#else
#define ACKS(n) dur[n]
#endif

/* A `for` must not end a d_step: hence some skips. */

inline append(n, rec) {
  printf("  node %d log: %d.%d\n", n, EPOCH(rec), (rec) % 8);
  z = LAST(n, size[n]);
  assert((rec) == z + 1 || (EPOCH(rec) > EPOCH(z) && (rec) % 8 == 1)); /* no gap, no duplicate */
  LOG(n, size[n]) = (rec);
  size[n]++
}

inline cut(n, to) {
  for (i : 0 .. RMAX - 1) {
    if :: i >= (to) -> LOG(n, i) = 0 :: else fi
  }
  size[n] = (to);
  if :: dur[n] > (to) -> dur[n] = (to) :: else fi
}

/* The committed sequence is one, for ever: what is committed anywhere agrees with it. */
inline commit_prefix(n, cnt) {
  printf("  committed: %d records of node %d\n", cnt, n);
  assert((cnt) <= size[n]);
  for (i : 0 .. RMAX - 1) {
    if
    :: i < (cnt) && i < glen -> assert(ghost[i] == LOG(n, i)) /* nothing committed lost, changed */
    :: i < (cnt) && i >= glen -> ghost[i] = LOG(n, i)
    :: else
    fi
  }
  if :: (cnt) > glen -> glen = (cnt) :: else fi;
  clen[fe[n]] = (cnt)
}

/* A follower may deliver min(committed, what it acknowledged): asserted even before UPTODATE. */
inline deliver(n) {
  if
  :: mode[n] == FOLLOWING ->
     k = fpos[n] - (size[n] - ACKS(n));
     if :: comm[fe[n]] < k -> k = comm[fe[n]] :: else fi;
     k = size[n] - (fpos[n] - k);
     assert(k <= glen || comm[fe[n]] == 0);
     for (i : 0 .. RMAX - 1) {
       if :: i < k && comm[fe[n]] > 0 -> assert(ghost[i] == LOG(n, i)) :: else fi
     }
  :: else
  fi;
  skip
}

/* Frames that no leader takes any more are forgotten, for the sake of the number of states. */
inline forget_frames(f) {
  if
  :: mode[f] == FOLLOWING -> skip
  :: mode[f] == CLOSED && fe[f] && mode[fl[f]] == LEADING && fe[fl[f]] == fe[f] && fresh[f] -> skip
  :: mode[f] == LEADING -> fl[f] = 0; told[f] = 0; fresh[f] = 0
  :: else -> fe[f] = 0; fl[f] = 0; told[f] = 0; fresh[f] = 0
  fi
}

inline close_fast(n) {
  if :: mode[n] == LEADING -> fe[n] = 0 :: else fi;
  mode[n] = CLOSED; est[n] = 0; init_size[n] = 0; fpos[n] = 0;
  for (j : 0 .. 2) {
    acked[AT(n, j)] = 0;
#ifndef NO_RESET
    pdur[AT(n, j)] = 0
#endif
  }
  skip
}

/* What a process forgets with its role.  Learners that had not yet opened notice at once: all that
 * is left to them is to leave, too. */
inline leave(n) {
  for (j : 0 .. 2) {
    flight[AT(n, j)] = 0;
#ifdef REJOINS
    quiet[AT(n, j)] = 0;
#endif
    if
    :: IS_LEADER(n) && j != n && ldr[j] == n && step[j] != LOOKING && step[j] < F_OPEN ->
       step[j] = LOOKING; ldr[j] = 0; basis[j] = 0
    :: else
    fi
  }
#ifdef REJOINS
  joined[n] = 0; hold[n] = 0;
#endif
  step[n] = LOOKING; ldr[n] = 0; promised[n] = 0; basis[n] = 0;
  forget_frames(0); forget_frames(1); forget_frames(2)
}

/* CLOSE -> CLOSED: what was received is drained to disk, nothing is in flight (fence.c). */
inline fence(n) {
  dur[n] = size[n];
  close_fast(n)
}

inline lose(n) {
  printf("%d lose\n", n);
  if
#ifndef NO_FENCE_FOLLOWER
  :: mode[n] == FOLLOWING -> fence(n)
#endif
#ifndef NO_FENCE_LEADER
  :: mode[n] == LEADING -> fence(n)
#endif
  :: else
  fi;
  leave(n)
}

#define Z_SIZE(n) (init_size[ldr[n]] + basis[n]) /* records up to Z */
#define MISSES(n) (size[n] < Z_SIZE(n))

/* Power is gone and comes back: the disk stays. */
inline crash(n) {
  printf("%d crash\n", n);
  REACHED(10, step[n] == F_PROMISED); /* acceptedEpoch durable, ACKEPOCH not sent */
  REACHED(11, step[n] == F_OP);
  REACHED(12, step[n] == F_SYNC && size[n] > 0 && MISSES(n));
  REACHED(13, step[n] == F_SYNC && size[n] > 0 && cur[n] < acc[n] && !MISSES(n));
  REACHED(14, step[n] == F_CURRENT && size[n] > 0); /* currentEpoch durable, ACK not sent */
  REACHED(15, step[n] == F_OPEN);
  REACHED(16, step[n] == L_PROMISED);
  REACHED(17, step[n] == L_SYNC);
  REACHED(18, step[n] == L_EST && dur[n] < size[n]);
  REACHED(19, mode[n] == FOLLOWING && dur[n] < size[n]); /* received, not durable */
  REACHED(20, mode[n] == FOLLOWING && dur[n] == size[n] && told[n] > pdur[AT(fl[n], n)]);
  cut(n, dur[n]);
  close_fast(n);
  leave(n);
#if defined(MEMORY) && !defined(NO_REJOIN)
  silent[n] = 1
#endif
}

#if LOSSES
inline lose_disk(n) {
  printf("%d lose_disk\n", n);
  REACHED(21, size[n] > 0 && glen > 0);
  cut(n, 0);
  acc[n] = 0; cur[n] = 0; lost_once = 1;
  close_fast(n);
  leave(n);
#ifndef NO_REJOIN
  silent[n] = 1
#endif
}
#endif

/* ---- the learner ---- */

/* FOLLOWERINFO, LEADERINFO(e): a promise, durably (R1), or e == acceptedEpoch: "only synchronise
 * me" (A2).  The newest connection of a node is the one it uses. */
inline follow(n, l) {
  printf("%d follow %d\n", n, l);
  ldr[n] = l;
  flight[AT(l, n)] = 0;
  acked[AT(l, n)] = 0; /* DETACH */
#ifndef NO_RESET
  pdur[AT(l, n)] = 0;
#endif
#ifdef REJOINS
  quiet[AT(l, n)] = silent[n];
#ifndef E5_ONCE
  if :: silent[n] -> joined[l] = 0 :: else fi; /* what was heard before it came proves nothing */
#endif
#endif
  if
  :: acc[n] < acc[l] -> acc[n] = acc[l]; step[n] = F_PROMISED
  :: else -> step[n] = F_OP
  fi
}

/* R3: (currentEpoch, last zxid) of who counts is not above the leader's; both are the disk's. */
#define AHEAD(n, l) (cur[n] > cur[l] || (cur[n] == cur[l] && DURABLE_LAST(n) > DURABLE_LAST(l)))

inline send_ackepoch(n, l) {
  printf("%d send_ackepoch %d\n", n, l);
  step[n] = F_OP;
  if
  :: step[l] == L_PROMISED && COUNTS(l, n) && !AHEAD(n, l) -> promised[l] = promised[l] | (1 << n)
  :: else
  fi
}

/* ATTACH waits until our durable position is not below what the peer holds of this epoch. */
#ifdef NO_WAIT
#define COVERS(l, f) 1
#else
#define COVERS(l, f) (EPOCH(DURABLE_LAST(f)) != acc[l] || DURABLE_LAST(l) >= DURABLE_LAST(f))
#endif

/* ATTACHED(P, Z), then DIFF or TRUNC (sync_decide.c); what is of the leader's own epoch is never
 * removed. */
inline attach(l, n) {
  printf("%d attach %d\n", l, n);
  REACHED(30, EPOCH(DURABLE_LAST(n)) == acc[l]); /* one comes back with records of this epoch */
  REACHED(31, step[l] == L_EST && comm[acc[l]] > 0); /* a late joiner */
  if :: mode[n] -> cut(n, dur[n]); close_fast(n) :: else fi; /* only if not fenced */
#ifdef NO_ITERATION
  if :: fresh[n] -> late[n] = told[n]; late_e[n] = fe[n]; late_l[n] = fl[n] :: else fi;
#endif
  fresh[n] = 0;
  basis[n] = dur[l] - init_size[l];
#ifdef REJOINS
  hold[n] = size[l] - init_size[l];
#endif
  step[n] = F_SYNC;
  k = 0;
  for (i : 0 .. RMAX - 1) {
    if :: i < dur[l] && LOG(l, i) <= DURABLE_LAST(n) -> k = i + 1 :: else fi
  }
  if
  :: LAST(l, k) == DURABLE_LAST(n) || EPOCH(DURABLE_LAST(n)) == acc[l] -> skip
  :: else ->
     REACHED(32, 1); /* TRUNC */
     z = LAST(l, k);
     k = 0;
     for (i : 0 .. RMAX - 1) {
       if :: i < size[n] && LOG(n, i) <= z -> k = i + 1 :: else fi
     }
     cut(n, k);
     if :: LAST(n, size[n]) != z -> lose(n) :: else fi /* never ours: tell the leader anew */
  fi;
  skip
}

inline on_proposal(n, l) {
  printf("%d on_proposal %d\n", n, l);
  append(n, LOG(l, size[n]));
  dur[n] = size[n]
}

inline send_ack(n, l) {
  printf("%d send_ack %d\n", n, l);
  flight[AT(l, n)] = 1;
#if LOSSES && defined(E5_ONCE)
  joined[l] = joined[l] | (1 << n)
#endif
}

/* OPEN(e, iteration, P, Z): all four positions are P. */
inline open(n, l) {
  REACHED(6, basis[n] > 0 && established[acc[n]]);
  printf("%d open %d\n", n, l);
  mode[n] = FOLLOWING; fe[n] = acc[n]; fl[n] = l; fresh[n] = 1;
  fpos[n] = basis[n]; told[n] = basis[n];
#ifndef REJOINS
  basis[n] = 0;
#endif
  step[n] = F_OPEN
}

inline tell(n) { /* the own position, in every frame */
  k = fpos[n] - (size[n] - ACKS(n));
  if :: k > told[n] -> told[n] = k :: else fi
}

inline receive(n, rec) {
  append(n, rec);
  fpos[n]++;
#ifdef MEMORY
  tell(n);
  deliver(n)
#endif
}

inline write_log(n) {
  printf("%d write_log\n", n);
  dur[n]++;
#ifndef MEMORY
  if :: mode[n] == FOLLOWING -> tell(n); deliver(n) :: else fi
#endif
}

/* ---- the leader ---- */

/* R2: FOLLOWERINFO of f has come, too; e is above both promises. */
inline choose_epoch(l, f) {
  printf("%d choose_epoch %d\n", l, f);
  acc[l] = 1 + (acc[l] > acc[f] -> acc[l] : acc[f]);
  promised[l] = 1 << l;
  step[l] = L_PROMISED
}

#define PROMISES(l) ((promised[l] & 1) + (promised[l] / 2 & 1) + promised[l] / 4)

inline lead(l) { /* R4; LEAD: nothing is counted */
  printf("%d lead\n", l);
  if :: mode[l] -> cut(l, dur[l]) :: else fi; /* only if not fenced */
  close_fast(l);
  cur[l] = acc[l]; promised[l] = 0;
  mode[l] = LEADING; fe[l] = acc[l]; init_size[l] = size[l];
  step[l] = L_SYNC
}

/* R13, J3: else it is dropped and counted, which changes nothing. */
#define OF_THIS_ITERATION(l, f) (fl[f] == l && fe[f] == fe[l] && fresh[f] && told[f] >= basis[f])

inline take_position(l, f, pos) {
  printf("%d take_position %d\n", l, f);
  if :: (pos) > pdur[AT(l, f)] -> pdur[AT(l, f)] = (pos) :: else fi
}

/* The first frame, of this iteration, has come; in `memory` HEARD waits for what was held. */
#ifdef REJOINS
#define HEARD(l, f, pos) ((pos) >= hold[f] || pdur[AT(l, f)] >= hold[f])
#else
#define HEARD(l, f, pos) 1
#endif

#ifdef NO_COUNT
#define ACK_CAME(l, f) 1
#else
#define ACK_CAME(l, f) flight[AT(l, f)]
#endif

inline count(l, f, pos) {
  printf("%d count %d\n", l, f);
  flight[AT(l, f)] = 0;
  acked[AT(l, f)] = 1;
  take_position(l, f, pos)
}

#define COUNTED(l, f) (acked[AT(l, f)] && COUNTS(l, f))
#define SUPPORT(l) (1 + COUNTED(l, ((l) + 1) % 3) + COUNTED(l, ((l) + 2) % 3))

inline establish(l) {
  printf("%d establish\n", l);
  REACHED(1, acc[l] == 2 && established[1]);
  REACHED(2, acc[l] == 3 && established[1] && established[2] && glen > 0);
  assert(!established[acc[l]]); /* one leader for each epoch */
  established[acc[l]] = 1;
  for (i : 1 .. EMAX) { /* nothing committed in an earlier epoch is lost, */
    assert(i >= acc[l] || clen[i] <= init_size[l])
  }
  commit_prefix(l, init_size[l]); /* and the initial history is committed (R7) */
  est[l] = 1;
  step[l] = L_EST
}

inline propose(l) {
  printf("%d propose\n", l);
  total++;
  proposed[acc[l]]++;
  append(l, acc[l] * 8 + proposed[acc[l]])
}

/* R11; our own position counts when it is acknowledged here. */
#define OWN(l, pos) (ACKS(l) - init_size[l] >= (pos))
#define HAS(l, f, pos) (COUNTED(l, f) && pdur[AT(l, f)] >= (pos))
#define QUORUM_AT(l, pos)                                                             \
  (OWN(l, pos) + HAS(l, ((l) + 1) % 3, pos) + HAS(l, ((l) + 2) % 3, pos) >= 2)

inline commit(l) {
  printf("%d commit\n", l);
  comm[fe[l]]++;
  REACHED(3, dur[l] < init_size[l] + comm[fe[l]]); /* by the two followers alone */
  REACHED(4, fe[l] == 2 && comm[1] > 0);           /* transactions of two epochs */
  REACHED(5, COUNTED(l, ((l) + 1) % 3) && COUNTED(l, ((l) + 2) % 3));
  commit_prefix(l, init_size[l] + comm[fe[l]]);
  deliver(0); deliver(1); deliver(2)
}

/* ---- the steps ---- */

/* Nodes are alike: the first to promise is 0, the second 1. */
#define IN_TURN(n) (acc[n] > 0 || (n) == 0 || acc[(n) - 1] > 0 || lost_once)

/* TCP of this leadership still stands (acceptedEpoch grows with each). */
#define LINKED(n, l) (ldr[n] == (l) && IS_LEADER(l) && acc[n] == acc[l])

/* R5: history durable, then currentEpoch durable, then the ACK. */
#ifdef EPOCH_FIRST
#define MAY_READ(n) (step[n] == F_SYNC || step[n] == F_CURRENT)
#define MAY_ENTER(n) (step[n] == F_SYNC)
#define MAY_ACK(n) (step[n] == F_CURRENT && !MISSES(n))
#else
#define MAY_READ(n) (step[n] == F_SYNC)
#define MAY_ENTER(n) (step[n] == F_SYNC && !MISSES(n))
#define MAY_ACK(n) (step[n] == F_CURRENT)
#endif

#define LEARN(n, l)                                                                            \
  :: d_step { step[n] == LOOKING && IS_LEADER(l) && acc[n] <= acc[l] && IN_TURN(n) -> follow(n, l) } \
  :: d_step { step[n] == F_PROMISED && LINKED(n, l) -> send_ackepoch(n, l) }                   \
  :: d_step { step[n] == F_OP && LINKED(n, l) && step[l] >= L_SYNC && COVERS(l, n) -> attach(l, n) } \
  :: d_step { MAY_READ(n) && LINKED(n, l) && MISSES(n) -> on_proposal(n, l) }                  \
  :: d_step { MAY_ENTER(n) && LINKED(n, l) -> printf("%d currentEpoch\n", n); cur[n] = acc[n]; step[n] = F_CURRENT }           \
  :: d_step { MAY_ACK(n) && LINKED(n, l) -> send_ack(n, l); open(n, l) }

#ifdef ACK_FIRST /* the ACK leaves before the history is on disk */
#define ACK_EARLY(n, l)                                                           \
  :: d_step { step[n] == F_SYNC && LINKED(n, l) && !flight[AT(l, n)] && MISSES(n) -> \
              send_ack(n, l); fl[n] = l; fe[n] = acc[n]; fresh[n] = 1; told[n] = basis[n] }
#elif defined(ACK_BEFORE_EPOCH)
#define ACK_EARLY(n, l) \
  :: d_step { step[n] == F_SYNC && LINKED(n, l) && !MISSES(n) -> send_ack(n, l); open(n, l) }
#else
#define ACK_EARLY(n, l)
#endif

#ifdef REJOINS
/* E5: when every other voter is in this epoch, and was so after we came: then none is in a later
 * one, to whose leader we may have promised what we forgot.  In `memory` HEARD is enough. */
#if LOSSES && !defined(NO_E5)
#define OTHERS_JOINED(n, l) (joined[l] & (1 << (3 - (n) - (l))))
#else
#define OTHERS_JOINED(n, l) 1
#endif
#define GRANT(n, l) /* UPTODATE with MAY_VOTE */                                      \
  :: d_step { step[n] == F_OPEN && silent[n] && LINKED(n, l) && step[l] == L_EST &&   \
              acked[AT(l, n)] && comm[acc[l]] >= basis[n] && OTHERS_JOINED(n, l) ->   \
              REACHED(7, 1); silent[n] = 0; quiet[AT(l, n)] = 0 }
#else
#define GRANT(n, l)
#endif

#if LOSSES && !defined(E5_ONCE)
/* A frame of this iteration that answers one of ours, sent after the silent one came. */
#define VOUCH(l, f)                                                                     \
  :: d_step { step[l] == L_EST && silent[3 - (l) - (f)] && mode[f] == FOLLOWING &&      \
              acked[AT(l, f)] && OF_THIS_ITERATION(l, f) && !(joined[l] & (1 << (f))) -> \
              joined[l] = joined[l] | (1 << (f)) }
#else
#define VOUCH(l, f)
#endif

#ifdef NO_ITERATION
#define LATE_FRAME(l, f)                                                               \
  :: d_step { mode[l] == LEADING && late_l[f] == l && late_e[f] == fe[l] && ACK_CAME(l, f) && \
              HEARD(l, f, late[f]) && !acked[AT(l, f)] -> count(l, f, late[f]) }              \
  :: d_step { mode[l] == LEADING && late_l[f] == l && late_e[f] == fe[l] && acked[AT(l, f)] && \
              late[f] > pdur[AT(l, f)] -> take_position(l, f, late[f]) }
#else
#define LATE_FRAME(l, f)                                                               \
  :: d_step { REACH == 8 && mode[l] == LEADING && fl[f] == l && fe[f] == fe[l] && !fresh[f] && \
              told[f] > 0 && step[f] == F_SYNC -> REACHED(8, 1) }
#endif

#define LEAD(l, f)                                                                     \
  :: d_step { mode[l] == LEADING && ACK_CAME(l, f) && OF_THIS_ITERATION(l, f) &&       \
              !acked[AT(l, f)] && HEARD(l, f, told[f]) -> count(l, f, told[f]) }       \
  :: d_step { mode[l] == LEADING && acked[AT(l, f)] && OF_THIS_ITERATION(l, f) &&      \
              told[f] > pdur[AT(l, f)] -> take_position(l, f, told[f]) }               \
  LATE_FRAME(l, f)                                                                     \
  VOUCH(l, f)                                                                          \
  :: d_step { step[l] == LOOKING && VOTES(l) && step[f] == LOOKING && VOTES(f) &&      \
              acc[l] < EMAX && acc[f] < EMAX && IN_TURN(l) -> choose_epoch(l, f) }

#ifdef NO_CHANNEL /* neither epoch nor iteration is compared: frames of old epochs come */
#define OLD_RECORD(n, old)                                                             \
  :: d_step { mode[n] == FOLLOWING && old < fe[n] && proposed[old] > fpos[n] && size[n] < RMAX -> \
              receive(n, old * 8 + fpos[n] + 1) }
#else
#define OLD_RECORD(n, old)
#endif

proctype node(byte n; byte a; byte b) {
  do
  :: d_step { step[n] != LOOKING -> lose(n) }
  :: d_step { crashes > 0 && acc[n] > 0 && (step[n] != LOOKING || mode[n]) ->
              crashes--; crash(n) }
#if LOSSES
  :: d_step { losses > 0 && acc[n] > 0 -> losses--; lose_disk(n) }
#endif
  LEARN(n, a) LEARN(n, b)
  ACK_EARLY(n, a) ACK_EARLY(n, b)
  GRANT(n, a) GRANT(n, b)
  /* a frame with the next record: sent once, it may come at any time, or never */
  :: d_step { mode[n] == FOLLOWING && proposed[fe[n]] > fpos[n] && size[n] < RMAX ->
              receive(n, fe[n] * 8 + fpos[n] + 1) }
  OLD_RECORD(n, 1) OLD_RECORD(n, 2)
  :: d_step { mode[n] && dur[n] < size[n] -> write_log(n) } /* the disk thread */
  LEAD(n, a) LEAD(n, b)
  :: d_step { step[n] == L_PROMISED && PROMISES(n) >= 2 -> lead(n) }
  :: d_step { step[n] == L_SYNC && SUPPORT(n) >= 2 -> establish(n) }
  :: d_step { step[n] == L_EST && total < RMAX && size[n] < RMAX -> propose(n) }
  :: d_step { mode[n] == LEADING && est[n] && comm[fe[n]] < proposed[fe[n]] &&
              QUORUM_AT(n, comm[fe[n]] + 1) -> commit(n) }
  od
}

init {
  atomic {
    run node(0, 1, 2);
    run node(1, 0, 2);
    run node(2, 0, 1)
  }
}
