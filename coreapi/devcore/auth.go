package devcore

import (
	"crypto/hmac"
	"encoding/base64"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// authenticate returns the account whose key signed the request. If it returns
// neither an account nor a reply, the request has no signature, and the caller must
// decide.
func (c *Core) authenticate(r *http.Request, v version) (*account, *reply) {
	a := parseAuthorization(r.Header.Get("Authorization"))
	reject := func(detail string) *reply {
		answer := unauthorized(v, "authentication_failed", detail)
		return &answer
	}
	switch {
	case a.scheme == "bearer" && v.judgesBearer():
		return nil, reject("刷新的令牌或缓存无效。")
	case a.scheme != "signature":
		return nil, nil
	}
	fail := func() (*account, *reply) { return nil, reject("Invalid signature.") } // whatever the cause is
	crash := func() (*account, *reply) {
		answer := failed()
		return nil, &answer
	}
	keyID, algorithm, sent := a.params["keyid"], strings.ToLower(a.params["algorithm"]), a.params["signature"]
	if keyID == "" || algorithm == "" || sent == "" {
		return fail()
	}
	id, err := uuid.Parse(keyID)
	if err != nil {
		return crash() // core's database lookup raises an exception
	}
	who, secret := c.keyOwner(id.String())
	if who == nil {
		return fail()
	}
	if !c.mayComeFrom(who, r.RemoteAddr) {
		return nil, reject("Ip is not in access ip list.")
	}
	parts := strings.Fields(strings.ToLower(a.params["headers"]))
	if !slices.Contains(parts, target) || !slices.Contains(parts, "date") {
		return crash() // core's verifier raises an exception
	}
	want, err := signature(r, algorithm, parts, secret)
	if err != nil {
		return crash()
	}
	if got, err := base64.StdEncoding.DecodeString(sent); err != nil || !hmac.Equal(want, got) {
		return fail()
	}
	if c.opt.MaxSkew > 0 {
		date, err := time.Parse(time.RFC1123, r.Header.Get("Date"))
		if err != nil || c.opt.Now().Sub(date).Abs() > c.opt.MaxSkew {
			return fail()
		}
	}
	if v.disabledIsStranger() && !c.valid(who) {
		return fail()
	}
	c.used(who)
	return who, nil
}

// unauthorized returns a 401 in the version's form.
func unauthorized(v version, code, detail string) reply {
	a := refuse(http.StatusUnauthorized, code, detail)
	a.header = map[string]string{"WWW-Authenticate": v.challenge()}
	return a
}

// stranger returns the response to a request without credentials.
func stranger(v version) reply {
	return unauthorized(v, "not_authenticated", "Authentication credentials were not provided.")
}

// mayComeFrom reports whether the key may be used from the caller's address.
func (c *Core) mayComeFrom(a *account, remote string) bool {
	c.mu.Lock()
	group := a.ipGroup
	c.mu.Unlock()
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	for _, entry := range group {
		if entry == "*" {
			return true
		}
		if prefix, perr := netip.ParsePrefix(entry); err == nil && perr == nil && prefix.Contains(addr.Unmap()) {
			return true
		}
		if entry == host {
			return true
		}
	}
	return false
}

// throttle counts a request of the account within a period, a minute or an hour,
// and refuses it if the limit is reached. Refused requests do not count.
func throttle(window []time.Time, now time.Time, period time.Duration, limit int) ([]time.Time, *reply) {
	window = slices.DeleteFunc(window, func(t time.Time) bool { return now.Sub(t) >= period })
	if len(window) < limit {
		return append(window, now), nil
	}
	wait := int(math.Ceil((period - now.Sub(window[0])).Seconds()))
	a := refuse(http.StatusTooManyRequests, "throttled",
		"Request was throttled. Expected available in "+strconv.Itoa(wait)+" seconds.")
	a.header = map[string]string{"Retry-After": strconv.Itoa(wait)}
	return window, &a
}

// tooMany applies the limit of requests per minute to a service account.
func (c *Core) tooMany(a *account, v version) *reply {
	limit := v.ratePerMinute()
	if c.opt.RatePerMinute > 0 {
		limit = c.opt.RatePerMinute
	}
	if limit == 0 || !a.service {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var refusal *reply
	a.recent, refusal = throttle(a.recent, c.opt.Now(), time.Minute, limit)
	return refusal
}
