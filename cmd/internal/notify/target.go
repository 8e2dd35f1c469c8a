package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Target is one receiver of messages.
type Target struct {
	service string   // name of the service
	host    string   // of the server, unless it is secret or the service implies it
	id      string   // unique, and does not reveal the URL
	secrets []string // what must not be shown of the URL
	deliver func(context.Context, Message) error
	busy    chan struct{} // full while a message is being sent
}

// patience is the time limit for one message.
const patience = 20 * time.Second

// ErrBusy means that an earlier message to the target is still being sent.
var ErrBusy = errors.New("an earlier message is still being sent: the server does not respond")

// String returns the name of the target, without secrets.
func (t *Target) String() string {
	if t.host == "" {
		return t.service
	}
	return t.service + " (" + t.host + ")"
}

// Service returns the name of the service, such as telegram or webhook.
func (t *Target) Service() string { return t.service }

// Send returns nil once the service has accepted the message. Errors do not contain
// secret parts of the URL.
func (t *Target) Send(ctx context.Context, m Message) error {
	select {
	case t.busy <- struct{}{}:
	default:
		return ErrBusy
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := t.deliver(ctx, m)
		<-t.busy
		done <- err
	}()
	select {
	case err := <-done:
		return t.redact(err)
	case <-ctx.Done():
		return fmt.Errorf("the server has not responded for %s", patience)
	}
}

// Parse parses NOTIFY_URL: addresses separated by white space, because an address may
// contain commas.
func Parse(text string) ([]*Target, error) {
	var all []*Target
	for i, word := range strings.Fields(text) {
		t, err := parseOne(word)
		if err != nil {
			return nil, fmt.Errorf("address %d: %w", i+1, err)
		}
		all = append(all, t)
	}
	return all, nil
}

func parseOne(word string) (*Target, error) {
	u, err := url.Parse(word)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("does not have the form service://…") // the error of package url would contain the URL
	}
	if _, rest, _ := strings.Cut(word, "://"); strings.Contains(rest, ",") && strings.Contains(rest, "://") {
		return nil, errors.New("contains another address: separate addresses by spaces")
	}
	sum := sha256.Sum256([]byte(word))
	t := &Target{id: hex.EncodeToString(sum[:8]), secrets: secretsOf(u), busy: make(chan struct{}, 1)}
	err = t.choose(u)
	return t, t.redact(err)
}

// choose determines the service of a URL from its scheme, or from its host if it is an
// address as the service shows it.
func (t *Target) choose(u *url.URL) error {
	if u.Scheme != "https" && u.Scheme != "http" {
		switch u.Scheme {
		case "dingtalk":
			return t.dingTalk(u.Host+strings.TrimRight(u.Path, "/"), u.Query().Get("secret"))
		case "telegram":
			return t.telegram(u)
		case "feishu":
			u.Scheme = "lark"
		}
		return t.library(u.Scheme, u)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	last := parts[len(parts)-1]
	switch host := u.Hostname(); {
	case u.Scheme == "https" && host == dingTalkHost:
		return t.dingTalk(u.Query().Get("access_token"), u.Query().Get("secret"))
	case u.Scheme == "https" && host == "qyapi.weixin.qq.com":
		return t.library("wecom", &url.URL{Scheme: "wecom", Host: u.Query().Get("key")})
	case u.Scheme == "https" && (host == "open.feishu.cn" || host == "open.larksuite.com"):
		return t.library("lark", &url.URL{Scheme: "lark", Host: host, Path: "/" + last, RawQuery: u.RawQuery})
	case u.Scheme == "https" && host == "hooks.slack.com" && len(parts) == 4:
		return t.library("slack", &url.URL{Scheme: "slack", User: url.UserPassword("hook", strings.Join(parts[1:], "-")), Host: "webhook"})
	case u.Host == "":
		return errors.New("has no host")
	}
	return t.webhook(u)
}

// secretsOf returns everything in a URL that may be secret, longest first: all parts
// but the scheme and the names of parameters.
func secretsOf(u *url.URL) []string {
	pieces := strings.Split(u.Path, "/")
	if password, ok := u.User.Password(); ok {
		pieces = append(pieces, password)
	}
	pieces = append(pieces, u.User.Username())
	for _, values := range u.Query() {
		pieces = append(pieces, values...)
	}
	if !strings.Contains(u.Host, ".") && net.ParseIP(u.Hostname()) == nil && u.Port() == "" {
		pieces = append(pieces, u.Host)
	}
	var all []string
	for _, p := range pieces {
		split := strings.FieldsFunc(p, func(r rune) bool { return strings.ContainsRune("-,:@", r) })
		for _, s := range append(split, p) {
			if len(s) > 3 {
				all = append(all, s, url.QueryEscape(s), url.PathEscape(s))
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// redact removes secrets from an error. It does not wrap the error, because that would
// contain them.
func (t *Target) redact(err error) error {
	if err == nil {
		return nil
	}
	var inner *url.Error
	text := err.Error()
	if errors.As(err, &inner) { // its text contains the URL
		text = inner.Err.Error()
	}
	for _, s := range t.secrets {
		text = strings.ReplaceAll(text, s, "…")
	}
	return errors.New(strings.Join(strings.Fields(text), " "))
}
