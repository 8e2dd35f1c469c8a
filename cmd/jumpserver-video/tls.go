package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is the listener's certificate. It is read again when its files change, so
// that a renewal needs no restart.
type certificate struct {
	cert, key string // PEM files
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate // guarded by mu
	of     [2]time.Time     // modification times of the loaded files; guarded by mu
	looked time.Time        // when the files were last checked; guarded by mu
}

// lookAgain is the interval of checking the files.
const lookAgain = 10 * time.Second

// newCertificate reads a certificate and its key.
func newCertificate(cert, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, log: log}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("HTTPD_TLS_CERT and HTTPD_TLS_KEY: %w", err)
	}
	return c, nil
}

// load reads the files if they have changed. The caller must hold c.mu, unless no other
// goroutine has c.
func (c *certificate) load() error {
	c.looked = time.Now()
	var of [2]time.Time
	for i, file := range []string{c.cert, c.key} {
		st, err := os.Stat(file)
		if err != nil {
			return err
		}
		of[i] = st.ModTime()
	}
	if of == c.of {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.loaded, c.of = &pair, of
	return nil
}

// get implements GetCertificate of [tls.Config].
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) > lookAgain {
		if err := c.load(); err != nil {
			c.log.Warn("cannot use the renewed certificate; continuing with the previous one", "error", err)
		}
	}
	return c.loaded, nil
}
