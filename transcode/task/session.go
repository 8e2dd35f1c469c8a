package task

import (
	"strings"
	"time"
	"unicode"

	"github.com/jumpserver-video/jumpserver-video/coreapi"
)

// Session is what core reports of a session, for people who look for one. Times are UTC.
type Session struct {
	User     string     `json:"user,omitempty"`
	Asset    string     `json:"asset,omitempty"`
	Account  string     `json:"account,omitempty"`
	Protocol string     `json:"protocol,omitempty"`
	Start    time.Time  `json:"start"`
	End      *time.Time `json:"end,omitempty"` // nil while the session is active, and if core does not report it
}

// maxName is the length of the longest name that is stored, in characters.
const maxName = 128

// SessionOf returns what is stored of core's response. Names come from outside: they are
// cut to maxName characters, and characters that control terminals or the direction of
// text are removed.
func SessionOf(s coreapi.Session) *Session {
	kept := &Session{
		User: nameOf(s.User), Asset: nameOf(s.Asset), Account: nameOf(s.Account), Protocol: nameOf(s.Protocol), Start: s.DateStart.UTC(),
	}
	if !s.DateEnd.IsZero() {
		end := s.DateEnd.UTC()
		kept.End = &end
	}
	return kept
}

func nameOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > maxName {
		s = string(runes[:maxName-1]) + "…"
	}
	return s
}

// Length returns how long the session lasted; 0 if that is not known. s may be nil.
func (s *Session) Length() time.Duration {
	if s == nil || s.End == nil {
		return 0
	}
	return max(0, s.End.Sub(s.Start))
}
