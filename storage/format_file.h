/* format_file.h - whose data directory this is: cluster name, node id, format version.
 *
 * Written last by store_format, so a directory without it was never finished or is not ours.  Kept
 * open: its lock keeps a second process out.
 *
 * Part of storage/.  Owner: the disk thread.  Blocks: yes.  Source: design 6 "First start". */
#ifndef ZABLINE_STORAGE_FORMAT_FILE_H
#define ZABLINE_STORAGE_FORMAT_FILE_H

#include "storage/io.h"
#include "storage/store.h"

#define FORMAT_VERSION 1
#define FORMAT_NAME "format"
#define FORMAT_UNFINISHED "format.tmp" /* there while store_format is under way */

/* format_owner identifies (cluster, id) in every group, epoch copy and snapshot. */
uint32_t format_owner(const struct store_config *c);

/* Both return 0, or -1 with io failed. */
int format_write(struct io *io, const char *name, const struct store_config *c);
int format_open(struct io *io, struct io_file *f, const struct store_config *c);

#endif
