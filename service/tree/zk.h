/* zk.h - ZooKeeper's numbers: operations, errors, create flags, permissions, watch events.
 * Owner: nobody, constants.  Source: zookeeper/client.md 3.1, 3.3, 5, 7, 8. */
#ifndef ZABLINE_SERVICE_TREE_ZK_H
#define ZABLINE_SERVICE_TREE_ZK_H

enum zk_op {
  OP_NOTIFICATION = 0,
  OP_CREATE = 1,
  OP_DELETE = 2,
  OP_EXISTS = 3,
  OP_GET_DATA = 4,
  OP_SET_DATA = 5,
  OP_GET_ACL = 6,
  OP_SET_ACL = 7,
  OP_GET_CHILDREN = 8,
  OP_SYNC = 9,
  OP_PING = 11,
  OP_GET_CHILDREN2 = 12,
  OP_CHECK = 13,
  OP_MULTI = 14,
  OP_CREATE2 = 15,
  OP_RECONFIG = 16,
  OP_CHECK_WATCHES = 17,
  OP_REMOVE_WATCHES = 18,
  OP_CREATE_CONTAINER = 19,
  OP_DELETE_CONTAINER = 20,
  OP_CREATE_TTL = 21,
  OP_MULTI_READ = 22,
  OP_AUTH = 100,
  OP_SET_WATCHES = 101,
  OP_SASL = 102,
  OP_GET_EPHEMERALS = 103,
  OP_GET_ALL_CHILDREN_NUMBER = 104,
  OP_SET_WATCHES2 = 105,
  OP_ADD_WATCH = 106,
  OP_WHO_AM_I = 107,
  OP_CREATE_SESSION = -10,
  OP_CLOSE_SESSION = -11,
  OP_ERROR = -1,
  /* between Zabline nodes only, never in a transaction */
  OP_REVALIDATE =
      -201,        /* record: i4 timeout; the answer is an error transaction: 0 or what is wrong */
  OP_TOUCH = -202, /* record: n x i8 session; no transaction */
};

enum zk_error {
  ZK_OK = 0,
  ZK_SYSTEMERROR = -1,
  ZK_RUNTIMEINCONSISTENCY = -2,
  ZK_MARSHALLINGERROR = -5,
  ZK_UNIMPLEMENTED = -6,
  ZK_BADARGUMENTS = -8,
  ZK_NONODE = -101,
  ZK_NOAUTH = -102,
  ZK_BADVERSION = -103,
  ZK_NOCHILDRENFOREPHEMERALS = -108,
  ZK_NODEEXISTS = -110,
  ZK_NOTEMPTY = -111,
  ZK_SESSIONEXPIRED = -112,
  ZK_INVALIDACL = -114,
  ZK_AUTHFAILED = -115,
  ZK_SESSIONMOVED = -118,
  ZK_NOWATCHER = -121,
  ZK_RECONFIGDISABLED = -123,
  ZK_QUOTAEXCEEDED = -125,
};

enum zk_perm { PERM_READ = 1, PERM_WRITE = 2, PERM_CREATE = 4, PERM_DELETE = 8, PERM_ADMIN = 16 };
#define PERM_ALL 31

enum zk_create_flag {
  CREATE_PERSISTENT = 0,
  CREATE_EPHEMERAL = 1,
  CREATE_SEQUENTIAL = 2,
  CREATE_EPHEMERAL_SEQUENTIAL = 3,
  CREATE_CONTAINER = 4,
  CREATE_TTL = 5,
  CREATE_SEQUENTIAL_TTL = 6,
};

enum zk_event {
  EVENT_CREATED = 1,
  EVENT_DELETED = 2,
  EVENT_DATA_CHANGED = 3,
  EVENT_CHILDREN_CHANGED = 4,
};
#define ZK_STATE_CONNECTED 3

#endif
