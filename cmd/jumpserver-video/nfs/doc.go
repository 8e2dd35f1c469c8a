// Package nfs tests the packaged service on real NFS. It is a test:
//
//	make test-nfs
//
// Three Linux kernels run as processes of this host (User-Mode Linux), which needs neither
// virtual machines nor modules. One is a JumpServer with a kernel NFS server, whose core
// writes to its own disk. Two hosts mount that, with the .deb and systemd. A switch on a
// socket connects them, so that nothing of it is on the host's network.
//
// Commands are sent to the guests, and results are returned, through a folder of the host
// that the guests mount (packaging/nfs/guest/obey).
package nfs
