// Package soak runs the agent through a synthetic day and proves that nothing
// was lost. It is a test, small by default and large on demand:
//
//	make soak
//
// Recordings of all kinds, cut from real ones, arrive on the volume, in a
// bucket and as uploads of Lions of several releases, while the agent is killed
// and its volume, core and bucket fail at random. In the evening all faults
// end, and a checker looks at every session, at what core was asked and told,
// and at what the agent left on the machine.
package soak
