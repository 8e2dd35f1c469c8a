package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// The end of each line, with texts of fixed length.
const (
	prevHead, sigHead = `,"prev":"`, `,"sig":"`
	prevSize, sigSize = 2 * sha256.Size, 88 // hex, base64
	sigTail           = len(sigHead) + sigSize + len(`"}`)
	prevTail          = len(prevHead) + prevSize + len(`"`)
)

// noPrev is the value of prev in the first line of a ledger.
var noPrev = strings.Repeat("0", prevSize)

// newLine returns an entry as a signed line, without its newline.
func newLine(e Entry, key ed25519.PrivateKey) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	sig := base64.StdEncoding.EncodeToString(ed25519.Sign(key, text))
	line := slices.Concat(text[:len(text)-1], []byte(sigHead+sig+`"}`))
	if len(line) > maxEntry {
		return nil, fmt.Errorf("%w: %s: %d bytes", ErrEntry, e.Session, len(line))
	}
	return line, nil
}

// framed reports whether a line ends like a line of a ledger.
func framed(line []byte) bool {
	if len(line) < len("{")+prevTail+sigTail || line[0] != '{' {
		return false
	}
	sig, prev := line[len(line)-sigTail:], line[len(line)-sigTail-prevTail:]
	return bytes.HasPrefix(sig, []byte(sigHead)) && bytes.HasSuffix(sig, []byte(`"}`)) &&
		bytes.HasPrefix(prev, []byte(prevHead)) && prev[prevTail-1] == '"'
}

// prevOf returns the hash of the previous line from a framed line.
func prevOf(line []byte) string {
	at := len(line) - sigTail - prevTail + len(prevHead)
	return string(line[at : at+prevSize])
}

// signedBy reports whether a framed line is signed with a key.
func signedBy(line []byte, key ed25519.PublicKey) bool {
	at := len(line) - sigTail
	sig, err := base64.StdEncoding.Strict().DecodeString(string(line[at+len(sigHead) : at+len(sigHead)+sigSize]))
	return err == nil && ed25519.Verify(key, append(bytes.Clone(line[:at]), '}'), sig)
}

// opens reports whether a framed line begins a section. In JSON texts quotes are
// escaped, so the match can only be a field.
func opens(line []byte) bool {
	return bytes.Contains(line, []byte(`"kind":"`+string(KindOpened)+`"`))
}

// hashOf returns the hash of a line.
func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// decode parses an entry.
func decode(line []byte) (Entry, error) {
	var e Entry
	err := json.Unmarshal(line, &e)
	return e, err
}
