/* limits.h - every bound of the system (law 5) and the relations between them.
 *
 * A loop, queue, message or array anywhere takes its bound from here.
 * Owner: nobody, constants.  Source: design 2 (law 5), 3, 4; zookeeper/election.md 1.6;
 * quorum.md 1. */
#ifndef ZABLINE_CONFIG_LIMITS_H
#define ZABLINE_CONFIG_LIMITS_H

#include <assert.h>

#define LIMIT_NODE_ID 254 /* ids are 1..254; 255 is "everybody" on the wire */
#define LIMIT_VOTERS 7
#define LIMIT_PEERS 8      /* entries of config "peers", own one included */
#define LIMIT_PORTS 8      /* DPDK ports of one node */
#define LIMIT_FAST_PATHS 2 /* addresses of one peer, each on another port */
#define LIMIT_EAL_ARGS 32
#define LIMIT_NAME_LEN 64         /* cluster name, port name; NUL included */
#define LIMIT_PATH_LEN 1024       /* file system paths; NUL included */
#define LIMIT_SOCKET_PATH_LEN 108 /* struct sockaddr_un */
#define LIMIT_HOST_LEN 256
#define LIMIT_ARG_LEN 512            /* one EAL or device argument */
#define LIMIT_TEXT_LEN 512           /* one error line, one build string */
#define LIMIT_CONFIG_FILE (1u << 20) /* bytes of one node's JSON file */
#define LIMIT_SUPER_DIGEST 256       /* config "super_digest" */
#define LIMIT_WORDS_LEN 128          /* config "four_letter_words" */
#define LIMIT_CORE 1023              /* largest core number of config "cores" */

#define LIMIT_RECORD_HEADER 16 /* crc32c, payload length, zxid */
#define LIMIT_RECORD_ALIGN 8
#define LIMIT_RECORD_MIN 32         /* smallest payload: a TxnHeader */
#define LIMIT_RECORD_MAX (4u << 20) /* largest value of config "largest_record" (payload bytes) */
#define LIMIT_RING_MIN (64u << 10)
#define LIMIT_RING_MAX (1u << 30)

#define LIMIT_FRAME_HEADER 88
#define LIMIT_FRAME_OVERHEAD 28 /* IPv4 + UDP, inside the MTU */
#define LIMIT_FRAME_TAG 16      /* reserved behind the payload (security.md) */
#define LIMIT_PATHS 3           /* ways to one peer: two fast addresses and TCP */
#define LIMIT_TCP_FRAMES 512 /* frames waiting between fast lcore and slow thread, each direction */
#define LIMIT_TCP_FLIGHT 64  /* slices in flight to one peer over TCP */
#define LIMIT_TCP_WAITING (1u << 20)  /* bytes waiting on a connection: frames are dropped above */
#define LIMIT_TCP_UNSENT (128u << 10) /* of frames in the kernel's hands, and not yet sent */
#define LIMIT_GAP_RANGES 8            /* missing ranges in one GAP report */
#define LIMIT_MTU_MIN (LIMIT_FRAME_HEADER + LIMIT_FRAME_OVERHEAD + LIMIT_FRAME_TAG + 128)
#define LIMIT_MTU_MAX 9216

#define LIMIT_FAST_ACTIONS 64  /* actions of one bcast_step */
#define LIMIT_SLOW_ACTIONS 256 /* actions of one replica_step */
#define LIMIT_BURST 32         /* frames of one rx or tx burst */
#define LIMIT_RING_DEPTH 1024  /* elements of each rte_ring between threads */
#define LIMIT_FLIGHT 256       /* slices in flight to one peer: half of our smallest rx ring */
#define LIMIT_FLIGHT_REQUESTS \
  64                        /* REQUEST slices of one follower: all followers' fit one rx ring */
#define LIMIT_REQUESTS 1024 /* REQUESTs handed to the app and not yet consumed */

#define LIMIT_NOTIFICATION 524288 /* PACKETMAXSIZE on 3888 */
#define LIMIT_HELLO_ADDR 2048
#define LIMIT_CONFIG_TEXT 4096                      /* config text that we send */
#define LIMIT_PACKET_DATA (LIMIT_RECORD_MAX + 4096) /* data of one QuorumPacket that we accept */
#define LIMIT_EXTENSION 2048                        /* bytes of one extension block */
#define LIMIT_LOBBY 64         /* connections to one port that have not yet said who they are */
#define LIMIT_LOBBY_BYTES 4096 /* of each; a hello and a FOLLOWERINFO fit */
#define LIMIT_LEARNERS 8 /* quorum-port connections a leader keeps; conn ids 1..LIMIT_LEARNERS */
/* bytes of history in flight per connection; bytes waiting to be sent on one */
#define LIMIT_SYNC_BUFFER (LIMIT_RECORD_MAX + (1u << 20))
#define LIMIT_OUTPUT (2 * LIMIT_SYNC_BUFFER)
#define LIMIT_SLOW_TURN 256    /* events of the replica machine between two looks at its sockets */
#define LIMIT_SNAP_CHUNK 65536 /* bytes of one snapshot chunk, in files and on the wire */

