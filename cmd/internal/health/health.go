// Package health reports the state of the agent's parts.
//
// There is one list of [Conditions], made in one place ([Sources.Conditions]). All
// that report on the agent use it: the health endpoint, the status page, the metrics,
// the status line of the service manager, and the doctor.
//
// The package also measures the space on file systems. It does so at intervals
// ([Disk]), because a measurement may hang.
package health

import (
	"errors"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/cleanup/rights"
	"github.com/jumpserver-video/jumpserver-video/cmd/internal/i18n"
	"github.com/jumpserver-video/jumpserver-video/coreapi"
	"github.com/jumpserver-video/jumpserver-video/watcher"
)

// Part is a part of the agent, or something that it depends on.
type Part string

// The parts, in the order in which they are listed.
const (
	Core    Part = "core"    // core accepts the agent's key
	Queue   Part = "queue"   // tasks can be stored and leased
	Volume  Part = "volume"  // the replay volume is available
	Rights  Part = "rights"  // originals on the volume may be retired
	Storage Part = "storage" // MP4s can be stored where core's settings say
	Spool   Part = "spool"   // there is space for uploads
	FFmpeg  Part = "ffmpeg"  // ffmpeg is installed
	// Uploads from Lion and Razor are accepted. They are refused if a part above
	// that they need has failed. They may also be refused for a reason that does
	// not stop other work: the agent is then not unhealthy.
	Uploads Part = "uploads"
	// Tasks finish. Failed and retried tasks do not make the agent unhealthy as
	// long as others finish.
	Tasks Part = "tasks"
	// Steering is whether an operator has paused the agent. It still accepts uploads.
	Steering Part = "steering"
	// Notify is whether notifications are delivered. The agent works without them.
	Notify Part = "notify"
)

// Parts are all parts.
var Parts = []Part{Core, Queue, Volume, Rights, Storage, Spool, FFmpeg, Uploads, Tasks, Steering, Notify}

// Level is how bad a condition is.
type Level string

// Levels.
const (
	Well     Level = "ok"
	Degraded Level = "degraded"  // the agent works, but something needs attention
	Failing  Level = "unhealthy" // the agent cannot work
)

