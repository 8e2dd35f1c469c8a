// Package volumetest shows a folder through FUSE as a volume that can be told
// to fail: with any error, for any operation, in the middle of the work, by
// hanging, or by vanishing. Like NFS it caches nothing and tells nobody of
// changes underneath. It is for tests and for the soak.
package volumetest
