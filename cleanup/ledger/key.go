package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// keyWord is the first word of the lines of ledger.pub.
const keyWord = "jumpserver-video-ledger-key"

// Key is the public part of a ledger's key.
type Key struct {
	Agent  string // the agent that owns it, according to the file with the key
	public ed25519.PublicKey
}

// String returns the key as a line of ledger.pub.
func (k Key) String() string {
	return strings.TrimSpace(keyWord + " " + k.text() + " " + strings.Join(strings.Fields(k.Agent), "_"))
}

// text returns the key in the form of PEM files.
func (k Key) text() string { return base64.StdEncoding.EncodeToString(k.der()) }

func (k Key) der() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil { // this type of key can always be marshalled
		panic(err)
	}
	return der
}

// Fingerprint returns the SHA-256 of the key, in hex, to compare it with a written
// record.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(k.der())
	return hex.EncodeToString(sum[:])
}

// ParseKeys parses the lines of a ledger.pub. It ignores empty lines and those that
// begin with #.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 2 || fields[0] != keyWord {
			return nil, fmt.Errorf("not the public key of a ledger: want lines such as %q", keyWord+" MCowBQYDK2Vw… agent")
		}
		key, err := parseKey(fields[1])
		if err != nil {
			return nil, err
		}
		key.Agent = strings.Join(fields[2:], " ")
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("no public key of a ledger in it")
	}
	return keys, nil
}

func parseKey(text string) (Key, error) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return Key{}, fmt.Errorf("not the public key of a ledger: %w", err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return Key{}, fmt.Errorf("not the public key of a ledger: %w", err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return Key{}, errors.New("not the public key of a ledger: it is not one of Ed25519")
	}
	return Key{public: public}, nil
}

// errKey means that a file holds no private key.
var errKey = errors.New("no private key of a ledger in it")

// privateKey reads a key file, and creates it if it does not exist.
func privateKey(file string) (ed25519.PrivateKey, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(file); err != nil {
			return nil, err
		}
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s: %w", file, errKey)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", file, errKey, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: %w", file, errKey)
	}
	return private, nil
}

// makeKey creates a key file. It does not replace an existing one.
func makeKey(file string) error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	temp, err := writeTemp(file, bytes.NewReader(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	if err := os.Link(temp, file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(file))
}
