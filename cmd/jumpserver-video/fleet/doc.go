// Package fleet runs several agents on one queue through a bad day and proves
// that they act as one. It is a test, small by default and large on demand:
//
//	make test-fleet
//
// Three NATS servers keep the queue, and three agents work on the recordings of
// one volume. Agents and servers are killed at random, the network between them
// is cut or stands still, and agents are stopped for longer than their leases
// and wake up again. What is sent to core and what is done on the volume is
// written down as it happens, and a checker decides by that log, and by what
// there is in the end, whether every recording was replaced once.
package fleet
