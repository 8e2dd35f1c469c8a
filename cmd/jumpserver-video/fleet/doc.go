// Package fleet runs several agents on one queue while everything fails, and proves that
// they act as one. It is a test, small by default and large on demand:
//
//	make test-fleet
//
// Three NATS servers have the queue, and three agents convert the recordings of one
// volume. Agents and servers are killed at random. The network between them is cut or
// hangs, and agents are stopped for longer than their leases and then continued.
//
// A log records what is sent to core and what is done on the volume. From the log and the
// final state, a checker decides whether every recording was replaced exactly once.
package fleet
