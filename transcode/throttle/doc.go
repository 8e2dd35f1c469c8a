// Package throttle keeps the agent polite: it holds the host's processor use
// at or under a target, whoever uses it, by using only what others leave.
//
// # How
//
// A [Governor] reads twice a second how busy the host is and how much of that
// is ours, children included. What is left below the target is the budget.
// Three things hold us to it:
//
//   - Admission: [Governor.Admit] says whether one more task may begin. One
//     may always; more only while those at work are hindered little.
//   - Pacing: whoever works in small steps tells a [Pacer] how long each took,
//     and is made to rest in proportion. The proportion, the speed, is the
//     same for all tasks and is what the control law moves.
//   - Priority: [Yield] and [YieldChild] let the kernel prefer others in the
//     moments before the first two have noticed them.
//
// The speed never falls to nothing for lack of processor time: a trickle of a
// twentieth of one processor is always ours, so that every task ends.
//
// # Quiet hours
//
// With [Config.Hours] set, work is done inside of them; outside, it trickles
// or pauses, except for recordings that have waited for too long.
//
// # Containers
//
// The host's use is the whole host's also inside a container. A quota that a
// control group sets (cgroup v1 or v2) is one more upper bound of the budget:
// the target's share of the quota.
package throttle
