package coreapi

import "time"

// Hurry shortens the waits between two attempts to register.
func (r *Registrar) Hurry() {
	r.waits = waits{minimum: time.Millisecond, maximum: 10 * time.Millisecond, refused: 10 * time.Millisecond}
}
