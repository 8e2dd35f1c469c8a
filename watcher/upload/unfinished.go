package upload

import (
	"cmp"
	"errors"
	"fmt"
)

// Limits of unfinished uploads, for one account and for all.
const (
	maxOpen    = 1000     // uploads of one account
	maxRecords = 16 << 20 // bytes of their records; those of a thousand usual uploads are 2 MB
	maxAll     = 64 << 20 // the same, of all accounts
	// perUpload and perFile are the bytes of a record in addition to the index.
	perUpload, perFile = 512, 256
)

// opened is an unfinished upload.
type opened struct {
	caller string
	bytes  int64 // of its record
}

// begin counts an upload as unfinished.
func (s *Spool) begin(t Task) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := opened{t.Caller, int64(perUpload + len(t.Index) + perFile*len(t.Files))}
	err := s.fits(one)
	if err != nil && s.Agent != "" { // another agent may have finished some
		for id := range s.open {
			if have, err := s.summary(id); errors.Is(err, ErrNoTask) || err == nil && have.complete {
				delete(s.open, id)
			}
		}
		err = s.fits(one)
	}
	if err != nil {
		return err
	}
	if s.open == nil {
		s.open = map[string]opened{}
	}
	s.open[t.ID] = one
	return nil
}

// fits returns [ErrMany] if there is no room for another upload. The caller must
// hold mu.
func (s *Spool) fits(one opened) error {
	n, bytes, all := 1, one.bytes, one.bytes
	for _, o := range s.open {
		all += o.bytes
		if o.caller == one.caller {
			n++
			bytes += o.bytes
		}
	}
	if n > cmp.Or(s.MaxOpen, maxOpen) || bytes > maxRecords || all > maxAll {
		return fmt.Errorf("%w: this would be number %d, and %d kB to write down what they are (%d kB for all accounts)", ErrMany, n, bytes>>10, all>>10)
	}
	return nil
}

// ended no longer counts an upload as unfinished.
func (s *Spool) ended(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
}
