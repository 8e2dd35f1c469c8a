// Package soak runs the agent through a simulated day, and proves that nothing was lost. It is
// a test, small by default and large on demand:
//
//	make soak
//
// Recordings of all kinds, cut from real ones, arrive on the volume, in a bucket, and as
// uploads of Lions of several releases. Meanwhile the agent is killed, and its volume, core
// and bucket fail at random. In the evening all faults end. A checker then verifies every
// session, the requests and events that core got, and the files that the agent left.
package soak
