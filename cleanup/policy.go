package cleanup

import (
	"fmt"
	"strings"
)

// Policy says what happens to an original once its MP4 is in place.
type Policy string

// The policies.
const (
	PolicyTrash  Policy = "trash"  // moved to the trash, deleted after some days
	PolicyDelete Policy = "delete" // deleted at once
	PolicyKeep   Policy = "keep"   // left where it is; core may still serve it
)

// Decode parses a policy's name, for envconfig.
func (p *Policy) Decode(v string) error {
	switch got := Policy(strings.ToLower(strings.TrimSpace(v))); got {
	case PolicyTrash, PolicyDelete, PolicyKeep:
		*p = got
		return nil
	}
	return fmt.Errorf("must be %s, %s or %s", PolicyTrash, PolicyDelete, PolicyKeep)
}
