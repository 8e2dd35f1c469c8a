// Package watcher finds finished recordings on core's replay volume. It only reads
// the volume, and does not depend on HTTP or video.
//
// # When a recording is complete
//
// Core does not signal completion, and writes large files slowly under their final
// names. A recording is offered when the names, sizes and modification times of all
// its files have not changed for the settle time. All parts must exist, and the
// index that lists them must be readable.
//
// The time is measured on our own clock from the last change that we saw, because
// clocks of NFS servers differ. If a file's modification time is older than the
// settle time when it is first seen, it only has to be seen twice: reading a volume
// full of old recordings should not take longer.
//
// Whether the compressed data is complete, and whether the session has ended
// according to core, is checked when the recording is converted.
//
// # Polling and events
//
// Finding recordings depends only on polling. At every interval, the watcher reads
// the folders of the recent days and those that have changed within the hour. At
// every tenth interval it checks which folders have changed. It visits all other
// folders slowly from time to time, and reads them only if they have changed or a
// day has passed. Where the file system reports changes reliably, fsnotify makes
// the next poll come sooner; NFS, SMB and FUSE do not report changes that others
// make.
//
// # A volume that is away
//
// A replay folder is *unavailable* if it is missing, empty after it was not, on
// another device than before, or if it returns I/O errors or hangs. That is logged
// once. The watcher does not forget anything, or treat it as deleted, and continues
// when the volume is back. All I/O on the volume runs in one goroutine at a time,
// which is left behind if the volume hangs.
package watcher