// Condition is the state of one part.
type Condition struct {
	Part   Part   `json:"part"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why the part is not OK; "" if OK
	Fix    string `json:"fix,omitempty"`    // how to fix it, if the part knows
	// FixText is Fix in other languages than English.
	FixText i18n.Text `json:"fix_text,omitzero"`
	// Detail is the last error of the part. It may be set although OK, if the error
	// does not stop any work.
	Detail string `json:"detail,omitempty"`
	// Kind is the kind of Detail if core refuses the agent: a value of
	// [coreapi.Outcome].
	Kind string `json:"kind,omitempty"`
	// Say is a short form of Reason in the reader's language; empty if the part has
	// no problem.
	Say i18n.Text `json:"-"`

	// Mild means that the part is not OK, but the agent does its other work.
	Mild bool `json:"mild,omitempty"`
}

// Level returns how bad the condition is.
func (c Condition) Level() Level {
	switch {
	case !c.OK && !c.Mild:
		return Failing
	case !c.OK || c.Part == Core && c.Detail != "":
		return Degraded
	default:
		return Well
	}
}

// Remedy returns how to fix the condition. If this program does not know the text of
// a newer agent, it is in English.
func (c Condition) Remedy() i18n.Text {
	if i18n.Has(c.FixText.Key) {
		return c.FixText
	}
	return i18n.Raw(c.Fix)
}

// String returns the reason with the name of its part.
func (c Condition) String() string {
	switch c.Part {
	case Volume, Rights:
		return "replay volume: " + c.Reason
	case Storage:
		return "replay storage: " + c.Reason
	case Uploads:
		return "uploads are refused: " + c.Reason
	case Steering:
		return "the agent is paused: " + c.Reason
	case Notify:
		return "notifications are not delivered: " + c.Reason
	case Core:
		if c.OK {
			return "core responds with errors: " + c.Detail
		}
		return c.Reason
	default:
		return c.Reason
	}
}

// Conditions are the states of all parts that the agent has, one each.
type Conditions []Condition

// Of returns the condition of a part. A part that the agent does not have is OK.
func (c Conditions) Of(part Part) Condition {
	for _, condition := range c {
		if condition.Part == part {
			return condition
		}
	}
	return Condition{Part: part, OK: true}
}

// Err returns why a part is not OK; nil if it is.
func (c Conditions) Err(part Part) error {
	if condition := c.Of(part); !condition.OK {
		return errors.New(condition.Reason)
	}
	return nil
}

// Failing returns the conditions that are not OK or have a Detail to report. Uploads
// are included only if everything else works: otherwise they usually fail for the
// same reason.
func (c Conditions) Failing() Conditions {
	var failing Conditions
	for _, condition := range c {
		if condition.Level() != Well && (condition.Part != Uploads || c.Level() != Failing) {
			failing = append(failing, condition)
		}
	}
	return failing
}

// Level returns the level of the worst condition.
func (c Conditions) Level() Level {
	worst := Well
	for _, condition := range c {
		switch condition.Level() {
		case Failing:
			return Failing
		case Degraded:
			worst = Degraded
		case Well:
		}
	}
	return worst
}

// Reasons returns why the agent is not healthy; nothing if it is.
func (c Conditions) Reasons() []string {
	var reasons []string
	for _, condition := range c.Failing() {
		reasons = append(reasons, condition.String())
	}
	return reasons
}

// Sources return the states of the parts. Spool may take some seconds.
type Sources struct {
	Core    func() coreapi.State
	Queue   func() error          // why the queue cannot be used
	Volume  func() watcher.Status // nil = no volume
	Rights  func() error          // what is not permitted on the volume; nil = the agent changes nothing there
	Storage func() error          // why MP4s cannot be published
	Takes   func() error          // why MP4s of uploads cannot be stored
	Spool   func() error          // why there is no space for uploads
	FFmpeg  func() error          // why ffmpeg cannot be run
	Tasks   func() Work           // the state of the tasks; nil = unknown
	Paused  func() error          // who has paused the agent, and since when; nil = it cannot be paused
	Notify  func() error          // why notifications are not delivered; nil = there are none
}

// Conditions returns the current state of all parts.
func (s Sources) Conditions() Conditions {
	all := Conditions{s.core(), of(Queue, s.Queue())}
	if s.Volume != nil {
		all = append(all, s.volume())
	}
	if s.Rights != nil {
		all = append(all, s.rights())
	}
	all = append(all, of(Storage, s.Storage()), of(Spool, s.Spool()), of(FFmpeg, s.FFmpeg()))
	uploads := of(Uploads, s.uploads(all))
	uploads.Mild = !uploads.OK
	all = append(all, uploads)
	if s.Tasks != nil {
		all = append(all, s.Tasks().condition())
	}
	if s.Paused != nil {
		c := of(Steering, s.Paused())
		if c.Mild = !c.OK; !c.OK {
			c.FixText = i18n.T("health.steering_fix")
			c.Fix = c.FixText.String()
		}
		all = append(all, c)
	}
	if s.Notify != nil {
		c := of(Notify, s.Notify())
		c.Mild = !c.OK
		all = append(all, c)
	}
	return all
}

func of(part Part, err error) Condition {
	if err != nil {
		return Condition{Part: part, Reason: err.Error(), Say: i18n.Of("health", part)}
	}
	return Condition{Part: part, OK: true}
}

func (s Sources) core() Condition {
	state := s.Core()
	c := Condition{Part: Core, OK: state.Registered, Detail: state.LastError, Kind: state.ErrorKind}
	switch {
	case !c.OK:
		c.Reason, c.Say = "not registered with core", i18n.Of("health", Core)
	case c.Detail != "":
		c.Say = i18n.T("health.core_errors")
	}
	return c
}

// volume returns the condition of the volume. A volume that was not checked yet is not
// OK, because it may hang. Without a volume the agent still converts uploads, and
// recordings in buckets.
func (s Sources) volume() Condition {
	switch status := s.Volume(); {
	case status.Available:
		return Condition{Part: Volume, OK: true}
	case status.None:
		return Condition{Part: Volume, OK: true, Detail: status.Reason}
	case status.Reason == "":
		return Condition{Part: Volume, Reason: "it has not been checked yet", Say: i18n.T("health.volume_unseen")}
	default:
		return of(Volume, errors.New(status.Reason))
	}
}

// rights returns the condition of rights, with a fix if the error has one.
func (s Sources) rights() Condition {
	err := s.Rights()
	c := of(Rights, err)
	var denied *rights.Error
	if errors.As(err, &denied) {
		c.FixText = i18n.Fix(denied.Fix)
		c.Fix = c.FixText.String()
	}
	return c
}

// uploads returns why uploads are refused, given the conditions of the other parts.
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

// Report is the response of the health endpoint.
type Report struct {
	Status     Level      `json:"status"`
	Name       string     `json:"name"` // of the component in core
	Reasons    []string   `json:"reasons,omitempty"`
	Warnings   []string   `json:"warnings,omitempty"` // about settings that work, but may lose data later
	Conditions Conditions `json:"conditions,omitempty"`
}

// NewReport returns the report of an agent.
func NewReport(name string, c Conditions) Report {
	return Report{Status: c.Level(), Name: name, Reasons: c.Reasons(), Conditions: c}
}
