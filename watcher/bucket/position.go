package bucket

import (
	"encoding/json"
	"os"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// position is how far a sweep has come. It is kept in a file.
type position struct {
	Place string    `json:"place"` // the bucket that it is of
	Began time.Time `json:"began"`
	Day   string    `json:"day,omitempty"`   // in work; newer ones are done
	After string    `json:"after,omitempty"` // place within the day
	Ended time.Time `json:"ended,omitzero"`  // of the last full sweep
	// Cost of the sweep in work, or of the last one.
	Cost storage.Usage `json:"cost,omitzero"`
}

// sweeping tells whether a sweep was interrupted.
func (p position) sweeping() bool { return p.Day != "" }

// load reads the position; one that cannot be read, or is of another bucket,
// only costs a sweep.
func load(file, place string) position {
	var p position
	b, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(b, &p) != nil || p.Place != place {
		return position{Place: place}
	}
	return p
}

// save writes the position in one step.
func (p position) save(file string) error {
	if file == "" {
		return nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return durable.WriteFile(file, b, 0o600)
}
