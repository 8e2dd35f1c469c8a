// Package watcher finds finished recordings on core's replay volume. It only
// ever reads the volume, and knows nothing of HTTP or video.
//
// # When a recording is complete
//
// Core gives no sign, and writes large files slowly under their final names.
// A recording is offered when the names, sizes and modification times of all
// its files have not changed for the settle time; parts must all be there,
// and the index that lists them must be readable. The time is measured on our
// own clock from the last change that we saw, because clocks of NFS servers
// differ. A file whose modification time says that it has rested for longer
// than that, when it is first seen, need only be seen twice: catching up
// with a volume full of old recordings should not take longer.
//
// Whether the compressed data is whole, and whether core says that the
// session is over, is looked at by whoever takes the recording.
//
// # Polling and events
//
// Polling is what counts. The folders of the recent days, and those in which
// names have come or gone within the hour, are read at every interval; which
// those are is looked up at every tenth. All others are looked at now and then
// and slowly, and read only if they have changed or a day has passed. fsnotify, where the file
// system can be trusted to tell of changes, only makes the next poll come
// sooner; NFS, SMB and FUSE do not tell of what others change.
//
// # A volume that is away
//
// A replay folder that is missing, empty after it was not, on another device
// than before, or that answers with I/O errors or not at all is *unavailable*.
// That is said once; nothing is forgotten or taken for deleted, and when the
// volume is back everything goes on. All I/O on the volume happens in one
// goroutine at a time that can be left behind when the volume hangs.
package watcher
