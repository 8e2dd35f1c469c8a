// Package throttle limits the CPU use of the agent: it keeps the host's total CPU
// use at or below a target, by using only what other processes leave.
//
// # How
//
// A [Governor] reads twice a second the CPU use of the host and the agent's own
// part of it, including child processes. What the others leave below the target is
// the agent's budget. Three mechanisms enforce it:
//
//   - Admission: [Governor.Admit] reports whether one more task may begin. One
//
// task is always allowed; more only while running ones are hardly slowed down.
//   - Pacing: code that works in small steps calls a [Pacer] with the duration of
//
// each step, and the pacer pauses it in proportion. The ratio of work to time, the
// speed, is the same for all tasks; the control law changes it.
//   - Priority: [Yield] and [YieldChild] make the kernel prefer other processes
//
// before the first two mechanisms react.
//
// The speed never falls to zero for lack of CPU time: the agent always may use a
// twentieth of one processor, so that every task ends.
//
// # Quiet hours
//
// With [Config.Hours] set, the agent works in these hours. Outside of them, it
// trickles or pauses, except for recordings that have waited too long.
//
// # Containers
//
// Inside a container, the host's CPU use is also that of the whole host. The quota
// of a control group (cgroup v1 or v2) is an additional upper limit of the budget:
// the target's share of the quota.
package throttle
