// Package volumetest shows a folder through FUSE as a volume that a test can make
// fail: with any error, for any operation, in the middle of an operation, by
// hanging, or by disappearing. Like NFS it caches nothing and does not report
// changes that are made below. It is for tests and for the soak.
package volumetest
