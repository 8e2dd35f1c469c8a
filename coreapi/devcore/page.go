package devcore

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// page responds with the rows that limit and offset select, in an envelope; without
// limit, with a bare list.
func page(r *call, rows []object) reply {
	if rows == nil {
		rows = []object{} // never null
	}
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit <= 0 {
		if n := r.v.bareLimit(); n > 0 {
			rows = rows[:min(n, len(rows))]
		}
		return ok(rows)
	}
	limit = min(limit, r.v.maxLimit())
	offset, err := strconv.Atoi(q.Get("offset"))
	if err != nil || offset < 0 {
		offset = 0
	}
	from := min(offset, len(rows))
	to := min(from+limit, len(rows))
	body := object{"count": len(rows), "next": nil, "previous": nil, "results": rows[from:to]}
	if offset+limit < len(rows) {
		body["next"] = pageURL(r, q, limit, offset+limit)
	}
	if offset > 0 {
		body["previous"] = pageURL(r, q, limit, offset-limit)
	}
	return ok(body)
}

func pageURL(r *call, q url.Values, limit, offset int) string {
	q.Set("limit", strconv.Itoa(limit))
	q.Set("offset", strconv.Itoa(offset))
	if offset <= 0 {
		q.Del("offset")
	}
	u := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: q.Encode()}
	return u.String()
}

// columns are the fields that sessions can be ordered by.
var columns = map[string]func(a, b Session) int{
	"id":           text(func(s Session) string { return s.ID }),
	"user":         text(func(s Session) string { return s.User }),
	"user_id":      text(func(s Session) string { return s.UserID }),
	"asset":        text(func(s Session) string { return s.Asset }),
	"asset_id":     text(func(s Session) string { return s.AssetID }),
	"account":      text(func(s Session) string { return s.Account }),
	"account_id":   text(func(s Session) string { return s.AccountID }),
	"protocol":     text(func(s Session) string { return s.Protocol }),
	"login_from":   text(func(s Session) string { return s.LoginFrom }),
	"type":         text(func(s Session) string { return s.Type }),
	"remote_addr":  text(func(s Session) string { return s.RemoteAddr }),
	"comment":      text(func(s Session) string { return s.Comment }),
	"error_reason": text(func(s Session) string { return s.ErrorReason }),
	"org_id":       text(func(s Session) string { return s.Org }),
	"is_success":   flag(func(s Session) bool { return !s.Failed }),
	"is_finished":  flag(func(s Session) bool { return s.Finished }),
	"has_replay":   flag(func(s Session) bool { return s.HasReplay }),
	"has_command":  flag(func(s Session) bool { return s.HasCommand }),
	"date_start":   func(a, b Session) int { return a.Start.Compare(b.Start) },
	"date_end":     func(a, b Session) int { return a.End.Compare(b.End) },
	"replay_size":  func(a, b Session) int { return cmp.Compare(a.ReplaySize, b.ReplaySize) },
}

func text(f func(Session) string) func(a, b Session) int {
	return func(a, b Session) int { return strings.Compare(f(a), f(b)) }
}

func flag(f func(Session) bool) func(a, b Session) int {
	return func(a, b Session) int {
		switch x, y := f(a), f(b); {
		case x == y:
			return 0
		case y:
			return -1
		}
		return 1
	}
}

// byColumns orders as the "order" parameter says; "-" before a column means
// descending. Unknown columns are ignored, and the default is newest first. Equal
// rows are ordered by id, which the database does not guarantee.
func byColumns(order string, v version) func(a, b Session) int {
	var by []func(a, b Session) int
	for name := range strings.SplitSeq(order, ",") {
		name, descending := strings.CutPrefix(strings.TrimSpace(name), "-")
		compare, known := columns[name]
		if !known || name == "replay_size" && !v.hasReplaySize() {
			continue
		}
		if descending {
			by = append(by, func(a, b Session) int { return compare(b, a) })
		} else {
			by = append(by, compare)
		}
	}
	if len(by) == 0 {
		by = append(by, func(a, b Session) int { return b.Start.Compare(a.Start) })
	}
	by = append(by, columns["id"])
	return func(a, b Session) int {
		i := slices.IndexFunc(by, func(f func(a, b Session) int) bool { return f(a, b) != 0 })
		if i < 0 {
			return 0
		}
		return by[i](a, b)
	}
}
