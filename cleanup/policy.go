package cleanup

import (
	"fmt"
	"strings"
)

// Policy says what becomes of an original once its MP4 is in place.
type Policy string

// The policies.
const (
	PolicyTrash  Policy = "trash"  // moved to the trash, removed after some days
	PolicyDelete Policy = "delete" // removed at once
	PolicyKeep   Policy = "keep"   // left where it is; core may go on serving it
)

// Decode reads a policy's name, as envconfig wants it.
func (p *Policy) Decode(v string) error {
	switch got := Policy(strings.ToLower(strings.TrimSpace(v))); got {
	case PolicyTrash, PolicyDelete, PolicyKeep:
		*p = got
		return nil
	}
	return fmt.Errorf("must be %s, %s or %s", PolicyTrash, PolicyDelete, PolicyKeep)
}
