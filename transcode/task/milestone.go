package task

import "fmt"

// Milestone is the last step of a task that is permanently done: no step up to it is
// repeated after a crash. Milestones are ordered.
type Milestone int

// Milestones, in their order.
const (
	ReachedNothing    Milestone = iota // all steps can be repeated
	ReachedAsIs                        // no MP4 can be made: core has the recording itself
	ReachedConfirmed                   // the MP4 was read back from its destination
	ReachedRetiring                    // from here on the original may have been moved
	ReachedMarked                      // core was told that the session has a replay
	ReachedFailed                      // declared failed; a retry begins a new journal
	ReachedFailedAsIs                  // declared failed, and core has the recording itself
)

// milestones are the names of milestones in journals.
var milestones = [...]string{"", "as_is", "confirmed", "retiring", "marked", "failed", "failed_as_is"}

// AsIs reports whether core has the recording itself in place of an MP4.
func (m Milestone) AsIs() bool { return m == ReachedAsIs || m == ReachedFailedAsIs }

// Failed reports whether the task was declared failed.
func (m Milestone) Failed() bool { return m >= ReachedFailed }

// Fail returns the milestone of a task that is declared failed at m.
func (m Milestone) Fail() Milestone {
	if m.AsIs() {
		return ReachedFailedAsIs
	}
	return ReachedFailed
}

// MarshalText implements [encoding.TextMarshaler].
func (m Milestone) MarshalText() ([]byte, error) {
	if m < 0 || int(m) >= len(milestones) {
		return nil, fmt.Errorf("no milestone: %d", int(m))
	}
	return []byte(milestones[m]), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *Milestone) UnmarshalText(text []byte) error {
	for i, name := range milestones {
		if name == string(text) {
			*m = Milestone(i)
			return nil
		}
	}
	return fmt.Errorf("no milestone: %q", text)
}
