package storage

import (
	"context"
	"io"
	"time"
)

// Storage is a bucket (a container, on Azure) that stores objects by key.
//
// All methods may be called from several goroutines and may be repeated: a call
// that was interrupted can be made again, with the same result as one call. Each
// retries temporary failures ([Retry]). Errors are *[Error]s, whose kinds say what
// to do about them. Keys are relative, with slashes, and never end with a slash.
type Storage interface {
	// Place returns the kind, the server and the bucket, for messages.
	Place() string
	// Put writes an object, replacing an existing one with that key. Readers see
	// the old object or the whole new one, never a part. Its SHA-256 is stored with
	// it. The server refuses bytes that were damaged during the transfer.
	Put(ctx context.Context, key string, body Body) error
	// Stat describes an object, or returns ErrNotFound. It ignores keys that merely
	// begin with key.
	Stat(ctx context.Context, key string) (Object, error)
	// Get returns a reader of an object from the byte at offset on; the caller
	// closes it. A read that fails is not retried: see Download.
	Get(ctx context.Context, key string, offset int64) (io.ReadCloser, error)
	// List returns one page of a listing, in the order of keys, with one request.
	List(ctx context.Context, q Query) (Page, error)
	// Delete deletes an object. If it does not exist, Delete returns nil.
	Delete(ctx context.Context, key string) error
	// Move renames an object by copying it within the storage and deleting the old
	// one last. If the new key holds a copy of the same size, it only deletes the
	// old one. If the object is under neither key, it returns ErrNotFound; if it is
	// only under the new key, it was moved before.
	Move(ctx context.Context, from, to string) error
	// Usage returns what has been requested from the storage so far.
	Usage() Usage
	// MatchesPrefixes reports whether core considers a key as present here if any
	// key begins with it (Azure).
	MatchesPrefixes() bool
}

// Body is the content of an object. After a failed attempt it can be read again
// from any offset.
type Body struct {
	io.ReaderAt
	Size   int64  // bytes
	SHA256 string // of the whole, lower-case hex; required
}

// Object describes an object in a storage.
type Object struct {
	Key     string
	Size    int64 // bytes
	ModTime time.Time
	// ETag is the server's tag of the content, without quotes. It is an MD5
	// on some servers and not on others.
	ETag string
	// SHA256 is the one given to Put. It is "" for objects of other clients and in
	// listings.
	SHA256 string
	// Archived objects cannot be read until an administrator restores them.
	Archived bool
}

// Query selects what to list.
type Query struct {
	Prefix string // of the keys; "" = all
	// After is where the listing continues: "", or the Next of an earlier page with
	// the same Prefix and Folders. That page may be old.
	After string
	// Folders lists only keys up to the first slash after Prefix; deeper ones
	// appear as folders.
	Folders bool
	Max     int // entries, 1 to 1000; 0 = 1000
}

// MaxPage is the maximum length of a page.
const MaxPage = 1000

// Limit returns Max with its default and bounds.
func (q Query) Limit() int {
	if q.Max <= 0 {
		return MaxPage
	}
	return min(q.Max, MaxPage)
}

// Page is a part of a listing.
type Page struct {
	Objects []Object
	Folders []string // prefixes, each with a slash at its end
	Next    string   // the After of the next page; "" = this is the last
}

// Usage is what has been requested from a storage. Providers charge for requests
// and for bytes.
type Usage struct {
	Requests int64 `json:"requests"`       // HTTP requests, retries included
	Sent     int64 `json:"bytes_sent"`     // in bodies
	Received int64 `json:"bytes_received"` // in bodies
}

// Add returns the sum.
func (u Usage) Add(v Usage) Usage {
	return Usage{u.Requests + v.Requests, u.Sent + v.Sent, u.Received + v.Received}
}

// Sub returns the difference to an earlier usage.
func (u Usage) Sub(earlier Usage) Usage {
	return Usage{u.Requests - earlier.Requests, u.Sent - earlier.Sent, u.Received - earlier.Received}
}
