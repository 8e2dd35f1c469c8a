// Package health says how the parts of the agent stand.
//
// There is one list of [Conditions], made in one place ([Sources.Conditions]).
// All who tell how the agent is read it: the health endpoint, the status page,
// the metrics, the status line of the service manager, and the doctor.
//
// The space on file systems belongs here, too. It is measured at intervals
// ([Disk]), because asking may hang.
package health

import (
	"errors"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// Part is a part of the agent, or something that it depends on.
type Part string

// The parts, in the order in which they are listed.
const (
	Core    Part = "core"    // core accepts the agent's key
	Queue   Part = "queue"   // tasks can be kept and leased
	Volume  Part = "volume"  // the replay volume is there
	Storage Part = "storage" // MP4s can be put where core wants them
	Spool   Part = "spool"   // there is room for uploads
	FFmpeg  Part = "ffmpeg"  // ffmpeg is there
	// Uploads are taken from Lion and Razor. They are refused when something
	// above fails that they need, or for a reason of their own with which the
	// agent does its other work: they do not make it unhealthy.
	Uploads Part = "uploads"
)

// Condition is how one part stands.
type Condition struct {
	Part   Part   `json:"part"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why it is not; "" when OK
	// Detail is what fails at present about the part, as its own error says
	// it; it may be set although OK, when nothing is kept from being done.
	Detail string `json:"-"`
}

// String returns the reason as people read it beside those of other parts.
func (c Condition) String() string {
	switch c.Part {
	case Volume:
		return "replay volume: " + c.Reason
	case Storage:
		return "replay storage: " + c.Reason
	case Uploads:
		return "uploads are refused: " + c.Reason
	default:
		return c.Reason
	}
}

// Conditions are those of all parts that the agent has, each once.
type Conditions []Condition

// Of returns the condition of a part. One that the agent does not have is OK.
func (c Conditions) Of(part Part) Condition {
	for _, condition := range c {
		if condition.Part == part {
			return condition
		}
	}
	return Condition{Part: part, OK: true}
}

// Err returns why a part is not OK; nil when it is.
func (c Conditions) Err(part Part) error {
	if condition := c.Of(part); !condition.OK {
		return errors.New(condition.Reason)
	}
	return nil
}

// Failing returns what is not OK. Uploads are among it only when nothing else
// is: otherwise they would say the same once more.
func (c Conditions) Failing() Conditions {
	var failing Conditions
	for _, condition := range c {
		if !condition.OK && (condition.Part != Uploads || len(failing) == 0) {
			failing = append(failing, condition)
		}
	}
	return failing
}

// Reasons returns why the agent cannot do all of its work; none when it can.
func (c Conditions) Reasons() []string {
	var reasons []string
	for _, condition := range c {
		if !condition.OK && condition.Part != Uploads {
			reasons = append(reasons, condition.String())
		}
	}
	return reasons
}

// Sources are asked how the parts stand. Spool may take some seconds to answer.
type Sources struct {
	Core    func() coreapi.State
	Queue   func() error          // why the queue cannot be used
	Volume  func() watcher.Status // nil = there is no volume
	Storage func() error          // what keeps MP4s from being published
	Takes   func() error          // why what uploads become could not be stored
	Spool   func() error          // why there is no room for uploads
	FFmpeg  func() error          // why ffmpeg cannot be run
}

// Conditions returns how everything stands now.
func (s Sources) Conditions() Conditions {
	all := Conditions{s.core(), of(Queue, s.Queue())}
	if s.Volume != nil {
		all = append(all, s.volume())
	}
	all = append(all, of(Storage, s.Storage()), of(Spool, s.Spool()), of(FFmpeg, s.FFmpeg()))
	return append(all, of(Uploads, s.uploads(all)))
}

func of(part Part, err error) Condition {
	if err != nil {
		return Condition{Part: part, Reason: err.Error()}
	}
	return Condition{Part: part, OK: true}
}

func (s Sources) core() Condition {
	state := s.Core()
	c := Condition{Part: Core, OK: state.Registered, Detail: state.LastError}
	if !c.OK {
		c.Reason = "not registered with core"
	}
	return c
}

// volume: a volume that was not looked at yet is not known to be away.
func (s Sources) volume() Condition {
	if status := s.Volume(); !status.Available && status.Reason != "" {
		return Condition{Part: Volume, Reason: status.Reason}
	}
	return Condition{Part: Volume, OK: true}
}

// uploads returns why uploads are refused while the other parts stand like that.
func (s Sources) uploads(all Conditions) error {
	for _, part := range []Part{Core, Queue} {
		if err := all.Err(part); err != nil {
			return err
		}
	}
	if err := s.Takes(); err != nil {
		return err
	}
	var reasons []string
	for _, part := range []Part{Spool, FFmpeg} {
		if c := all.Of(part); !c.OK {
			reasons = append(reasons, c.Reason)
		}
	}
	if len(reasons) > 0 {
		return errors.New(strings.Join(reasons, "; "))
	}
	return nil
}

// Report is what the health endpoint answers.
type Report struct {
	Status     string     `json:"status"` // ok or unhealthy
	Name       string     `json:"name"`   // of the agent, as registered with core
	Reasons    []string   `json:"reasons,omitempty"`
	Conditions Conditions `json:"conditions,omitempty"`
}

// NewReport returns the report of an agent. It is unhealthy when there are
// reasons.
func NewReport(name string, c Conditions) Report {
	r := Report{Status: "ok", Name: name, Reasons: c.Reasons(), Conditions: c}
	if len(r.Reasons) > 0 {
		r.Status = "unhealthy"
	}
	return r
}
