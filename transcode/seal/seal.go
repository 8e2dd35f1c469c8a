// Package seal authenticates what the agent reads back later: the marks in MP4s,
// and the records of a queue that others can write to.
//
// A [Key] is derived from VIDEO_WORKER_SECRET_KEY, which all agents of a fleet
// share, or stored in the agent's own DATA_DIR. What was sealed with another key
// counts as not sealed, never as an error. An agent that has lost its key, or never
// shared one, trusts less and therefore works more.
package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jumpserver-video/jumpserver-video/cleanup/durable"
)

// Size is the length of a seal in bytes.
const Size = sha256.Size

// keySize is the length of a key in a file, in bytes.
const keySize = 32

// Key creates and verifies seals. The zero Key creates none and accepts none.
type Key struct{ secret []byte }

// FromSecret returns the key derived from a secret text; the zero Key for "".
func FromSecret(secret string) Key {
	if secret == "" {
		return Key{}
	}
	return Key{[]byte(secret)}
}

// CanSeal reports whether the key is not the zero Key.
func (k Key) CanSeal() bool { return len(k.secret) > 0 }

// Open returns the key in a file, and creates it if it does not exist. The file
// holds 64 hexadecimal digits and only its owner can read it.
func Open(file string) (Key, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(file); err != nil {
			return Key{}, fmt.Errorf("make a key: %w", err)
		}
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read the key: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(secret) != keySize {
		return Key{}, fmt.Errorf("%s is damaged: it must hold %d hexadecimal digits; move it away, and a new key is made", file, 2*keySize)
	}
	return Key{secret}, nil
}

// create creates a key file. If another process creates it meanwhile, that file
// stays.
func create(file string) error {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	temp := filepath.Join(filepath.Dir(file), ".key-"+rand.Text())
	if err := os.WriteFile(temp, []byte(hex.EncodeToString(secret)+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := durable.Publish(temp, file, false); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Seal returns the seal of fields for a purpose: their HMAC-SHA256 with a separate
// key for each purpose. The zero Key returns nil.
func (k Key) Seal(purpose string, fields ...[]byte) []byte {
	if len(k.secret) == 0 {
		return nil
	}
	key, err := hkdf.Key(sha256.New, k.secret, nil, "jumpserver-video "+purpose, sha256.Size)
	if err != nil { // the length is valid
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	for _, field := range fields {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
		mac.Write(field)
	}
	return mac.Sum(nil)
}

// Holds reports whether seal is the valid seal of these fields for this purpose.
func (k Key) Holds(seal []byte, purpose string, fields ...[]byte) bool {
	want := k.Seal(purpose, fields...)
	return want != nil && hmac.Equal(seal, want)
}