#define LIMIT_SECTOR 4096
#define LIMIT_GROUP (1u << 20) /* bytes of one group commit; one larger record may exceed it */
#define LIMIT_SEGMENTS 65536
#define LIMIT_HOLES 256 /* damaged places of the log; with more the node does not start */

#define LIMIT_FILES 512    /* descriptors of one node, DPDK's and the files of the store included */
#define LIMIT_CLIENTS 1024 /* entries of app_log's client table */
#define LIMIT_CONTROL_CONNS 64
#define LIMIT_CONTROL_LINE (2 * LIMIT_RECORD_MAX)
#define LIMIT_CONTROL_OUT (1u << 20)   /* bytes waiting for one slow reader of the control socket */
#define LIMIT_SUBMIT_OUTSTANDING 65536 /* submitted and not yet acknowledged, one connection */
#define LIMIT_APP_TURN 1024 /* records applied, requests taken in one turn of the app thread */
#define LIMIT_ERROR_TXN 64  /* bytes of a TXN_ERROR transaction */
#define LIMIT_KEPT_BYTES (256u << 20)     /* app_log: bytes of the records kept for tail */
#define LIMIT_KEPT_CHUNK (1u << 20)       /* app_log: unit in which they are allocated */
#define LIMIT_ACL_ENTRIES 1024            /* of one znode */
#define LIMIT_CLIENT_PACKET 1048575u      /* jute.maxbuffer: of a request */
#define LIMIT_CLIENT_CONNS 16384          /* ZooKeeper clients on one node */
#define LIMIT_CLIENT_ASKS 1024            /* requests of one client that wait for their answers */
#define LIMIT_CLIENT_ASK_BYTES (4u << 20) /* the same in bytes: then it is not read from */
#define LIMIT_ASK_BYTES (256u << 20)      /* of all clients: then who has some is not read from */
#define LIMIT_CLIENT_OUT (1u << 20)       /* unread answers of one client: then none is made */
#define LIMIT_CLIENT_EVENTS (16u << 20)   /* unread watch events of one client: then it is closed */
#define LIMIT_CLIENT_IDS 4096             /* bytes of what one client has proven (addauth) */
#define LIMIT_CLIENT_WATCHES (1u << 20)   /* of one client */
#define LIMIT_CLIENT_WATCH_BYTES (256u << 20) /* the same with their paths */
#define LIMIT_WATCH_BYTES (1u << 30)          /* of all clients of one node */
#define LIMIT_CLIENT_READ (16u << 20)         /* one answer to a multi read */
#define LIMIT_TOUCHES 1024                    /* sessions in one request */
#define LIMIT_DIGESTS 1024                    /* that word "hash" shows */
#define LIMIT_DOCTOR_ROWS \
  192 /* of zabctl doctor: 8 per port, 4 per peer, some 50 for the machine and its configs */

static_assert(LIMIT_PORTS <= 32 && LIMIT_FAST_PATHS <= LIMIT_PORTS, "port_idx is a bit of a word");
static_assert(LIMIT_VOTERS <= LIMIT_PEERS, "every voter is a peer");
static_assert((LIMIT_FLIGHT & (LIMIT_FLIGHT - 1)) == 0, "an index mask");
static_assert(LIMIT_FLIGHT_REQUESTS <= LIMIT_FLIGHT, "same array");
static_assert((LIMIT_PEERS - 1) * LIMIT_FLIGHT_REQUESTS <= 512, "fits the rx ring");
static_assert((LIMIT_PEERS - 1) * LIMIT_TCP_FLIGHT <= LIMIT_TCP_FRAMES, "fits the ring to TCP");
static_assert(LIMIT_TCP_WAITING < LIMIT_OUTPUT, "frames never fill a connection");
static_assert(LIMIT_PEERS - 1 <= LIMIT_LEARNERS, "every peer may be a learner at once");
static_assert(LIMIT_HELLO_ADDR + 20 <= LIMIT_LOBBY_BYTES, "a hello fits");
static_assert(LIMIT_EXTENSION + 256 <= LIMIT_LOBBY_BYTES, "a FOLLOWERINFO fits");
static_assert(LIMIT_PACKET_DATA + 4096 <= LIMIT_OUTPUT, "a packet fits");
static_assert(LIMIT_RECORD_HEADER + LIMIT_RECORD_ALIGN + 12 <= 4096, "a record in an ANSWER fits");
static_assert(2 * LIMIT_LOBBY + LIMIT_LEARNERS + 3 * LIMIT_PEERS + LIMIT_CONTROL_CONNS + 128 <=
                  LIMIT_FILES,
              "no crowd can take the last descriptor");
static_assert(LIMIT_RING_MAX % LIMIT_RING_MIN == 0, "ring sizes are powers of two");
static_assert(LIMIT_MTU_MIN < LIMIT_MTU_MAX, "a frame fits");

#endif
