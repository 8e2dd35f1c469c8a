package bucket

import (
	"encoding/json"
	"os"
	"time"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
	"github.com/jumpserver-video/jumpserver-video/coreapi/storage"
)

// position is how far a sweep has come. It is stored in a file.
type position struct {
	Place string    `json:"place"` // the bucket
	Began time.Time `json:"began"`
	Day   string    `json:"day,omitempty"`   // in progress; newer days are done
	After string    `json:"after,omitempty"` // position within the day
	Ended time.Time `json:"ended,omitzero"`  // of the last full sweep
	// Cost of the sweep in progress, or of the last one.
	Cost storage.Usage `json:"cost,omitzero"`
}

// sweeping reports whether a sweep was interrupted.
func (p position) sweeping() bool { return p.Day != "" }

// load reads the position. If it cannot be read, or is of another bucket, the cost
// is one more sweep.
func load(file, place string) position {
	var p position
	b, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(b, &p) != nil || p.Place != place {
		return position{Place: place}
	}
	return p
}

// save writes the position atomically.
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
