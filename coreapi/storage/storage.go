package storage

import (
	"context"
	"io"
	"time"
)

// Storage is a bucket (a container, on Azure) that keeps objects by key.
//
// All methods may be called from several goroutines and may be repeated: a
// call that was cut off can be made again, and ends as if it had been made
// once. Each retries by itself what may be gone in a moment ([Retry]). Errors
// are *[Error]s, whose kinds tell what to do about them. Keys are relative,
// with slashes, and never end with one.
type Storage interface {
	// Place names the kind, the server and the bucket, for messages.
	Place() string
	// Put writes an object, replacing one of that key. Readers see the old
	// object or the whole new one, never a part. Its SHA-256 is kept with it.
	// Bytes that are damaged on their way are refused by the server.
	Put(ctx context.Context, key string, body Body) error
	// Stat describes an object, or answers ErrNotFound. It does not tell of
	// keys that merely begin with key.
	Stat(ctx context.Context, key string) (Object, error)
	// Get reads an object from the byte at offset on; the caller closes it. A
	// read that fails is not repeated: see Download.
	Get(ctx context.Context, key string, offset int64) (io.ReadCloser, error)
	// List answers one page of a listing, in the order of keys: one request.
	List(ctx context.Context, q Query) (Page, error)
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
	// Move renames an object by copying it within the storage. When the new
	// key holds a copy of the same size, only the old one is deleted. An
	// object that is under neither key is ErrNotFound; one that is under the
	// new key alone has been moved before. The old one is deleted last.
	Move(ctx context.Context, from, to string) error
	// Usage counts what has been asked of the storage so far.
	Usage() Usage
	// MatchesPrefixes tells that core takes a key for present here when any
	// key begins with it (Azure).
	MatchesPrefixes() bool
}

// Body is the content of an object. It can be read again when an attempt
// fails, from any place.
type Body struct {
	io.ReaderAt
	Size   int64  // bytes
	SHA256 string // of the whole, lower-case hex; required
}

// Object is what a storage says of an object.
type Object struct {
	Key     string
	Size    int64 // bytes
	ModTime time.Time
	// ETag is the server's tag of the content, without quotes. It is an MD5
	// on some servers and not on others.
	ETag string
	// SHA256 is the one given to Put, "" for objects of others and in
	// listings.
	SHA256 string
	// Archived objects cannot be read until an administrator restores them.
	Archived bool
}

// Query says what to list.
type Query struct {
	Prefix string // of the keys; "" = all
	// After is the place to go on from: "", or the Next of an earlier page
	// with the same Prefix and Folders, which may be long ago.
	After string
	// Folders lists keys up to the first slash after Prefix, and deeper ones
	// as folders only.
	Folders bool
	Max     int // entries, 1 to 1000; 0 = 1000
}

// MaxPage is the most that a page holds.
const MaxPage = 1000

// Limit is Max with its default and bounds.
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

// Usage is what a storage has been asked for: providers charge for both.
type Usage struct {
	Requests int64 `json:"requests"`       // HTTP requests, retries included
	Sent     int64 `json:"bytes_sent"`     // of bodies
	Received int64 `json:"bytes_received"` // of bodies
}

// Add is both together.
func (u Usage) Add(v Usage) Usage {
	return Usage{u.Requests + v.Requests, u.Sent + v.Sent, u.Received + v.Received}
}

// Sub is what was used since an earlier time.
func (u Usage) Sub(earlier Usage) Usage {
	return Usage{u.Requests - earlier.Requests, u.Sent - earlier.Sent, u.Received - earlier.Received}
}
