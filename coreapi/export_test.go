package coreapi

import "time"

// Hurry shortens the waits between two tries to register.
func (r *Registrar) Hurry() {
	r.waits = waits{least: time.Millisecond, most: 10 * time.Millisecond, refused: 10 * time.Millisecond}
}
